//! Step 3: the children that the pool should have. Pure, and the same that `headroom render` prints.

pub use crate::desired::build;
