//! The memory model of Flink 1.9 and older, and the way out of it.
//!
//! Before 1.10 a TaskManager's memory was computed in four places, each with an arithmetic of its own: by the
//! resource manager that asked YARN or Mesos for a container ([`container`]), by the Java code behind it
//! ([`process`]), by the start scripts ([`start_script`]), and again by the started TaskManager, which saw nothing
//! but the heap it was given ([`started`]). They disagree in places; each is reproduced as it was.
//!
//! Sizes are Java's signed 64-bit numbers: a negative `taskmanager.memory.fraction` made a negative size, and nothing
//! stopped it before the TaskManager started. Where a value could not be read as a number, 1.9 logged a warning and
//! took the default; [`unreadable`] names those values.

mod container;
mod error;
pub mod migration;
mod network;
mod process;
mod settings;
mod source;
mod start_script;
mod started;

pub use self::{
    container::{ContainerPlan, container},
    process::{ProcessPlan, process},
    settings::{Unreadable, unreadable},
    source::{Arithmetic, Part, Source},
    start_script::{ScriptPlan, ScriptRefusal, start_script},
    started::{Started, StartedNetwork, network_from_heap, started},
};
