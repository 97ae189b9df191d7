//! Any text as the shape of a job: read or refused with a place for everything that is wrong, and what is read has
//! buffers that add up.

use arbitrary::Unstructured;
use headroom::{
    budget::network::{Cluster, ShuffleSettings},
    bytes::Bytes,
    cli::input::job,
};

use super::input::{rest, version};

/// The input is a version, the slots of a TaskManager, and the text.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(version), Ok(slots)) = (version(&mut input), input.arbitrary::<u8>()) else {
        return;
    };
    let text = rest(input);
    let document = match job::parse(text) {
        Ok(document) => document,
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems
                    .iter()
                    .all(|problem| !problem.message.contains('\n'))
            );
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
}
