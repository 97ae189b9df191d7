//! CPU time as Kubernetes counts it, and the number of processors that a JVM makes of it.

use std::fmt;

use serde::Serialize;

use crate::quantity::{Quantity, QuantityError};

/// An amount of CPU in thousandths of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MilliCpu(pub u64);

impl MilliCpu {
    /// Whole cores.
    #[must_use]
    pub const fn from_cores(cores: u32) -> Self {
        Self(cores as u64 * 1000)
    }

    /// An amount as Kubernetes writes it: `2`, `500m`, `1.5`.
    ///
    /// # Errors
    /// The text is no quantity, or it is negative.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        text.parse::<Quantity>()?.milli_cpu().map(Self)
    }

    /// How many processors a JVM counts under this limit, on a node that has as many: the limit rounded up, and one at
    /// least. Mirrors `CgroupSubsystem::active_processor_count` of HotSpot.
    #[must_use]
    pub const fn processors(self) -> u64 {
        let rounded_up = self.0.div_ceil(1000);
        if rounded_up == 0 { 1 } else { rounded_up }
    }
}

/// As Kubernetes writes it: `2`, `500m`.
impl fmt::Display for MilliCpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(formatter, "{}", self.0 / 1000)
        } else {
            write!(formatter, "{}m", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_core_is_a_whole_processor() {
        for (text, written, processors) in [
            ("2", "2", 2),
            ("1500m", "1500m", 2),
            ("0.25", "250m", 1),
            ("0", "0", 1),
            ("1e3", "1000", 1000),
        ] {
            let amount = MilliCpu::parse(text).unwrap();
            assert_eq!(
                (amount.to_string().as_str(), amount.processors()),
                (written, processors)
            );
        }
        assert_eq!(MilliCpu::from_cores(4), MilliCpu(4000));
        assert!(MilliCpu::parse("-1").is_err());
        assert!(MilliCpu::parse("two").is_err());
    }
}
