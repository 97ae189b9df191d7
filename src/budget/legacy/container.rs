//! What the old model made of a container: the cut-off is kept back, the rest is a process.
//!
//! Mirrors `ContaineredTaskManagerParameters` of Flink 1.9, which served YARN and Mesos.

use serde::Serialize;

use super::{
    super::{infeasible::FlinkError, options, request::Configuration},
    error, network,
    process::process,
    settings::{CUTOFF_MIN, CUTOFF_RATIO, Settings, java_float},
    source::{Arithmetic, Part, Source},
};

/// A TaskManager in a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPlan {
    /// The container.
    pub container: Part,
    /// What is kept back for everything that Flink did not account for.
    pub cut_off: Part,
    /// The JVM's heap, whole mebibytes. On-heap managed memory is a part of it.
    pub heap: Part,
    /// The JVM's limit of direct memory: everything but the heap, the cut-off included.
    pub direct_limit: Part,
    /// Network memory.
    pub network: Part,
    /// Managed memory.
    pub managed: Part,
    /// Whether managed memory lies outside the heap.
    pub is_managed_off_heap: bool,
}

impl ContainerPlan {
    /// The JVM's memory flags.
    #[must_use]
    pub fn jvm_parameters(&self) -> String {
        let heap = self.heap.bytes >> 20;
        format!(
            "-Xms{heap}m -Xmx{heap}m -XX:MaxDirectMemorySize={}m",
            self.direct_limit_mebibytes()
        )
    }

    /// The limit of direct memory in mebibytes, as Flink counts it: beside a heap that a fraction of minus infinity made
    /// negative it is more than bytes can be counted in.
    #[must_use]
    pub const fn direct_limit_mebibytes(&self) -> i64 {
        (self.container.bytes >> 20) - (self.heap.bytes >> 20)
    }
}

/// Splits a container of `total_mebibytes`, which are fewer than 2^43: more bytes than Java's `long` holds.
///
/// # Errors
/// The exception Flink 1.9 throws.
pub fn container(
    configuration: &Configuration,
    total_mebibytes: i64,
) -> Result<ContainerPlan, FlinkError> {
    let settings = Settings(configuration);
    let cut_off = cut_off(settings, total_mebibytes)?;
    settings.slots()?;
    let process = process(
        configuration,
        total_mebibytes.wrapping_sub(cut_off.bytes >> 20),
    )?;
    let container = total_mebibytes << 20;
    Ok(ContainerPlan {
        container: Part {
            bytes: container,
            source: Source::Given,
        },
        direct_limit: Part {
            bytes: container.saturating_sub(process.heap.bytes),
            source: Source::Rest {
                of: container,
                taken: process.heap.bytes,
                whole_mebibytes: false,
            },
        },
        cut_off,
        heap: process.heap,
        network: process.network,
        managed: process.managed,
        is_managed_off_heap: process.is_managed_off_heap,
    })
}

/// What is kept back of a container: `calculateCutoffMB`.
fn cut_off(settings: Settings<'_>, total_mebibytes: i64) -> Result<Part, FlinkError> {
    if total_mebibytes <= 0 {
        return Err(error::argument(""));
    }
    let ratio = settings.float(&CUTOFF_RATIO);
    if ratio >= 1.0 || ratio <= 0.0 {
        return Err(error::argument(format!(
            "The configuration value '{}' must be between 0 and 1. Value given={}",
            options::HEAP_CUTOFF_RATIO,
            java_float(ratio)
        )));
    }
    let minimum = i64::from(settings.integer(&CUTOFF_MIN));
    if minimum >= total_mebibytes {
        return Err(error::argument(format!(
            "The configuration value '{}'='{minimum}' is larger than the total container memory {total_mebibytes}",
            options::HEAP_CUTOFF_MIN
        )));
    }
    let derived = network::float_product(total_mebibytes, ratio);
    Ok(if derived < minimum {
        Part {
            bytes: minimum << 20,
            source: Source::Minimum {
                option: options::HEAP_CUTOFF_MIN,
                derived: derived << 20,
            },
        }
    } else {
        Part {
            bytes: derived << 20,
            source: Source::Fraction {
                option: options::HEAP_CUTOFF_RATIO,
                fraction: java_float(ratio),
                of: total_mebibytes << 20,
                arithmetic: Arithmetic::Float,
            },
        }
    })
}
