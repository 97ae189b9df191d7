//! What each fuzz target does with its input, and what must hold of the answer.
//!
//! A target is a function of bytes, so that the tests of the package can replay the corpus with a stable compiler;
//! the programs in `fuzz_targets` only hand over what the fuzzer made up.

pub mod check;
pub mod configuration;
pub mod consumer_weights;
pub mod input;
pub mod job;
pub mod migrate;
pub mod shared_control;
pub mod shared_messages;
pub mod sizes;
pub mod solve;

/// What a target does with an input; panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its program and of its corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("check", check::run),
    ("configuration", configuration::run),
    ("consumer_weights", consumer_weights::run),
    ("job", job::run),
    ("migrate", migrate::run),
    ("shared_control", shared_control::run),
    ("shared_messages", shared_messages::run),
    ("sizes", sizes::run),
    ("solve", solve::run),
];
