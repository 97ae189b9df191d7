//! `Bytes`: an exact amount of memory.
//!
//! Every size in this crate is a whole number of bytes in this type; no size is ever a float, and a sum that
//! does not fit is an error of the caller, not a wrapped number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An exact, non-negative amount of memory in bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No memory at all.
    pub const ZERO: Bytes = Bytes(0);
    /// The largest size Flink can express: 2^63 − 1 bytes, Java's `Long.MAX_VALUE`.
    pub const MAX: Bytes = Bytes(i64::MAX as u64);
    /// 1024 bytes.
    pub const KIBI: Bytes = Bytes(1 << 10);
    /// 1024² bytes.
    pub const MEBI: Bytes = Bytes(1 << 20);
    /// 1024³ bytes.
    pub const GIBI: Bytes = Bytes(1 << 30);
    /// 1024⁴ bytes.
    pub const TEBI: Bytes = Bytes(1 << 40);

    /// This many whole mebibytes; saturates at [`Bytes::MAX`].
    #[must_use]
    pub const fn from_mebibytes(mebibytes: u64) -> Bytes {
        let bytes = mebibytes.saturating_mul(Self::MEBI.0);
        if bytes > Self::MAX.0 {
            Self::MAX
        } else {
            Bytes(bytes)
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or `None` above [`Bytes::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Bytes) -> Option<Bytes> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Bytes(sum)),
            _ => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Bytes) -> Option<Bytes> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Bytes(difference)),
            None => None,
        }
    }

    /// The sum, or [`Bytes::MAX`] where it would be larger.
    #[must_use]
    pub const fn saturating_add(self, other: Bytes) -> Bytes {
        match self.checked_add(other) {
            Some(sum) => sum,
            None => Self::MAX,
        }
    }

    /// The difference, or zero where it would be negative.
    #[must_use]
    pub const fn saturating_sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }

    /// Whole mebibytes, rounded down.
    #[must_use]
    pub const fn whole_mebibytes(self) -> u64 {
        self.0 >> 20
    }

    /// The next multiple of one mebibyte, or [`Bytes::MAX`] where that would be larger.
    #[must_use]
    pub const fn round_up_to_mebibyte(self) -> Bytes {
        Self::from_mebibytes(self.0.div_ceil(Self::MEBI.0))
    }
}

/// For people: `4 GiB`, `1728 MiB`, `12 bytes`; a size that is no whole number of its unit is followed by the
/// exact count, `128.00 MiB (134217730 bytes)`.
impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(Bytes, &str); 4] = [
            (Bytes::TEBI, "TiB"),
            (Bytes::GIBI, "GiB"),
            (Bytes::MEBI, "MiB"),
            (Bytes::KIBI, "KiB"),
        ];
        if self.0 == 0 {
            return formatter.write_str("0 bytes");
        }
        // The largest unit that divides the size exactly, as long as the size is at least a mebibyte.
        for (unit, name) in UNITS
            .iter()
            .take(3)
            .chain(UNITS.iter().skip(3).filter(|_| self.0 < Self::MEBI.0))
        {
            if self.0.is_multiple_of(unit.0) {
                return write!(formatter, "{} {name}", self.0 / unit.0);
            }
        }
        for (unit, name) in UNITS {
            if self.0 >= unit.0 {
                // Two decimals, rounded half up, in integers.
                let hundredths =
                    (u128::from(self.0) * 100 + u128::from(unit.0 / 2)) / u128::from(unit.0);
                return write!(
                    formatter,
                    "{}.{:02} {name} ({} bytes)",
                    hundredths / 100,
                    hundredths % 100,
                    self.0
                );
            }
        }
        write!(
            formatter,
            "{} byte{}",
            self.0,
            if self.0 == 1 { "" } else { "s" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn display_is_exact() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1025, "1.00 KiB (1025 bytes)"),
            (1 << 20, "1 MiB"),
            ((1 << 20) + 1024, "1.00 MiB (1049600 bytes)"),
            (1728 << 20, "1728 MiB"),
            (4 << 30, "4 GiB"),
            (134_217_730, "128.00 MiB (134217730 bytes)"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn sums_stop_at_the_largest_flink_size() {
        assert_eq!(Bytes::MAX.checked_add(Bytes(1)), None);
        assert_eq!(Bytes::MAX.saturating_add(Bytes(1)), Bytes::MAX);
        assert_eq!(Bytes(1).checked_sub(Bytes(2)), None);
        assert_eq!(Bytes(1).round_up_to_mebibyte(), Bytes::MEBI);
        assert_eq!(Bytes::MAX.round_up_to_mebibyte(), Bytes::MAX);
    }
}
