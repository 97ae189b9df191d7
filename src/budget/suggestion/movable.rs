//! What a way out moves: one option, the container's limit or the environment, as a number that goes up or down, and
//! the values beyond a bound that people write.

use super::super::{
    infeasible::Exact, memory_size, options::Id, reserves::ReserveKind, trial::Edit,
};
use crate::bytes::Bytes;

/// A pebibyte: nobody is told to write more, though Flink counts to eight thousand of them.
const LARGEST_OFFERED: Bytes = Bytes(1 << 50);

/// An option whose value is moved until it is far enough.
#[derive(Clone, Copy)]
pub(super) enum Movable {
    Size(Id),
    /// A size that is written as a number of mebibytes.
    Mebibytes(Id),
    Fraction(Id),
    Limit,
    Environment,
    Reserve(ReserveKind),
}

impl Movable {
    pub(super) fn of(id: Id) -> Movable {
        if id == Id::HeapMb {
            Movable::Mebibytes(id)
        } else if id.is_fraction() {
            Movable::Fraction(id)
        } else {
            Movable::Size(id)
        }
    }

    /// By how many bytes a step of one changes the size.
    pub(super) fn unit(self) -> u64 {
        match self {
            Movable::Mebibytes(_) => Bytes::MEBI.get(),
            _ => 1,
        }
    }

    /// How far a value can be moved.
    pub(super) fn end(self, current: u64, upwards: bool) -> u64 {
        match self {
            _ if !upwards => 0,
            Movable::Mebibytes(_) => i32::MAX.unsigned_abs().into(),
            _ if current < LARGEST_OFFERED.get() => LARGEST_OFFERED.get(),
            _ => Bytes::MAX.get(),
        }
    }

    pub(super) fn edit(self, value: u64) -> Edit {
        match self {
            Movable::Size(id) => Edit::Set(id, memory_size::text(Bytes(value))),
            Movable::Mebibytes(id) => Edit::Set(id, value.to_string()),
            Movable::Environment => Edit::SetEnvironment(memory_size::text(Bytes(value))),
            Movable::Fraction(id) => Edit::Set(id, fraction_text(fraction_of(value))),
            Movable::Limit => Edit::Limit(Bytes(value)),
            Movable::Reserve(kind) => Edit::Reserve(kind, Bytes(value)),
        }
    }

    pub(super) fn option(self) -> Option<Id> {
        match self {
            Movable::Size(id) | Movable::Mebibytes(id) | Movable::Fraction(id) => Some(id),
            Movable::Limit | Movable::Environment | Movable::Reserve(_) => None,
        }
    }

    pub(super) fn exact(self, value: u64, upwards: bool) -> Exact {
        let text = match self {
            Movable::Size(_) | Movable::Environment | Movable::Reserve(_) => format!("{value}b"),
            Movable::Fraction(_) => fraction_text(fraction_of(value)),
            Movable::Limit | Movable::Mebibytes(_) => value.to_string(),
        };
        if upwards {
            Exact::AtLeast(text)
        } else {
            Exact::AtMost(text)
        }
    }

    /// Values beyond the bound that people write, the nearest of the roundest first, and the bound itself.
    pub(super) fn written(self, bound: u64, upwards: bool) -> Vec<Edit> {
        match self {
            Movable::Mebibytes(_) => vec![self.edit(bound)],
            Movable::Size(_) | Movable::Limit | Movable::Environment | Movable::Reserve(_) => {
                [Bytes::MEBI, Bytes::KIBI, Bytes(1)]
                    .into_iter()
                    .filter_map(|unit| {
                        let below = bound / unit.get() * unit.get();
                        if upwards && below < bound {
                            below
                                .checked_add(unit.get())
                                .filter(|above| *above <= Bytes::MAX.get())
                        } else {
                            Some(below)
                        }
                    })
                    .map(|value| self.edit(value))
                    .collect()
            }
            Movable::Fraction(id) => {
                let fraction = fraction_of(bound);
                let rounded = [2_usize, 4].into_iter().filter_map(|places| {
                    let scale = 10_f64.powi(i32::try_from(places).ok()?);
                    let parts = (f64::from(fraction) * scale).round();
                    [parts, parts - 1.0]
                        .into_iter()
                        .filter(|parts| *parts >= 0.0)
                        .map(|parts| short_decimal(parts / scale, places))
                        .find(|text| text.parse::<f32>().is_ok_and(|value| value <= fraction))
                });
                rounded
                    .map(|text| Edit::Set(id, text))
                    .chain([self.edit(bound)])
                    .collect()
            }
        }
    }
}

/// A fraction by its bits, which are in the order of the fractions.
pub(super) fn fraction_of(bits: u64) -> f32 {
    f32::from_bits(u32::try_from(bits).unwrap_or(u32::MAX))
}

/// The shortest text of a fraction, with a digit behind the point.
fn fraction_text(fraction: f32) -> String {
    let text = fraction.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

/// At most this many decimals, no zeros at the end but one behind the point.
fn short_decimal(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') {
        format!("{text}0")
    } else {
        text.to_owned()
    }
}
