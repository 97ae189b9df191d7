//! Resources that the operators of a slot share, whose bytes are reserved once: the cache of RocksDB, a Python process.

use std::time::Duration;

use super::{MemoryManager, OwnerId, ReservationError, page::Home};
use crate::{
    budget::FlinkError,
    bytes::Bytes,
    pool::shared_resources::{SharedResourceError, SharedResourceLease},
};

/// A shared resource of a slot could not be had. `Initializer` is the error of whoever opens it.
#[derive(Debug, thiserror::Error)]
pub enum SharedMemoryError<Initializer> {
    /// The share is not in (0, 1].
    #[error(transparent)]
    Share(FlinkError),
    /// Its bytes could not be reserved. `MemoryAllocationException` in Flink.
    #[error("could not create the shared memory resource of {size}")]
    Reservation {
        /// The bytes.
        size: Bytes,
        /// Why.
        #[source]
        error: ReservationError,
    },
    /// It could not be opened, or belongs to somebody else.
    #[error(transparent)]
    Resource(SharedResourceError<Initializer>),
}

/// Why a resource was not opened.
enum Unopened<Initializer> {
    Reservation {
        size: Bytes,
        error: ReservationError,
    },
    Initializer(Initializer),
}

/// The owner of a shared resource's bytes, which are released when it is dropped.
struct ResourceHolder {
    home: Home,
    owner: OwnerId,
}

impl Drop for ResourceHolder {
    fn drop(&mut self) {
        self.home
            .with_state(|state| self.home.strike_out(state, self.owner));
    }
}

impl MemoryManager {
    /// A lease of the resource with this name, whose bytes are a share of the slot's memory.
    ///
    /// The first one to ask reserves them, with the name for an owner, and opens the resource; all others get the same
    /// one, and their share is ignored. When the last lease has ended, the resource is dropped and its bytes are
    /// released. The name is common to these resources and to those of [`MemoryManager::external_shared_resource`].
    ///
    /// # Errors
    /// The share is not in (0, 1], too little memory is left, opening failed, the resource is of another type, or
    /// somebody else needs longer than `timeout` to open or close it.
    pub fn shared_resource<T, E>(
        &self,
        name: &str,
        share: f64,
        timeout: Duration,
        open: impl FnOnce(Bytes) -> Result<T, E>,
    ) -> Result<SharedResourceLease<T>, SharedMemoryError<E>>
    where
        T: Send + Sync + 'static,
    {
        let size = self
            .bytes_of_share(share)
            .map_err(SharedMemoryError::Share)?;
        let reserve_and_open = |size| {
            // Given up when opening fails or panics; kept until the resource is closed otherwise.
            let holder = ResourceHolder {
                owner: self
                    .home
                    .look(|state| state.books.register(name.into(), true)),
                home: self.home.clone(),
            };
            self.home
                .reserve(holder.owner, size)
                .map_err(|error| Unopened::Reservation { size, error })?;
            let resource = open(size).map_err(Unopened::Initializer)?;
            Ok((resource, move |_| drop(holder)))
        };
        let lease = self
            .home
            .shared_resources
            .lease(name, size, timeout, reserve_and_open);
        lease.map_err(|error| match error {
            SharedResourceError::Initializer(Unopened::Reservation { size, error }) => {
                SharedMemoryError::Reservation { size, error }
            }
            SharedResourceError::Initializer(Unopened::Initializer(error)) => {
                SharedMemoryError::Resource(SharedResourceError::Initializer(error))
            }
            SharedResourceError::WrongType { name } => {
                SharedMemoryError::Resource(SharedResourceError::WrongType { name })
            }
            SharedResourceError::Busy { name, waited } => {
                SharedMemoryError::Resource(SharedResourceError::Busy { name, waited })
            }
        })
    }

    /// A lease of the resource with this name, whose bytes are not of this manager.
    ///
    /// # Errors
    /// Opening failed, the resource is of another type, or somebody else needs longer than `timeout` to open or close it.
    pub fn external_shared_resource<T, E>(
        &self,
        name: &str,
        size: Bytes,
        timeout: Duration,
        open: impl FnOnce(Bytes) -> Result<T, E>,
    ) -> Result<SharedResourceLease<T>, SharedResourceError<E>>
    where
        T: Send + Sync + 'static,
    {
        let open = |size| Ok((open(size)?, |_| ()));
        self.home.shared_resources.lease(name, size, timeout, open)
    }
}
