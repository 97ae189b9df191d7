//! Resources that several users have together, by name: the first one opens it, each gets a lease, and the last lease
//! that ends closes it.
//!
//! Mirrors `SharedResources` and `OpaqueMemoryResource`. Flink holds the table's lock while a resource is opened and
//! closed; here none is held, so that opening may take long or ask for another resource. Others who want the same one
//! wait meanwhile.

use std::{any::Any, collections::HashMap, fmt, ops::Deref, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

use crate::bytes::Bytes;

/// A table of shared resources. Clones are handles of the same table.
#[derive(Clone, Default)]
pub struct SharedResources {
    table: Arc<Table>,
}

#[derive(Default)]
struct Table {
    entries: Mutex<HashMap<Arc<str>, Entry>>,
    /// An entry came to be open, or vanished.
    changed: Condvar,
}

enum Entry {
    /// Somebody opens or closes the resource at this instant.
    Busy,
    Open(Open),
}

struct Open {
    resource: Arc<dyn Any + Send + Sync>,
    size: Bytes,
    leases: usize,
    on_close: OnClose,
}

type OnClose = Box<dyn FnOnce(Bytes) + Send>;

/// A resource could not be had. `Initializer` is the error of whoever opens it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedResourceError<Initializer> {
    /// It could not be opened. The next who asks tries again.
    #[error("could not open the shared resource")]
    Initializer(#[source] Initializer),
    /// The name belongs to a resource of another type.
    #[error("the shared resource {name:?} is of another type")]
    WrongType {
        /// The resource's name.
        name: Arc<str>,
    },
    /// Somebody else was opening or closing it for as long as the caller would wait.
    #[error("waited {waited:?} in vain for the shared resource {name:?} to be opened or closed")]
    Busy {
        /// The resource's name.
        name: Arc<str>,
        /// How long was waited.
        waited: Duration,
    },
}

impl SharedResources {
    /// A table without resources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many resources are open.
    #[must_use]
    pub fn len(&self) -> usize {
        let entries = self.table.entries.lock();
        entries
            .values()
            .filter(|entry| matches!(entry, Entry::Open(_)))
            .count()
    }

    /// Whether no resource is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A lease of the resource with this name. When nobody has one, `open` makes the resource for that many bytes, and
    /// what is to be called with that number when the last lease has ended and the resource was dropped, even if that
    /// panics. When somebody has one, only the name counts.
    ///
    /// # Errors
    /// Opening failed, the resource is of another type, or somebody else needs longer than `timeout` to open or close it.
    pub fn lease<T, E, C>(
        &self,
        name: &str,
        size: Bytes,
        timeout: Duration,
        open: impl FnOnce(Bytes) -> Result<(T, C), E>,
    ) -> Result<SharedResourceLease<T>, SharedResourceError<E>>
    where
        T: Send + Sync + 'static,
        C: FnOnce(Bytes) + Send + 'static,
    {
        let name: Arc<str> = name.into();
        let mut entries = self.table.entries.lock();
        let is_busy = |entries: &mut HashMap<_, _>| matches!(entries.get(&name), Some(Entry::Busy));
        if self
            .table
            .changed
            .wait_while_for(&mut entries, is_busy, timeout)
            .timed_out()
            && is_busy(&mut entries)
        {
            return Err(SharedResourceError::Busy {
                name,
                waited: timeout,
            });
        }
        if let Some(Entry::Open(open)) = entries.get_mut(&name) {
            let Ok(resource) = Arc::clone(&open.resource).downcast() else {
                return Err(SharedResourceError::WrongType { name });
            };
            open.leases += 1;
            return Ok(self.lease_of(name, resource, open.size));
        }
        entries.insert(Arc::clone(&name), Entry::Busy);
        drop(entries);

        let vacate = Vacate {
            table: &self.table,
            name: &name,
        };
        let (resource, on_close) = open(size).map_err(SharedResourceError::Initializer)?;
        let resource = Arc::new(resource);
        std::mem::forget(vacate);
        let opened = Entry::Open(Open {
            resource: resource.clone(),
            size,
            leases: 1,
            on_close: Box::new(on_close),
        });
        self.table.entries.lock().insert(Arc::clone(&name), opened);
        self.table.changed.notify_all();
        Ok(self.lease_of(name, resource, size))
    }

    fn lease_of<T>(&self, name: Arc<str>, resource: Arc<T>, size: Bytes) -> SharedResourceLease<T> {
        SharedResourceLease {
            resource,
            term: Term {
                table: Arc::clone(&self.table),
                name,
                size,
            },
        }
    }
}

impl fmt::Debug for SharedResources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.table.entries.lock();
        formatter.debug_set().entries(entries.keys()).finish()
    }
}

impl Table {
    /// Ends a lease, and closes the resource if it was the last one.
    fn end_lease(&self, name: &Arc<str>) {
        let mut entries = self.entries.lock();
        let closed = match entries.get_mut(name) {
            Some(Entry::Open(open)) if open.leases > 1 => {
                open.leases -= 1;
                None
            }
            // The entry stays, so that nobody opens the resource a second time while it is being closed.
            Some(entry) => Some(std::mem::replace(entry, Entry::Busy)),
            None => None,
        };
        drop(entries);
        if let Some(Entry::Open(open)) = closed {
            // What is declared last is dropped first, even when the resource panics: after it, its bytes are released,
            // and then its entry goes.
            let _vacate = Vacate { table: self, name };
            let _closed = Closed(Some((open.on_close, open.size)));
            drop(open.resource);
        }
    }
}

/// Tells that a resource was closed, when dropped.
struct Closed(Option<(OnClose, Bytes)>);

impl Drop for Closed {
    fn drop(&mut self) {
        if let Some((on_close, size)) = self.0.take() {
            on_close(size);
        }
    }
}

/// Removes a busy entry, when dropped.
struct Vacate<'a> {
    table: &'a Table,
    name: &'a Arc<str>,
}

impl Drop for Vacate<'_> {
    fn drop(&mut self) {
        self.table.entries.lock().remove(self.name);
        self.table.changed.notify_all();
    }
}

/// A lease of a shared resource, through which it is used. Mirrors `OpaqueMemoryResource`.
///
/// There is one value per lease, so it ends once, when it is dropped.
pub struct SharedResourceLease<T> {
    /// Dropped before `term`, which then lets go of the last reference.
    resource: Arc<T>,
    term: Term,
}

/// The part of a lease that ends it.
struct Term {
    table: Arc<Table>,
    name: Arc<str>,
    size: Bytes,
}

impl<T> SharedResourceLease<T> {
    /// The bytes that the resource was opened with.
    #[must_use]
    pub fn size(&self) -> Bytes {
        self.term.size
    }

    /// The resource's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.term.name
    }

    /// Ends the lease, as dropping it does.
    pub fn close(self) {}
}

impl<T> Deref for SharedResourceLease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.resource
    }
}

impl<T> fmt::Debug for SharedResourceLease<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { name, size, .. } = &self.term;
        formatter
            .debug_struct("SharedResourceLease")
            .field("name", name)
            .field("size", size)
            .finish_non_exhaustive()
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.table.end_lease(&self.name);
    }
}
