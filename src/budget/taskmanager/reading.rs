//! Reading options in the middle of a derivation: sizes, numbers, ranges, capped fractions, and the legacy options.
//!
//! A value that can't be read is a violation; where the derivation goes on all the same, it becomes unknown.

use super::{
    super::{
        decimal,
        derivation::{Amount, Rule, Stop, Strictness},
        effective::LegacyHeap,
        fraction, memory_size,
        options::Id,
        violation::{Kind, Quantity},
    },
    Deriver,
};
use crate::bytes::Bytes;

/// The bounds and the fraction of a component.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub minimum: Amount,
    pub maximum: Amount,
    pub fraction: f32,
    pub option: Id,
    pub known: bool,
}

impl<S: Strictness> Deriver<'_, '_, S> {
    /// A size option that has a default or is set; a value that does not parse becomes an unknown zero.
    pub(super) fn size(&mut self, id: Id) -> Result<Amount, Stop> {
        match self.options.setting(id) {
            None => {
                let default = id
                    .default_size(self.options.version())
                    .unwrap_or(Bytes::ZERO);
                Ok(Amount::known(default, Rule::Default(id)))
            }
            Some(setting) => match memory_size::parse(&setting.value) {
                Ok(bytes) => Ok(Amount::known(bytes, Rule::Configured(id))),
                Err(error) => {
                    self.violated(Kind::Size { option: id, error })?;
                    Ok(Amount::unknown(Bytes::ZERO))
                }
            },
        }
    }

    pub(super) fn process_size(&mut self) -> Result<Amount, Stop> {
        if let Some(limit) = self.options.limit_as_process_size {
            return Ok(Amount::known(limit, Rule::ContainerLimit));
        }
        self.total(Id::ProcessSize)
    }

    pub(super) fn flink_size(&mut self) -> Result<Amount, Stop> {
        match self.legacy_heap {
            Some(amount) => Ok(amount),
            None => self.total(Id::FlinkSize),
        }
    }

    /// A total that does not parse could be anything.
    pub(super) fn total(&mut self, id: Id) -> Result<Amount, Stop> {
        let amount = self.size(id)?;
        Ok(if amount.known {
            amount
        } else {
            Amount::unknown(Bytes::MAX)
        })
    }

    pub(super) fn integer(&mut self, id: Id) -> Result<Option<i32>, Stop> {
        let Some(setting) = self.options.setting(id) else {
            return Ok(None);
        };
        // Java's Integer.parseInt and Rust's agree: an optional sign and decimal digits.
        match setting.value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => {
                self.violated(Kind::Integer { option: id })?;
                Ok(None)
            }
        }
    }

    pub(super) fn range(
        &mut self,
        minimum: Amount,
        maximum: Amount,
        option: Id,
    ) -> Result<Range, Stop> {
        let mut known = minimum.known && maximum.known;
        let fraction = match self.options.setting(option) {
            None => option.default_fraction(),
            Some(setting) => match decimal::parse_java_float(&setting.value) {
                Ok(fraction) => fraction,
                Err(error) => {
                    self.violated(Kind::Float { option, error })?;
                    known = false;
                    option.default_fraction()
                }
            },
        };
        let bounds = (minimum.bytes, maximum.bytes);
        if minimum.known && maximum.known && bounds.0 > bounds.1 {
            self.violated(Kind::RangeInverted {
                fraction_option: option,
                fraction,
                minimum: bounds.0,
                maximum: bounds.1,
            })?;
            known = false;
        }
        if !fraction::is_valid(fraction) {
            self.violated(Kind::FractionOutside {
                fraction_option: option,
                fraction,
                minimum: bounds.0,
                maximum: bounds.1,
            })?;
            known = false;
        }
        Ok(Range {
            minimum,
            maximum,
            fraction,
            option,
            known,
        })
    }

    pub(super) fn network_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::NetworkMin)?;
        let maximum = self.size(Id::NetworkMax)?;
        self.range(minimum, maximum, Id::NetworkFraction)
    }

    pub(super) fn overhead_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::JvmOverheadMin)?;
        let maximum = self.size(Id::JvmOverheadMax)?;
        self.range(minimum, maximum, Id::JvmOverheadFraction)
    }

    pub(super) fn capped(
        &mut self,
        base: Amount,
        range: Range,
        inverse: bool,
    ) -> Result<Amount, Stop> {
        if !range.known || !base.known {
            return Ok(Amount::unknown(Bytes::ZERO));
        }
        let Range {
            minimum,
            maximum,
            fraction,
            option,
            ..
        } = range;
        let product = if inverse {
            fraction::inverse(base.bytes, fraction)
        } else {
            fraction::forward(base.bytes, fraction)
        };
        let Some(derived) = product else {
            self.violated(Kind::Overflow {
                of: Quantity::Fraction(option),
            })?;
            return Ok(Amount::unknown(Bytes::ZERO));
        };
        let of = base.bytes;
        Ok(if derived > maximum.bytes {
            Amount::known(
                maximum.bytes,
                Rule::ClampedToMaximum {
                    option,
                    fraction,
                    of,
                    inverse,
                    derived,
                },
            )
        } else if derived < minimum.bytes {
            Amount::known(
                minimum.bytes,
                Rule::ClampedToMinimum {
                    option,
                    fraction,
                    of,
                    inverse,
                    derived,
                },
            )
        } else {
            Amount::known(
                derived,
                Rule::Fraction {
                    option,
                    fraction,
                    of,
                    inverse,
                },
            )
        })
    }

    /// The sum; unknown parts count with their lower bound. `None` after an overflow that was reported.
    pub(super) fn sum(&mut self, parts: &[Amount], of: Quantity) -> Result<Option<Amount>, Stop> {
        let mut sum = Bytes::ZERO;
        let mut known = true;
        for part in parts {
            known &= part.known;
            match sum.checked_add(part.bytes) {
                Some(next) => sum = next,
                None => {
                    self.violated(Kind::Overflow { of })?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(Amount {
            bytes: sum,
            rule: Rule::FlinkSum,
            known,
        }))
    }

    pub(super) fn map_legacy_heap(&mut self) -> Result<Option<Amount>, Stop> {
        let unknown = Some(Amount::unknown(Bytes::MAX));
        let Some(legacy) = self.options.legacy_heap() else {
            return Ok(None);
        };
        Ok(match legacy {
            LegacyHeap::Environment(value) => match memory_size::parse(value) {
                Ok(bytes) => Some(Amount::known(bytes, Rule::LegacyHeap(None))),
                Err(error) => {
                    self.violated(Kind::LegacyHeapEnvironment {
                        value: value.to_owned(),
                        error,
                    })?;
                    unknown
                }
            },
            LegacyHeap::Option(id @ Id::HeapMb) => match self.integer(id)? {
                None => unknown,
                Some(mebibytes) => match u64::try_from(mebibytes) {
                    Ok(positive) => Some(Amount::known(
                        Bytes::from_mebibytes(positive),
                        Rule::LegacyHeap(Some(id)),
                    )),
                    Err(_) => {
                        self.violated(Kind::LegacyHeapNegative { mebibytes })?;
                        unknown
                    }
                },
            },
            LegacyHeap::Option(id) => {
                let amount = self.size(id)?;
                if amount.known {
                    Some(Amount {
                        rule: Rule::LegacyHeap(Some(id)),
                        ..amount
                    })
                } else {
                    unknown
                }
            }
        })
    }

    /// `taskmanager.memory.segment-size`, checked; `None` after a violation.
    pub(super) fn segment_size(&mut self) -> Result<Option<Bytes>, Stop> {
        let size = self.size(Id::SegmentSize)?;
        if !size.known {
            return Ok(None);
        }
        match segment_size_violation(size.bytes) {
            None => Ok(Some(size.bytes)),
            Some(kind) => {
                self.violated(kind)?;
                Ok(None)
            }
        }
    }

    pub(super) fn network_from_buffers(&mut self) -> Result<Amount, Stop> {
        let buffers = self.integer(Id::NumberOfBuffers)?;
        let segment_size = self.segment_size()?;
        let (Some(buffers), Some(segment_size)) = (buffers, segment_size) else {
            return Ok(Amount::unknown(Bytes::ZERO));
        };
        match u64::try_from(buffers) {
            // Below 2^31 segments of below 2^31 bytes: the product fits.
            Ok(count) => {
                let bytes = Bytes(count * segment_size.get());
                Ok(Amount::known(
                    bytes,
                    Rule::BufferCount {
                        buffers,
                        segment_size,
                    },
                ))
            }
            Err(_) => {
                self.violated(Kind::NegativeBuffers { buffers })?;
                Ok(Amount::unknown(Bytes::ZERO))
            }
        }
    }
}

/// How a segment size breaks what Flink's `ConfigurationParserUtils.getPageSize` requires.
pub(in crate::budget) fn segment_size_violation(bytes: Bytes) -> Option<Kind> {
    if bytes.get() >= 1 << 31 {
        Some(Kind::SegmentTooLarge { bytes })
    } else if bytes.get() < 4096 {
        Some(Kind::SegmentTooSmall { bytes })
    } else if !bytes.get().is_power_of_two() {
        Some(Kind::SegmentNoPowerOfTwo { bytes })
    } else {
        None
    }
}
