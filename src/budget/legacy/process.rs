//! How the Java code of the old model split the memory of a process into heap, network and managed memory.
//!
//! Mirrors `TaskManagerServices.calculateHeapSizeMB` and `getManagedMemoryFromProcessMemory` of Flink 1.9.

use serde::Serialize;

use super::{
    super::{infeasible::FlinkError, options::legacy as keys, request::Configuration},
    error, network,
    settings::{MEMORY_FRACTION, Settings, java_float},
    source::{Arithmetic, Part, Source},
};

/// What the Java code makes of a process that may take a number of mebibytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessPlan {
    /// The memory of the process.
    pub total: Part,
    /// The JVM's heap, whole mebibytes. On-heap managed memory is a part of it.
    pub heap: Part,
    /// Network memory, outside the heap.
    pub network: Part,
    /// Managed memory.
    pub managed: Part,
    /// Whether managed memory lies outside the heap.
    pub is_managed_off_heap: bool,
}

/// Splits the memory of a process of `total_mebibytes`.
///
/// # Errors
/// The exception Flink 1.9 throws.
pub fn process(
    configuration: &Configuration,
    total_mebibytes: i64,
) -> Result<ProcessPlan, FlinkError> {
    let settings = Settings(configuration);
    if total_mebibytes <= 0 {
        return Err(error::argument(""));
    }
    // Java's shift drops what does not fit, and so does this one.
    let total = total_mebibytes << 20;
    let network = network::of_total(settings, total)?;
    let rest = total.wrapping_sub(network.bytes);
    let managed = managed(settings, rest)?;
    let is_managed_off_heap = settings.is_managed_off_heap();
    let mut taken = network.bytes;
    if is_managed_off_heap {
        if managed.bytes >= rest {
            return Err(error::invalid(
                keys::MEMORY_SIZE,
                managed.bytes,
                format!(
                    "Managed memory size too large for {} MB network buffer memory and a total of \
                     {total_mebibytes} MB JVM memory",
                    network.bytes >> 20
                ),
            ));
        }
        taken = taken.wrapping_add(managed.bytes);
    }
    Ok(ProcessPlan {
        total: Part {
            bytes: total,
            source: Source::Given,
        },
        heap: Part {
            bytes: total.wrapping_sub(taken) >> 20 << 20,
            source: Source::Rest {
                of: total,
                taken,
                whole_mebibytes: true,
            },
        },
        network,
        managed,
        is_managed_off_heap,
    })
}

/// Managed memory, where `rest` bytes are left after network memory.
fn managed(settings: Settings<'_>, rest: i64) -> Result<Part, FlinkError> {
    if let Some(size) = settings.memory_size() {
        return Ok(Part {
            bytes: size?,
            source: settings.source(keys::MEMORY_SIZE),
        });
    }
    let fraction = settings.float(&MEMORY_FRACTION);
    Ok(Part {
        bytes: network::float_product(rest, fraction),
        source: Source::Fraction {
            option: keys::MEMORY_FRACTION,
            fraction: java_float(fraction),
            of: rest,
            arithmetic: Arithmetic::Float,
        },
    })
}
