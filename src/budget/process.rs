//! What the memory of a TaskManager and of a JobManager have in common: three routes to the totals, metaspace and
//! overhead, and the legacy heap options.
//!
//! Mirrors `ProcessMemoryUtils` and `MemoryBackwardsCompatibilityUtils`. Options are read and checks are made in
//! Flink's order, so that the first violation found is the one Flink throws. Strictness decides whether the
//! derivation stops there or goes on with what is still known, to find all others.

mod reading;

pub(super) use self::reading::segment_size_violation;
use super::{
    derivation::{Amount, Rule, Stop, Strictness},
    effective::Options,
    options::Id,
    remark::Remark,
    violation::{Kind, Quantity, Step, Violation},
};
use crate::bytes::Bytes;

/// How total Flink memory is made of its parts; mirrors `FlinkMemoryUtils`.
pub(super) trait FlinkMemory: Sized {
    /// The options that determine total Flink memory when all of them are set.
    const FINE_GRAINED: &'static [Id];

    /// Derives the parts from [`FlinkMemory::FINE_GRAINED`].
    fn explicit<S: Strictness>(deriver: &mut Deriver<'_, '_, S>) -> Result<Self, Stop>;

    /// Derives the parts from total Flink memory.
    fn from_total<S: Strictness>(
        deriver: &mut Deriver<'_, '_, S>,
        total: Amount,
    ) -> Result<Self, Stop>;

    /// The sum of the parts.
    fn total(&self) -> Amount;
}

/// The memory of one process.
pub(super) struct ProcessMemory<F> {
    pub flink: F,
    pub jvm: JvmMemory,
}

/// What the JVM takes beside Flink's memory, and the sum of both; mirrors `JvmMetaspaceAndOverhead`.
#[derive(Clone, Copy)]
pub(super) struct JvmMemory {
    pub metaspace: Amount,
    pub overhead: Amount,
    pub total_process: Amount,
}

/// One derivation under way.
pub(super) struct Deriver<'a, 'b, S> {
    pub options: &'a Options<'b>,
    strictness: &'a mut S,
    /// Where the derivation is.
    pub step: Step,
    /// What the legacy heap options put into [`Options::legacy_target`].
    legacy_heap: Option<Amount>,
    /// Whether a configured process size counts.
    reads_process_size: bool,
}

impl<'a, 'b, S: Strictness> Deriver<'a, 'b, S> {
    pub fn new(options: &'a Options<'b>, strictness: &'a mut S) -> Self {
        Self {
            options,
            strictness,
            step: Step::Derivation,
            legacy_heap: None,
            reads_process_size: true,
        }
    }

    /// The same, as if no process size were configured.
    pub fn without_process_size(self) -> Self {
        Self {
            reads_process_size: false,
            ..self
        }
    }

    pub fn violated(&mut self, kind: Kind) -> Result<(), Stop> {
        self.strictness.violated(Violation {
            kind,
            step: self.step,
        })
    }

    pub fn remark(&mut self, remark: impl FnOnce() -> Remark) {
        if S::KEEPS_REMARKS {
            self.strictness.remarked(remark());
        }
    }

    /// Whether an option is configured, by its own keys or by a legacy heap option.
    pub fn is_set(&mut self, id: Id) -> bool {
        if id == Id::ProcessSize && !self.reads_process_size {
            return false;
        }
        let setting = self.options.setting(id);
        if let Some(setting) = setting {
            self.remark_deprecated(id, setting);
        }
        setting.is_some() || (self.legacy_heap.is_some() && self.options.legacy_target() == id)
    }

    /// Translates the legacy heap options, and derives all sizes by the route that the options decide.
    pub fn process<F: FlinkMemory>(&mut self) -> Result<ProcessMemory<F>, Stop> {
        self.step = Step::LegacyMapping;
        self.legacy_heap = self.map_legacy_heap()?;
        self.step = Step::Derivation;

        // Not the shorter `all`: Flink looks at the options one after the other, and says which are deprecated.
        let mut is_explicit = true;
        for id in F::FINE_GRAINED {
            is_explicit = is_explicit && self.is_set(*id);
        }
        if is_explicit || self.is_set(Id::FlinkSize) {
            let flink = if is_explicit {
                F::explicit(self)?
            } else {
                let total = self.total(Id::FlinkSize)?;
                F::from_total(self, total)?
            };
            let jvm = self.jvm_from_flink(flink.total())?;
            return Ok(ProcessMemory { flink, jvm });
        }
        let process = if let Some(limit) = self.options.room_as_process_size {
            Amount::known(limit, Rule::ContainerLimit)
        } else if self.is_set(Id::ProcessSize) {
            self.total(Id::ProcessSize)?
        } else {
            self.violated(Kind::MissingTotal)?;
            Amount::unknown(Bytes::MAX)
        };
        let (jvm, total) = self.jvm_from_process(process)?;
        let flink = F::from_total(self, total)?;
        Ok(ProcessMemory { flink, jvm })
    }

    /// Metaspace, overhead and the process, where total Flink memory is known.
    pub fn jvm_from_flink(&mut self, total_flink: Amount) -> Result<JvmMemory, Stop> {
        let metaspace = self.size(Id::JvmMetaspaceSize)?;
        let unknown = Amount::unknown(Bytes::MAX);
        // A total that is not known stands for the largest there is, which would overflow whatever is added.
        let base = if total_flink.known {
            self.sum(&[total_flink, metaspace], Quantity::TotalProcess)?
                .unwrap_or(unknown)
        } else {
            unknown
        };
        if !self.is_set(Id::ProcessSize) {
            let range = self.overhead_range()?;
            let overhead = self.capped(base, range, true)?;
            let sum = if base.known {
                self.sum(&[base, overhead], Quantity::TotalProcess)?
            } else {
                None
            };
            let total_process = sum
                .filter(|process| process.known)
                .map_or(unknown, |sum| Amount {
                    rule: Rule::ProcessSum,
                    ..sum
                });
            return Ok(JvmMemory {
                metaspace,
                overhead,
                total_process,
            });
        }
        let process = self.total(Id::ProcessSize)?;
        let known = process.known && base.known;
        let overhead = if known && process.bytes < base.bytes {
            self.violated(Kind::ProcessBelowFlink {
                total_process: process.bytes,
                total_flink: total_flink.bytes,
                metaspace: metaspace.bytes,
            })?;
            Amount::unknown(Bytes::ZERO)
        } else if known {
            rest(process, base)
        } else {
            Amount::unknown(Bytes::ZERO)
        };
        let range = self.overhead_range()?;
        let (minimum, maximum) = (range.minimum.bytes, range.maximum.bytes);
        if range.known && overhead.known {
            if !(minimum..=maximum).contains(&overhead.bytes) {
                self.violated(Kind::OverheadOutOfRange {
                    overhead: overhead.bytes,
                    minimum,
                    maximum,
                    total_process: process.bytes,
                    total_flink: total_flink.bytes,
                    metaspace: metaspace.bytes,
                })?;
            }
            self.remark_other_than_fraction(overhead, range, process);
        }
        Ok(JvmMemory {
            metaspace,
            overhead,
            total_process: process,
        })
    }

    /// Metaspace, overhead and total Flink memory, where the process is known.
    fn jvm_from_process(&mut self, process: Amount) -> Result<(JvmMemory, Amount), Stop> {
        let metaspace = self.size(Id::JvmMetaspaceSize)?;
        let range = self.overhead_range()?;
        let overhead = self.capped(process, range, false)?;
        let sum = self.sum(&[metaspace, overhead], Quantity::TotalProcess)?;
        let total_flink = match sum {
            Some(sum) if sum.bytes > process.bytes => {
                self.violated(Kind::JvmExceedsProcess {
                    metaspace: metaspace.bytes,
                    overhead: overhead.bytes,
                    total_process: process.bytes,
                })?;
                Amount::unknown(Bytes::MAX)
            }
            // Unknown parts count as nothing, which leaves the most that total Flink memory can be.
            Some(sum) => Amount {
                known: sum.known && process.known,
                ..rest(process, sum)
            },
            None => Amount::unknown(Bytes::MAX),
        };
        let jvm = JvmMemory {
            metaspace,
            overhead,
            total_process: process,
        };
        Ok((jvm, total_flink))
    }
}

/// What is left of a total.
pub(super) fn rest(of: Amount, taken: Amount) -> Amount {
    Amount::known(
        of.bytes.saturating_sub(taken.bytes),
        Rule::Remainder {
            of: of.bytes,
            taken: taken.bytes,
        },
    )
}
