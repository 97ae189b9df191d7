//! The one integration binary: a module per subject, one link instead of many.

mod budget_vectors;
