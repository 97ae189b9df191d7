//! What a started TaskManager of the old model computed from its heap, the only size it was told.
//!
//! Mirrors `TaskManagerServices.createMemoryManager` and `NettyShuffleEnvironmentConfiguration` of Flink 1.9.

use serde::Serialize;

use super::{
    super::{infeasible::FlinkError, options::legacy as keys, request::Configuration},
    error, network,
    settings::{MEMORY_FRACTION, Settings, java_float},
    source::{Arithmetic, Part, Source},
};

/// Network memory of a started TaskManager.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartedNetwork {
    /// Bytes of one buffer.
    pub page_bytes: i64,
    /// Network memory before it is cut into buffers.
    pub network: Part,
}

impl StartedNetwork {
    /// Whole buffers.
    #[must_use]
    pub fn buffers(&self) -> i64 {
        self.network.bytes / self.page_bytes
    }
}

/// A started TaskManager.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Network memory.
    pub network: StartedNetwork,
    /// Managed memory. On-heap managed memory that is a fraction is the largest it can be: the TaskManager took the
    /// fraction of the heap that was free after a garbage collection.
    pub managed: Part,
    /// Whether managed memory lies outside the heap.
    pub is_managed_off_heap: bool,
}

/// What a TaskManager with a heap of `heap_bytes` computes when it starts.
///
/// # Errors
/// The exception Flink 1.9 throws.
pub fn started(configuration: &Configuration, heap_bytes: i64) -> Result<Started, FlinkError> {
    let settings = Settings(configuration);
    settings.slots()?;
    let managed = managed(settings, heap_bytes)?;
    let network = if network::is_by_fraction(settings) {
        network_from_heap(configuration, heap_bytes)?
    } else {
        let page_bytes = settings.page_size()?;
        StartedNetwork {
            page_bytes,
            network: network::by_count(settings, page_bytes)?,
        }
    };
    if network.buffers() > i64::from(i32::MAX) {
        return Err(error::argument(format!(
            "The given number of memory bytes ({}) corresponds to more than MAX_INT pages.",
            network.network.bytes
        )));
    }
    Ok(Started {
        network,
        managed,
        is_managed_off_heap: settings.is_managed_off_heap(),
    })
}

/// Network memory by its fraction, whatever the number of buffers says.
///
/// # Errors
/// The exception Flink 1.9 throws.
pub fn network_from_heap(
    configuration: &Configuration,
    heap_bytes: i64,
) -> Result<StartedNetwork, FlinkError> {
    let settings = Settings(configuration);
    let page_bytes = settings.page_size()?;
    let without_network = if settings.is_managed_off_heap() {
        let configured = configured_mebibytes(settings)?.unwrap_or_default() << 20;
        if configured > 0 {
            heap_bytes.wrapping_add(configured)
        } else {
            let fraction = f64::from(managed_fraction(settings)?);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "Flink converts to double and back here as well"
            )]
            let without_network = (heap_bytes as f64 / (1.0 - fraction)) as i64;
            without_network
        }
    } else {
        heap_bytes
    };
    Ok(StartedNetwork {
        page_bytes,
        network: network::of_heap(settings, without_network, heap_bytes)?,
    })
}

fn managed(settings: Settings<'_>, heap_bytes: i64) -> Result<Part, FlinkError> {
    let configured = configured_mebibytes(settings)?;
    let fraction = managed_fraction(settings)?;
    if let Some(mebibytes) = configured {
        return Ok(Part {
            bytes: mebibytes << 20,
            source: settings.source(keys::MEMORY_SIZE),
        });
    }
    let (bytes, arithmetic) = if settings.is_managed_off_heap() {
        let fraction = f64::from(fraction);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "Flink converts to double and back here as well"
        )]
        let bytes = (heap_bytes as f64 / (1.0 - fraction) * fraction) as i64;
        (bytes, Arithmetic::Inverse)
    } else {
        (
            network::float_product(heap_bytes, fraction),
            Arithmetic::Float,
        )
    };
    Ok(Part {
        bytes,
        source: Source::Fraction {
            option: keys::MEMORY_FRACTION,
            fraction: java_float(fraction),
            of: heap_bytes,
            arithmetic,
        },
    })
}

/// `taskmanager.memory.size` in whole mebibytes; `None` where it is not set or zero.
fn configured_mebibytes(settings: Settings<'_>) -> Result<Option<i64>, FlinkError> {
    let value = settings.value(keys::MEMORY_SIZE).unwrap_or("0");
    let bytes = settings.memory_size().unwrap_or(Ok(0))?;
    // Flink counts the mebibytes in 32 bits and drops what is above them.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "this is what Flink 1.9 does"
    )]
    let mebibytes = i64::from((bytes >> 20) as i32);
    if bytes == 0 {
        Ok(None)
    } else if mebibytes > 0 {
        Ok(Some(mebibytes))
    } else {
        Err(error::invalid(
            keys::MEMORY_SIZE,
            value,
            "MemoryManager needs at least one MB of memory. If you leave this config parameter empty, the system \
             automatically pick a fraction of the available memory.",
        ))
    }
}

fn managed_fraction(settings: Settings<'_>) -> Result<f32, FlinkError> {
    let fraction = settings.float(&MEMORY_FRACTION);
    if fraction > 0.0 && fraction < 1.0 {
        Ok(fraction)
    } else {
        Err(error::invalid(
            keys::MEMORY_FRACTION,
            java_float(fraction),
            "MemoryManager fraction of the free memory must be between 0.0 and 1.0",
        ))
    }
}
