//! Network memory of the old model: a fraction within bounds, or a number of buffers.
//!
//! Mirrors `NettyShuffleEnvironmentConfiguration` of Flink 1.9.

use super::{
    super::{
        infeasible::FlinkError,
        options::{self, legacy as keys},
    },
    error,
    settings::{
        DEFAULT_NETWORK_MAX, DEFAULT_NETWORK_MIN, NETWORK_FRACTION, NUMBER_OF_BUFFERS, Settings,
        java_float,
    },
    source::{Arithmetic, Part, Source},
};

/// Whether the fraction and its bounds decide: one of them is set, or the number of buffers is not.
pub(super) fn is_by_fraction(settings: Settings<'_>) -> bool {
    [
        keys::NETWORK_MEMORY_FRACTION,
        keys::NETWORK_MEMORY_MIN,
        keys::NETWORK_MEMORY_MAX,
    ]
    .into_iter()
    .any(|key| settings.is_set(key))
        || !settings.is_set(options::NUMBER_OF_BUFFERS)
}

/// Network memory of a process that may take `total` bytes: `calculateNetworkBufferMemory`.
pub(super) fn of_total(settings: Settings<'_>, total: i64) -> Result<Part, FlinkError> {
    let page = settings.page_size()?;
    if !is_by_fraction(settings) {
        let network = by_count(settings, page)?;
        if network.bytes >= total {
            return Err(error::invalid(
                options::NUMBER_OF_BUFFERS,
                network.bytes,
                format!(
                    "Network buffer memory size too large: {} >= {total} (total JVM memory size)",
                    network.bytes
                ),
            ));
        }
        return Ok(network);
    }
    let derived = float_product(total, settings.float(&NETWORK_FRACTION));
    within_bounds(settings, derived, total, Arithmetic::Float, total)
}

/// Network memory that belongs to a heap of `heap` bytes, once `without_network` bytes are known to be what the
/// process has without network memory: the other `calculateNewNetworkBufferMemory`.
pub(super) fn of_heap(
    settings: Settings<'_>,
    without_network: i64,
    heap: i64,
) -> Result<Part, FlinkError> {
    let fraction = f64::from(settings.float(&NETWORK_FRACTION));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "Flink converts to double and back here as well"
    )]
    let derived = (without_network as f64 / (1.0 - fraction) * fraction) as i64;
    within_bounds(
        settings,
        derived,
        without_network,
        Arithmetic::Inverse,
        heap,
    )
}

/// A number of buffers: `checkOldNetworkConfig`.
pub(super) fn by_count(settings: Settings<'_>, page: i64) -> Result<Part, FlinkError> {
    let buffers = settings.integer(&NUMBER_OF_BUFFERS);
    if buffers <= 0 {
        return Err(error::invalid(
            options::NUMBER_OF_BUFFERS,
            buffers,
            "Must have at least one network buffer",
        ));
    }
    Ok(Part {
        bytes: i64::from(buffers) * page,
        source: Source::Buffers {
            option: options::NUMBER_OF_BUFFERS,
            buffers: buffers.into(),
            buffer_bytes: page,
        },
    })
}

fn within_bounds(
    settings: Settings<'_>,
    derived: i64,
    of: i64,
    arithmetic: Arithmetic,
    limit: i64,
) -> Result<Part, FlinkError> {
    let fraction = settings.float(&NETWORK_FRACTION);
    let minimum = settings.size(keys::NETWORK_MEMORY_MIN, DEFAULT_NETWORK_MIN)?;
    let maximum = settings.size(keys::NETWORK_MEMORY_MAX, DEFAULT_NETWORK_MAX)?;
    let page = settings.page_size()?;
    check_bounds(page, fraction, minimum, maximum)?;
    let bytes = maximum.min(minimum.max(derived));
    if bytes >= limit {
        return Err(error::invalid(
            format!(
                "({}, {}, {})",
                keys::NETWORK_MEMORY_FRACTION,
                keys::NETWORK_MEMORY_MIN,
                keys::NETWORK_MEMORY_MAX
            ),
            format!("({}, {minimum}, {maximum})", java_float(fraction)),
            format!(
                "Network buffer memory size too large: {bytes} >= {limit} (maximum JVM memory size)"
            ),
        ));
    }
    let source = if bytes == derived {
        Source::Fraction {
            option: keys::NETWORK_MEMORY_FRACTION,
            fraction: java_float(fraction),
            of,
            arithmetic,
        }
    } else if bytes < derived {
        Source::Maximum {
            option: keys::NETWORK_MEMORY_MAX,
            derived,
        }
    } else {
        Source::Minimum {
            option: keys::NETWORK_MEMORY_MIN,
            derived,
        }
    };
    Ok(Part { bytes, source })
}

fn check_bounds(page: i64, fraction: f32, minimum: i64, maximum: i64) -> Result<(), FlinkError> {
    let at_least_one_buffer = |which: &str| {
        format!(
            "{which} memory for network buffers must allow at least one network buffer with respect to the memory \
             segment size"
        )
    };
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(error::invalid(
            keys::NETWORK_MEMORY_FRACTION,
            java_float(fraction),
            "Network buffer memory fraction of the free memory must be between 0.0 and 1.0",
        ));
    }
    if minimum < page {
        return Err(error::invalid(
            keys::NETWORK_MEMORY_MIN,
            minimum,
            at_least_one_buffer("Minimum"),
        ));
    }
    if maximum < page {
        return Err(error::invalid(
            keys::NETWORK_MEMORY_MAX,
            maximum,
            at_least_one_buffer("Maximum"),
        ));
    }
    if maximum < minimum {
        // Flink calls the minimum by the maximum's key.
        return Err(error::invalid(
            keys::NETWORK_MEMORY_MAX,
            maximum,
            format!(
                "Maximum memory for network buffers must not be smaller than minimum memory ({}: {minimum})",
                keys::NETWORK_MEMORY_MAX
            ),
        ));
    }
    Ok(())
}

/// `(long) (size * fraction)` in Java: the size becomes a 32-bit float, the product is one too, and is cut off.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Flink's own arithmetic loses the same digits"
)]
pub(super) fn float_product(size: i64, fraction: f32) -> i64 {
    (size as f32 * fraction) as i64
}

#[cfg(test)]
mod tests {
    use super::float_product;

    #[test]
    fn products_are_those_of_32_bit_floats() {
        // The exact product would be 107374184.0 here as well, but 226702131.2 below.
        assert_eq!(float_product(1 << 30, 0.1), 107_374_184);
        assert_eq!(float_product(2162 << 20, 0.1), 226_702_128);
        assert_eq!(float_product(4, f32::NAN), 0);
        assert_eq!(float_product(1 << 40, f32::INFINITY), i64::MAX);
    }
}
