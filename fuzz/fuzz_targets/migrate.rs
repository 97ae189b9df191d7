//! Any `flink-conf.yaml` of Flink 1.9: refused, or migrated to options that solve, with the sizes that it had.
//!
//! The input is a version number, what becomes of managed memory, the size of the container in mebibytes (0 for the
//! start scripts), and the text of the file.

#![no_main]

use headroom::{
    budget::{
        Configuration, FlinkVersion, Origin, Request,
        legacy::migration::{Deployment, ManagedMemory, Question, migrate},
        solve,
    },
    bytes::Bytes,
    configuration::flink_conf,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, u32, &str)| {
    let (version, managed, mebibytes, text) = input;
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
        to: FlinkVersion::ALL[usize::from(version) % FlinkVersion::ALL.len()],
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
});
