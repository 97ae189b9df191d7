//! Names one object within its kind: the unit of work of the queue and the key of every cache.

use std::fmt;
use std::sync::Arc;

/// Namespace and name of an object.
///
/// Both parts are shared, because the same key stands in several maps.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Namespace of the object.
    pub namespace: Arc<str>,

    /// Name of the object.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key made of its two parts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}
