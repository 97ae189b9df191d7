//! The tests that see the crate from outside, in one binary: one module per subject.

mod chart;
