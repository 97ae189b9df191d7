//! Starts real Kubernetes control planes for the demo, the tests and the benchmarks.
