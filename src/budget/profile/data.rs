//! The profiles as data: every value with its reason and its source.
//!
//! `docs/profiles.md` is made of this table. A value belongs here only where a source says that Flink's own default
//! does not fit the kind of job; everything else is left to Flink.

use super::{Backend, Profile, ProfileDefault, Target, Value};
use crate::{budget::options::Id, bytes::Bytes};

/// What each profile sets.
pub(super) const fn defaults(profile: Profile) -> &'static [ProfileDefault] {
    match profile {
        Profile::Stateless => &[ProfileDefault {
            target: Target::Option(Id::ManagedFraction, Value::Fraction(0.0)),
            value: "0",
            reason: "nothing uses managed memory where no state is kept, so all of it goes to the heap",
            source: "Flink, \"Memory Tuning Guide\", on jobs without state and on state on the heap",
        }],
        Profile::HashMap => &[ProfileDefault {
            target: Target::Option(Id::ManagedFraction, Value::Fraction(0.0)),
            value: "0",
            reason: "state lives on the heap and managed memory would lie idle, so all of it goes to the heap",
            source: "Flink, \"Memory Tuning Guide\", on jobs without state and on state on the heap",
        }],
        Profile::RocksDb => &[ProfileDefault {
            target: Target::NativeOvershoot(Backend::RocksDb),
            value: "from the slots and RocksDB's options",
            reason: "the limit of RocksDB's cache is not strict: write buffers, pinned blocks and background jobs \
                     may go beyond it",
            source: "FLINK-15532; RocksDB, \"Write Buffer Manager\" and \"Block Cache\"",
        }],
        Profile::ForSt => &[ProfileDefault {
            target: Target::NativeOvershoot(Backend::ForSt),
            value: "from the slots and ForSt's options",
            reason: "ForSt divides and bounds its memory as RocksDB does, and goes beyond it in the same ways",
            source: "FLINK-15532; Flink, `ForStMemoryControllerUtils`",
        }],
        Profile::Batch => &[ProfileDefault {
            target: Target::Option(Id::NetworkMin, Value::SegmentsPerSlot(1512)),
            value: "1512 segments for each slot, at least Flink's 64m",
            reason: "a slot that writes one blocking shuffle and reads another needs 512 and at most 1000 buffers, \
                     at any parallelism",
            source: "Flink, `taskmanager.network.sort-shuffle.min-buffers` and \
                     `taskmanager.network.memory.read-buffer.required-per-gate.max`; FLINK-25640",
        }],
        Profile::Session => &[
            ProfileDefault {
                target: Target::Option(Id::JvmMetaspaceSize, Value::Size(Bytes(512 << 20))),
                value: "512m",
                reason: "each job loads its own classes, and those of a finished job stay until they are collected: \
                         room for two jobs of the size that Flink's default is made for",
                source: "FLINK-16406; Flink, \"Debugging Classloading\", on unloading in sessions",
            },
            ProfileDefault {
                target: Target::NativeOvershoot(Backend::Configured),
                value: "from the slots and the options of the state backend, if that is RocksDB or ForSt",
                reason: "the limit of the state backend's cache is not strict, whichever job uses it",
                source: "FLINK-15532; RocksDB, \"Write Buffer Manager\" and \"Block Cache\"",
            },
        ],
        Profile::Custom => &[],
    }
}
