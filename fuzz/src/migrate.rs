//! Any `flink-conf.yaml` of Flink 1.9: refused, or migrated to options that solve, with the sizes that it had.

use arbitrary::Unstructured;
use headroom::{
    budget::{
        Configuration, Origin, Request,
        legacy::migration::{Deployment, ManagedMemory, Question, migrate},
        solve,
    },
    bytes::Bytes,
    configuration::flink_conf,
};

use super::input::{rest, version};

/// The input is the version to migrate to, what becomes of managed memory, the size of the container in mebibytes (0
/// for the start scripts), and the text of the file.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(version), Ok(managed), Ok(mebibytes)) = (
        version(&mut input),
        input.arbitrary::<u8>(),
        input.arbitrary::<u32>(),
    ) else {
        return;
    };
    let text = rest(input);
    let mut old = Configuration::new();
    for entry in flink_conf::read(text).entries {
        old.push(entry.key, entry.value, Origin::FlinkConfiguration);
    }
    let question = Question {
        deployment: match mebibytes {
            0 => Deployment::Standalone,
            1 => Deployment::Container { size: None },
            _ => Deployment::Container {
                size: Some(Bytes::from_mebibytes(mebibytes.into())),
            },
        },
        to: version,
        managed: match managed % 3 {
            0 => ManagedMemory::Keep,
            1 => ManagedMemory::FromHeap,
            _ => ManagedMemory::Drop,
        },
    };
    let Ok(migration) = migrate(&old, &question) else {
        return;
    };
    let mut configuration: Configuration = migration.carried_over.iter().cloned().collect();
    for option in &migration.options {
        configuration.push(option.key, option.value.clone(), Origin::CommandLine);
    }
    match solve(&Request::new(question.to, configuration)) {
        Ok(budget) => {
            let of = |name: &str| {
                migration
                    .task_manager
                    .iter()
                    .find(|comparison| comparison.component == name)
                    .and_then(|comparison| comparison.old_bytes)
            };
            assert_eq!(of("network"), Some(budget.network.bytes));
            if question.managed == ManagedMemory::Keep {
                assert_eq!(of("jvmHeap"), Some(budget.jvm_heap()));
                assert_eq!(of("managed"), Some(budget.managed.bytes));
            }
        }
        Err(_) => assert!(!migration.conflicts.is_empty()),
    }
}
