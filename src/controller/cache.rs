//! The controller's view of the cluster: what the watches delivered, overlaid with its own writes.
//!
//! The rule it guards: the view never goes back in time. The answer of every own write is put in at once
//! and anything the watches deliver later about an older version is ignored, so no reconcile ever acts on
//! a view older than the controller's last own write.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::field_ownership::FieldSets;
use super::key::ObjectKey;
use super::observed::{Child, ChildKind, ObservedChild, ObservedPool, StoredChild, StoredPool};

/// All caches behind one lock, which is never held across an await.
#[derive(Debug, Default)]
pub struct Caches(Mutex<View>);

impl Caches {
    /// The view; a panic of another holder does not poison it, because every change is a single insert
    /// or remove.
    pub fn lock(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pools and children by key.
#[derive(Debug, Default)]
pub struct View {
    pools: HashMap<ObjectKey, ObservedPool>,
    children: HashMap<ObjectKey, Children>,
    // By child, with the pool that wants it.
    blocked: HashMap<(ChildKind, ObjectKey), ObjectKey>,
    sets: FieldSets,
}

/// The objects of each kind that have one name. A pool's children share the name of the pool or derive
/// from it; the cache does not care.
#[derive(Debug, Default)]
struct Children([Option<CachedChild>; 4]);

#[derive(Debug)]
struct CachedChild {
    observed: ObservedChild,
    /// Digest that was applied last and what the server made of it; see [`View::put_applied`].
    settled: Option<Box<str>>,
}

/// A child and whether applying a given content again would change anything.
#[derive(Clone, Debug)]
pub struct ChildView {
    /// The child.
    pub observed: ObservedChild,

    /// Digest of the content that this process applied and that the server answered with exactly the
    /// ownership seen now.
    pub settled: Option<Box<str>>,
}

/// What an event did to the view.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Something a reconcile looks at is different now.
    Changed,
    /// The event told nothing new.
    Nothing,
}

impl View {
    /// Takes in a pool from a watch or from the answer to a write.
    pub fn put_pool(&mut self, stored: StoredPool) -> Option<(ObjectKey, Effect)> {
        let (key, observed) = stored.observe()?;
        if let Some(known) = self.pools.get(&key)
            && (observed.version.is_older_than(&known.version) || observed.version == known.version)
        {
            return Some((key, Effect::Nothing));
        }
        self.pools.insert(key.clone(), observed);
        Some((key, Effect::Changed))
    }

    /// Takes out a pool that was deleted, unless the view already knows a later instance.
    pub fn remove_pool(&mut self, stored: StoredPool) -> Option<(ObjectKey, Effect)> {
        let (key, observed) = stored.observe()?;
        if let Some(known) = self.pools.get(&key)
            && known.uid == observed.uid
        {
            self.pools.remove(&key);
            self.unblock_pool(&key);
            return Some((key, Effect::Changed));
        }
        Some((key, Effect::Nothing))
    }

    /// Takes in a child from a watch. The owner's key comes back when something changed.
    pub fn put_child<K: Child>(&mut self, stored: StoredChild<K>) -> Option<ChildEvent> {
        let (key, observed) = stored.observe(&mut self.sets)?;
        let slot = self.slot(K::KIND, &key);
        let mut previous = None;
        let mut is_status_only = false;
        if let Some(known) = slot {
            if observed.version.is_older_than(&known.observed.version)
                || observed.version == known.observed.version
            {
                return Some(ChildEvent::nothing(key));
            }
            if known.observed.is_same(&observed) {
                known.observed.version = observed.version;
                return Some(ChildEvent::nothing(key));
            }
            is_status_only = known.observed.is_same_but_for_status(&observed);
            // What the server made of our last write still holds while our ownership is the same.
            let settled = known.settled.take().filter(|_| {
                known.observed.owned == observed.owned && known.observed.uid == observed.uid
            });
            previous = settled;
        }
        let event = ChildEvent {
            is_status_only,
            ..ChildEvent::changed(&key, &observed)
        };
        self.children.entry(key).or_default().0[K::KIND as usize] = Some(CachedChild {
            observed,
            settled: previous,
        });
        Some(event)
    }

    /// Takes in the answer to an own write of content with `digest`.
    ///
    /// Should the server not have given us every field we sent (an admission webhook changed some), the
    /// digest remembered here keeps the controller from sending the same content for ever.
    pub fn put_applied<K: Child>(
        &mut self,
        stored: StoredChild<K>,
        digest: &str,
    ) -> Option<ObservedChild> {
        let (key, observed) = stored.observe(&mut self.sets)?;
        let slot = &mut self.children.entry(key).or_default().0[K::KIND as usize];
        if let Some(known) = slot
            && observed.version.is_older_than(&known.observed.version)
        {
            return Some(known.observed.clone());
        }
        *slot = Some(CachedChild {
            observed: observed.clone(),
            settled: Some(digest.into()),
        });
        Some(observed)
    }

    /// Takes out a child that was deleted, unless the view already knows a later instance.
    pub fn remove_child<K: Child>(&mut self, stored: StoredChild<K>) -> Option<ChildEvent> {
        let (key, observed) = stored.observe(&mut self.sets)?;
        let is_known = self
            .slot(K::KIND, &key)
            .is_some_and(|known| known.observed.uid == observed.uid);
        if is_known {
            self.forget_child(K::KIND, &key);
        }
        // Even a child that is not known wakes its pool: it may have been in the way.
        Some(ChildEvent::changed(&key, &observed))
    }

    /// Takes out one child.
    pub fn forget_child(&mut self, kind: ChildKind, key: &ObjectKey) {
        if let Some(children) = self.children.get_mut(key) {
            children.0[kind as usize] = None;
            if children.0.iter().all(Option::is_none) {
                self.children.remove(key);
            }
        }
    }

    /// Remembers that an object of somebody else is in the way. The watches need not see it, so whatever
    /// is known of it is forgotten, and it is asked for whenever its pool is reconciled.
    pub fn block(&mut self, kind: ChildKind, key: &ObjectKey, pool: &ObjectKey) {
        self.forget_child(kind, key);
        self.blocked.insert((kind, key.clone()), pool.clone());
    }

    /// Takes back [`View::block`].
    pub fn unblock(&mut self, kind: ChildKind, key: &ObjectKey) {
        if !self.blocked.is_empty() {
            self.blocked.remove(&(kind, key.clone()));
        }
    }

    /// Whether an object of somebody else was in the way when it was last looked for.
    #[must_use]
    pub fn is_blocked(&self, kind: ChildKind, key: &ObjectKey) -> bool {
        !self.blocked.is_empty() && self.blocked.contains_key(&(kind, key.clone()))
    }

    /// After a complete list: takes out every pool of `namespace` (all if `None`) that was not in it.
    pub fn retain_pools(
        &mut self,
        namespace: Option<&str>,
        listed: &HashSet<ObjectKey>,
    ) -> Vec<ObjectKey> {
        let gone: Vec<ObjectKey> = self
            .pools
            .keys()
            .filter(|key| namespace.is_none_or(|namespace| *key.namespace == *namespace))
            .filter(|key| !listed.contains(*key))
            .cloned()
            .collect();
        for key in &gone {
            self.pools.remove(key);
            self.unblock_pool(key);
        }
        gone
    }

    /// Nobody looks again for what is in the way of a pool that has gone.
    fn unblock_pool(&mut self, pool: &ObjectKey) {
        self.blocked.retain(|_, blocked| blocked != pool);
    }

    /// After a complete list: takes out every child of `kind` in `namespace` (all if `None`) that was not
    /// in it. The keys of the owners come back.
    ///
    /// A child that was created after the list was read goes too; its pool is reconciled then, and
    /// applying it again changes nothing on the server and brings it back.
    pub fn retain_children(
        &mut self,
        kind: ChildKind,
        namespace: Option<&str>,
        listed: &HashSet<ObjectKey>,
    ) -> Vec<ObjectKey> {
        let gone: Vec<(ObjectKey, Option<ObjectKey>)> = self
            .children
            .iter()
            .filter(|(key, _)| namespace.is_none_or(|namespace| *key.namespace == *namespace))
            .filter(|(key, _)| !listed.contains(*key))
            .filter_map(|(key, children)| {
                let child = children.0[kind as usize].as_ref()?;
                Some((key.clone(), owner_key(key, &child.observed)))
            })
            .collect();
        gone.into_iter()
            .filter_map(|(key, owner)| {
                self.forget_child(kind, &key);
                owner
            })
            .collect()
    }

    /// One pool.
    #[must_use]
    pub fn pool(&self, key: &ObjectKey) -> Option<ObservedPool> {
        self.pools.get(key).cloned()
    }

    /// All pools, in no order.
    pub fn pools(&self) -> impl Iterator<Item = (&ObjectKey, &ObservedPool)> {
        self.pools.iter()
    }

    /// One child.
    #[must_use]
    pub fn child(&self, kind: ChildKind, key: &ObjectKey) -> Option<ChildView> {
        let cached = self.children.get(key)?.0[kind as usize].as_ref()?;
        Some(ChildView {
            observed: cached.observed.clone(),
            settled: cached.settled.clone(),
        })
    }

    fn slot(&mut self, kind: ChildKind, key: &ObjectKey) -> Option<&mut CachedChild> {
        self.children.get_mut(key)?.0[kind as usize].as_mut()
    }
}

/// An event of a child: which object it was, and whose reconcile it asks for.
#[derive(Clone, Debug)]
pub struct ChildEvent {
    /// Key of the child.
    pub key: ObjectKey,

    /// Key of the pool to reconcile; `None` when the event told nothing new.
    pub owner: Option<ObjectKey>,

    /// Whether only the status differs, so that there is nothing to put right.
    pub is_status_only: bool,
}

impl ChildEvent {
    fn nothing(key: ObjectKey) -> Self {
        Self {
            key,
            owner: None,
            is_status_only: false,
        }
    }

    fn changed(key: &ObjectKey, observed: &ObservedChild) -> Self {
        Self {
            key: key.clone(),
            owner: owner_key(key, observed),
            is_status_only: false,
        }
    }
}

/// The pool a child belongs to: the controlling owner, else the one in its label.
fn owner_key(key: &ObjectKey, observed: &ObservedChild) -> Option<ObjectKey> {
    let name = observed
        .owner
        .as_ref()
        .filter(|owner| owner.other_kind.is_none())
        .map(|owner| &owner.name)
        .or(observed.instance.as_ref())?;
    Some(ObjectKey {
        namespace: key.namespace.clone(),
        name: name.as_ref().into(),
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::json;

    use super::*;

    fn child(uid: &str, version: u64, owner: Option<&str>, ready: i32) -> StoredChild<Deployment> {
        let owners = owner.map(|uid| {
            json!([{
                "apiVersion": "headroom.dev/v1alpha1", "kind": "TaskManagerPool",
                "name": "clicks", "uid": uid, "controller": true,
            }])
        });
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "default", "name": "clicks", "uid": uid,
                "resourceVersion": version.to_string(), "ownerReferences": owners,
                "labels": {"app.kubernetes.io/instance": "clicks"},
            },
            "status": {"readyReplicas": ready},
        }))
        .unwrap()
    }

    fn pool(uid: &str, version: u64) -> StoredPool {
        serde_json::from_value(json!({"metadata": {
            "namespace": "default", "name": "clicks", "uid": uid, "resourceVersion": version.to_string(),
        }}))
        .unwrap()
    }

    fn key() -> ObjectKey {
        ObjectKey::new("default", "clicks")
    }

    fn version(view: &View) -> String {
        let child = view.child(ChildKind::Deployment, &key()).unwrap();
        child.observed.version.to_string()
    }

    #[test]
    fn the_view_of_a_child_never_goes_back() {
        let mut view = View::default();
        view.put_applied(child("1", 10, Some("p"), 0), "digest")
            .unwrap();
        let late = view.put_child(child("1", 9, Some("p"), 3)).unwrap();
        assert!(late.owner.is_none());
        assert_eq!(version(&view), "10");
        let echo = view.put_child(child("1", 10, Some("p"), 0)).unwrap();
        assert!(echo.owner.is_none(), "the own write is no news");
        let news = view.put_child(child("1", 11, Some("p"), 1)).unwrap();
        assert_eq!(news.owner, Some(key()));
        assert!(news.is_status_only);
        let older = view
            .put_applied(child("1", 10, Some("p"), 0), "digest")
            .unwrap();
        assert_eq!(
            older.version.to_string(),
            "11",
            "an answer may be late, too"
        );
    }

    #[test]
    fn a_late_delete_of_the_predecessor_takes_nothing_away_but_wakes_the_pool() {
        let mut view = View::default();
        view.put_applied(child("2", 20, Some("p"), 0), "digest")
            .unwrap();
        let event = view.remove_child(child("1", 19, Some("p"), 0)).unwrap();
        assert_eq!(event.owner, Some(key()));
        assert_eq!(version(&view), "20");
        view.remove_child(child("2", 21, Some("p"), 0)).unwrap();
        assert!(view.child(ChildKind::Deployment, &key()).is_none());
    }

    #[test]
    fn what_the_server_made_of_a_write_is_remembered_while_nobody_takes_fields() {
        let mut view = View::default();
        view.put_applied(child("1", 10, Some("p"), 0), "digest")
            .unwrap();
        view.put_child(child("1", 11, Some("p"), 2)).unwrap();
        let settled = |view: &View| view.child(ChildKind::Deployment, &key()).unwrap().settled;
        assert_eq!(settled(&view).as_deref(), Some("digest"));
        view.put_child(child("2", 12, Some("p"), 2)).unwrap();
        assert_eq!(settled(&view), None, "another instance");
    }

    #[test]
    fn pools_follow_the_same_rules() {
        let mut view = View::default();
        assert_eq!(view.put_pool(pool("1", 5)).unwrap().1, Effect::Changed);
        assert_eq!(view.put_pool(pool("1", 5)).unwrap().1, Effect::Nothing);
        assert_eq!(view.put_pool(pool("1", 4)).unwrap().1, Effect::Nothing);
        assert_eq!(view.put_pool(pool("2", 7)).unwrap().1, Effect::Changed);
        assert_eq!(view.remove_pool(pool("1", 6)).unwrap().1, Effect::Nothing);
        assert_eq!(&*view.pool(&key()).unwrap().uid, "2");
    }

    #[test]
    fn a_complete_list_takes_out_what_is_not_in_it_within_its_namespace() {
        let mut view = View::default();
        view.put_pool(pool("1", 5)).unwrap();
        view.put_child(child("1", 6, Some("1"), 0)).unwrap();
        let nothing = HashSet::new();
        assert!(view.retain_pools(Some("other"), &nothing).is_empty());
        assert!(
            view.retain_children(ChildKind::ConfigMap, None, &nothing)
                .is_empty()
        );
        assert_eq!(
            view.retain_children(ChildKind::Deployment, None, &nothing),
            [key()]
        );
        assert_eq!(view.retain_pools(Some("default"), &nothing), [key()]);
        assert!(view.pool(&key()).is_none());
    }

    #[test]
    fn what_was_in_the_way_is_forgotten_with_its_pool() {
        let mut view = View::default();
        view.put_pool(pool("1", 5)).unwrap();
        view.put_child(child("9", 6, None, 0)).unwrap();
        view.block(ChildKind::Deployment, &key(), &key());
        assert!(view.child(ChildKind::Deployment, &key()).is_none());
        assert!(view.is_blocked(ChildKind::Deployment, &key()));
        view.remove_pool(pool("1", 7)).unwrap();
        assert!(!view.is_blocked(ChildKind::Deployment, &key()));
    }
}
