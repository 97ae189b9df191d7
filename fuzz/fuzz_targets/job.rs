//! Any text as the shape of a job: read or refused with a place for everything that is wrong, and what is read has
//! buffers that add up.
//!
//! The input is the number of a version, the slots of a TaskManager, and the text.

#![no_main]

use headroom::{
    budget::{
        FlinkVersion,
        network::{Cluster, ShuffleSettings},
    },
    bytes::Bytes,
    cli::input::job,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &str)| {
    let (version, slots, text) = input;
    let version = FlinkVersion::ALL[usize::from(version) % FlinkVersion::ALL.len()];
    let document = match job::parse(text) {
        Ok(document) => document,
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.message.contains('\n')));
            return;
        }
    };
    let cluster = Cluster {
        slots_per_taskmanager: slots.into(),
        taskmanagers: None,
        spreads_slots: false,
    };
    let settings = ShuffleSettings::default_of(version);
    let buffers = document
        .shape
        .buffers(&settings, &cluster)
        .expect("nothing bounds the TaskManagers");
    assert_eq!(buffers.vertices.len(), document.shape.vertices().len());
    assert!(buffers.required <= buffers.target && buffers.target <= buffers.with_overdraft);
    assert!(buffers.slots_on_taskmanager <= u64::from(slots.max(1)));
    if let Some(sizes) = buffers.sizes(Bytes(32 << 10)) {
        assert!(sizes.starts <= sizes.runs_freely && sizes.runs_freely <= sizes.with_overdraft);
    }
});
