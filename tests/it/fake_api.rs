//! An API server in memory behind a `kube::Client`: stateful, with server-side apply, watches, garbage
//! collection, and faults on demand.
//!
//! It knows as much of Kubernetes as the controller uses, and answers that part as the real one does; a
//! test of the `e2e` package sends the same requests to both and compares.

pub mod fields;
pub mod request;
pub mod run;
pub mod serve;
pub mod store;
pub mod transcript;

pub use serve::{FakeApi, Fault};
