//! Reading options in the middle of a derivation: sizes, numbers, ranges, capped fractions, and the legacy options.
//!
//! A value that can't be read is a violation; where the derivation goes on all the same, it becomes unknown.

use super::{
    super::{
        decimal,
        derivation::{Amount, Rule, Stop, Strictness},
        effective::LegacyHeap,
        fraction,
        java_integer::parse_java_integer,
        memory_size,
        options::Id,
        remark::{FractionOf, Remark},
        request::Setting,
        violation::{Kind, Quantity},
    },
    Deriver,
};
use crate::bytes::Bytes;

/// The bounds and the fraction of a component.
#[derive(Clone, Copy)]
pub(in crate::budget) struct Range {
    pub minimum: Amount,
    pub maximum: Amount,
    pub fraction: f32,
    pub option: Id,
    pub known: bool,
}

impl<'b, S: Strictness> Deriver<'_, 'b, S> {
    /// The setting that counts for an option.
    fn setting(&mut self, id: Id) -> Option<&'b Setting> {
        let setting = self.options.setting(id)?;
        self.remark_deprecated(id, setting);
        Some(setting)
    }

    pub(super) fn remark_deprecated(&mut self, id: Id, setting: &Setting) {
        let options = self.options;
        if S::KEEPS_REMARKS && setting.key != options.key(id) {
            self.remark(|| Remark::DeprecatedKey {
                key: setting.key.clone(),
                proper_key: options.key(id),
            });
        }
    }

    /// The size that a legacy heap option gives an option that is not set itself.
    fn legacy_heap_for(&self, id: Id) -> Option<Amount> {
        self.legacy_heap
            .filter(|_| self.options.legacy_target() == id)
    }

    /// A size option that has a default or is set; a value that does not parse becomes an unknown zero.
    pub fn size(&mut self, id: Id) -> Result<Amount, Stop> {
        if let Some(amount) = self.legacy_heap_for(id) {
            return Ok(amount);
        }
        match self.setting(id) {
            None => {
                let default = self.options.default_size(id).unwrap_or(Bytes::ZERO);
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

    /// A total that does not parse could be anything.
    pub fn total(&mut self, id: Id) -> Result<Amount, Stop> {
        let amount = self.size(id)?;
        Ok(if amount.known {
            amount
        } else {
            Amount::unknown(Bytes::MAX)
        })
    }

    pub fn integer(&mut self, id: Id) -> Result<Option<i32>, Stop> {
        let Some(setting) = self.setting(id) else {
            return Ok(None);
        };
        match parse_java_integer(&setting.value) {
            Some(value) => Ok(Some(value)),
            None => {
                self.violated(Kind::Integer { option: id })?;
                Ok(None)
            }
        }
    }

    /// Java's `Boolean` of Flink: `true` or `false` in any case.
    pub fn boolean(&mut self, id: Id) -> Result<Option<bool>, Stop> {
        let Some(setting) = self.setting(id) else {
            return Ok(None);
        };
        match setting.value.to_uppercase().as_str() {
            "TRUE" => Ok(Some(true)),
            "FALSE" => Ok(Some(false)),
            _ => {
                self.violated(Kind::Boolean { option: id })?;
                Ok(None)
            }
        }
    }

    pub fn float(&mut self, id: Id) -> Result<Option<f32>, Stop> {
        let Some(setting) = self.setting(id) else {
            return Ok(None);
        };
        match decimal::parse_java_float(&setting.value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.violated(Kind::Float { option: id, error })?;
                Ok(None)
            }
        }
    }

    pub fn double(&mut self, id: Id) -> Result<Option<f64>, Stop> {
        let Some(setting) = self.setting(id) else {
            return Ok(None);
        };
        match decimal::parse_java_double(&setting.value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.violated(Kind::Float { option: id, error })?;
                Ok(None)
            }
        }
    }

    pub fn range(&mut self, minimum: Amount, maximum: Amount, option: Id) -> Result<Range, Stop> {
        let mut known = minimum.known && maximum.known;
        let is_set = self.options.is_set(option);
        let fraction = self.float(option)?;
        known &= fraction.is_some() || !is_set;
        let fraction = fraction.unwrap_or(self.options.default_fraction(option));
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

    pub fn network_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::NetworkMin)?;
        let maximum = self.size(Id::NetworkMax)?;
        self.range(minimum, maximum, Id::NetworkFraction)
    }

    pub fn overhead_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::JvmOverheadMin)?;
        let maximum = self.size(Id::JvmOverheadMax)?;
        self.range(minimum, maximum, Id::JvmOverheadFraction)
    }

    pub fn capped(&mut self, base: Amount, range: Range, inverse: bool) -> Result<Amount, Stop> {
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
            self.remark(|| Remark::CappedToMaximum {
                component: FractionOf::option(option),
                derived,
                maximum: maximum.bytes,
            });
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
            self.remark(|| Remark::RaisedToMinimum {
                component: FractionOf::option(option),
                derived,
                minimum: minimum.bytes,
            });
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

    /// Flink says so when a rest is not what its fraction, if one is configured, would have given.
    pub fn remark_other_than_fraction(&mut self, part: Amount, range: Range, total: Amount) {
        if S::KEEPS_REMARKS
            && self.is_set(range.option)
            && fraction::forward(total.bytes, range.fraction) != Some(part.bytes)
        {
            self.remark(|| Remark::OtherThanFraction {
                component: FractionOf::option(range.option),
                derived: part.bytes,
                fraction: range.fraction,
                total: total.bytes,
            });
        }
    }

    /// The sum; unknown parts count with their lower bound. `None` after an overflow that was reported.
    pub fn sum(&mut self, parts: &[Amount], of: Quantity) -> Result<Option<Amount>, Stop> {
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

    /// What the legacy heap options put into the option they stand for now.
    pub(super) fn map_legacy_heap(&mut self) -> Result<Option<Amount>, Stop> {
        let Some(legacy) = self.options.legacy_heap() else {
            return Ok(None);
        };
        let amount = match legacy {
            LegacyHeap::Environment(value) => match memory_size::parse(value) {
                Ok(bytes) => Some(Amount::known(bytes, Rule::LegacyHeapEnvironment)),
                Err(error) => {
                    self.violated(Kind::LegacyHeapEnvironment {
                        value: value.to_owned(),
                        error,
                    })?;
                    None
                }
            },
            LegacyHeap::Option(id @ Id::HeapMb) => match self.integer(id)? {
                None => None,
                Some(mebibytes) => match u64::try_from(mebibytes) {
                    Ok(positive) => Some(Amount::known(
                        Bytes::from_mebibytes(positive),
                        Rule::Configured(id),
                    )),
                    Err(_) => {
                        self.violated(Kind::LegacyHeapNegative { mebibytes })?;
                        None
                    }
                },
            },
            LegacyHeap::Option(id) => Some(self.size(id)?).filter(|amount| amount.known),
        };
        let target = self.options.legacy_target();
        Ok(Some(match amount {
            Some(amount) => {
                let key = self.options.key(target);
                self.remark(|| Remark::LegacyHeap {
                    key,
                    bytes: amount.bytes,
                });
                amount
            }
            // What does not parse could be any size.
            None => Amount::unknown(Bytes::MAX),
        }))
    }

    /// `taskmanager.memory.segment-size`, checked; `None` after a violation.
    pub fn segment_size(&mut self) -> Result<Option<Bytes>, Stop> {
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

    pub fn network_from_buffers(&mut self) -> Result<Amount, Stop> {
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
