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
            // What the server made of our last write still holds while our ownership is the same.
            let settled = known.settled.take().filter(|_| {
                known.observed.owned == observed.owned && known.observed.uid == observed.uid
            });
            previous = settled;
        }
        let event = ChildEvent::changed(&key, &observed);
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
}

impl ChildEvent {
    fn nothing(key: ObjectKey) -> Self {
        Self { key, owner: None }
    }

    fn changed(key: &ObjectKey, observed: &ObservedChild) -> Self {
        Self {
            key: key.clone(),
            owner: owner_key(key, observed),
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
