//! Any configuration file: solved or explained, and what is solved adds up.
//!
//! The input is a version number, a container limit in mebibytes (0 for none), and one `key: value` per line.

#![no_main]

use headroom::{
    budget::{Configuration, FlinkVersion, Origin, Request, derive, nearest_feasible, solve},
    bytes::Bytes,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &str)| {
    let (version, limit, text) = input;
    let mut configuration = Configuration::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        configuration.push(key, value, Origin::FlinkConfiguration);
    }
    let version = FlinkVersion::ALL[usize::from(version) % FlinkVersion::ALL.len()];
    let mut request = Request::new(version, configuration);
    request.container_limit = (limit > 0).then(|| Bytes::from_mebibytes(limit.into()));
    match solve(&request) {
        Ok(budget) => {
            let parts = [
                &budget.total_flink,
                &budget.jvm_metaspace,
                &budget.jvm_overhead,
            ];
            let sum: u64 = parts.iter().map(|part| part.bytes.get()).sum();
            assert_eq!(sum, budget.total_process.bytes.get());
            assert!(derive(&request).is_ok());
        }
        Err(infeasible) => assert!(!infeasible.conflicts.is_empty()),
    }
    if let Some((budget, changes)) = nearest_feasible(&request) {
        let changed = changes
            .iter()
            .fold(request, |request, change| request.with_suggestion(change));
        assert_eq!(
            solve(&changed).ok().map(|again| again.total_process.bytes),
            Some(budget.total_process.bytes)
        );
    }
});
