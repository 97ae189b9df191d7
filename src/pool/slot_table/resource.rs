//! What a slot has of each resource, and the budget from which slots are cut.
//!
//! Mirrors `ResourceProfile`, as far as slots of a TaskManager have it, and `ResourceBudgetManager`.

use std::fmt;

use crate::bytes::Bytes;

/// An amount of CPU in hundred-millionths of a core, the 8 decimal places that Flink keeps since 1.14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuCores(u64);

impl CpuCores {
    const PLACES: usize = 8;
    const CORE: u64 = 10_u64.pow(8);

    /// This many thousandths of a core; at most 184 million cores.
    #[must_use]
    pub const fn from_milli(milli: u64) -> Self {
        Self(milli.saturating_mul(Self::CORE / 1000))
    }

    /// The amount that a decimal says, such as `0.33333333`. More places than 8 are cut off. `None` when the text is no
    /// plain decimal.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_decimal = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
            return None;
        }
        let places = &fraction[..fraction.len().min(Self::PLACES)];
        let parts: u64 = format!("{places:0<8}").parse().ok()?;
        whole
            .parse::<u64>()
            .ok()?
            .checked_mul(Self::CORE)?
            .checked_add(parts)
            .map(Self)
    }

    const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

/// As a decimal without needless places: `0.1`, `2`.
impl fmt::Display for CpuCores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, parts) = (self.0 / Self::CORE, self.0 % Self::CORE);
        if parts == 0 {
            return write!(formatter, "{whole}");
        }
        let places = format!("{parts:08}");
        write!(formatter, "{whole}.{}", places.trim_end_matches('0'))
    }
}

/// What a slot has of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResourceProfile {
    /// CPU.
    pub cpu: CpuCores,
    /// JVM heap of tasks.
    pub task_heap: Bytes,
    /// Off-heap memory of tasks.
    pub task_off_heap: Bytes,
    /// Managed memory. The only part that is enforced, by the slot's memory manager.
    pub managed: Bytes,
    /// Network memory. It is counted, but the network pool is one for all slots.
    pub network: Bytes,
}

impl ResourceProfile {
    /// The sum of each resource; `None` where one does not fit.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            cpu: self.cpu.checked_add(other.cpu)?,
            task_heap: self.task_heap.checked_add(other.task_heap)?,
            task_off_heap: self.task_off_heap.checked_add(other.task_off_heap)?,
            managed: self.managed.checked_add(other.managed)?,
            network: self.network.checked_add(other.network)?,
        })
    }

    /// The difference of each resource; `None` where there is less of one than is taken away.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        Some(Self {
            cpu: self.cpu.checked_sub(other.cpu)?,
            task_heap: self.task_heap.checked_sub(other.task_heap)?,
            task_off_heap: self.task_off_heap.checked_sub(other.task_off_heap)?,
            managed: self.managed.checked_sub(other.managed)?,
            network: self.network.checked_sub(other.network)?,
        })
    }
}

impl fmt::Display for ResourceProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} cores, {} task heap, {} task off-heap, {} managed, {} network",
            self.cpu, self.task_heap, self.task_off_heap, self.managed, self.network
        )
    }
}

/// All resources of a TaskManager's slots, and what is left of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceBudget {
    total: ResourceProfile,
    available: ResourceProfile,
}

/// A resource is short. Nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not reserve {wanted}: left are {available} of {total}")]
pub struct ResourcesExceeded {
    /// What was asked for.
    pub wanted: ResourceProfile,
    /// What is left.
    pub available: ResourceProfile,
    /// All there is.
    pub total: ResourceProfile,
}

impl ResourceBudget {
    /// A budget of which nothing is taken.
    #[must_use]
    pub const fn new(total: ResourceProfile) -> Self {
        Self {
            total,
            available: total,
        }
    }

    /// All there is.
    #[must_use]
    pub const fn total(&self) -> &ResourceProfile {
        &self.total
    }

    /// What is left.
    #[must_use]
    pub const fn available(&self) -> &ResourceProfile {
        &self.available
    }

    /// Takes all resources of a profile, or none.
    ///
    /// # Errors
    /// One of them is short.
    pub fn reserve(&mut self, wanted: &ResourceProfile) -> Result<(), ResourcesExceeded> {
        self.available = self
            .available
            .checked_sub(wanted)
            .ok_or(ResourcesExceeded {
                wanted: *wanted,
                available: self.available,
                total: self.total,
            })?;
        Ok(())
    }

    /// Gives back what was taken. `false`, and nothing is given back, when that were more than was taken.
    #[must_use = "what was not taken is not given back"]
    pub fn release(&mut self, released: &ResourceProfile) -> bool {
        let sum = self.available.checked_add(released);
        match sum.filter(|sum| self.total.checked_sub(sum).is_some()) {
            Some(sum) => {
                self.available = sum;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, CpuCores, ResourceBudget, ResourceProfile};

    #[test]
    fn cores_are_exact_decimals() {
        for (text, shown) in [
            ("0.1", "0.1"),
            ("0.333333339", "0.33333333"),
            ("2", "2"),
            ("1.50000000", "1.5"),
            ("12.00000001", "12.00000001"),
            ("3.", "3"),
        ] {
            assert_eq!(CpuCores::from_decimal(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            ".5",
            "-1",
            "1e3",
            "one",
            "1.x",
            "+1",
            "18446744073709551615",
        ] {
            assert_eq!(CpuCores::from_decimal(text), None, "{text:?}");
        }
        assert_eq!(
            CpuCores::from_milli(100),
            CpuCores::from_decimal("0.1").unwrap()
        );
    }

    #[test]
    fn a_resource_that_is_short_keeps_all_others() {
        let total = ResourceProfile {
            cpu: CpuCores::from_milli(1000),
            managed: Bytes(100),
            ..ResourceProfile::default()
        };
        let mut budget = ResourceBudget::new(total);
        let wanted = ResourceProfile {
            managed: Bytes(101),
            ..total
        };
        assert_eq!(
            budget.reserve(&wanted).unwrap_err().to_string(),
            "could not reserve 1 cores, 0 bytes task heap, 0 bytes task off-heap, 101 bytes managed, 0 bytes network: \
             left are 1 cores, 0 bytes task heap, 0 bytes task off-heap, 100 bytes managed, 0 bytes network of 1 \
             cores, 0 bytes task heap, 0 bytes task off-heap, 100 bytes managed, 0 bytes network"
        );
        budget.reserve(&total).unwrap();
        assert_eq!(*budget.available(), ResourceProfile::default());
        assert!(!budget.release(&wanted));
        assert!(budget.release(&total));
        assert_eq!((budget.available(), budget.total()), (&total, &total));
        assert!(!budget.release(&ResourceProfile {
            managed: Bytes(1),
            ..ResourceProfile::default()
        }));
    }
}
