//! From options to components, with Flink's order of reading and checking.

use crate::{
    budget::{
        cutoff::{self, CutoffError},
        derivation::{Amount, Rule, Stop, Strictness},
        effective::Options,
        options::Id,
        process::{Deriver, FlinkMemory, JvmMemory, ProcessMemory, rest},
        remark::Remark,
        request::Mode,
        violation::{Kind, Quantity, Step},
    },
    bytes::Bytes,
};

/// Below this heap Flink warns.
const RECOMMENDED_HEAP: Bytes = Bytes::from_mebibytes(128);

/// The result of a derivation.
pub(in crate::budget) enum JobManagerDerivation {
    /// Of Flink 1.11 and later.
    Unified(UnifiedDerivation),
    /// Of Flink 1.10.
    Cutoff(CutoffDerivation),
}

impl JobManagerDerivation {
    /// What the whole process takes, as far as Flink's model says so.
    pub fn total_process(&self) -> Amount {
        match self {
            JobManagerDerivation::Unified(derivation) => derivation.jvm.total_process,
            JobManagerDerivation::Cutoff(derivation) => derivation
                .container
                .map_or(derivation.heap, |(container, _)| container),
        }
    }

    /// The heap.
    pub fn heap(&self) -> Amount {
        match self {
            JobManagerDerivation::Unified(derivation) => derivation.heap,
            JobManagerDerivation::Cutoff(derivation) => derivation.heap,
        }
    }

    /// Every component with its name as in the JSON of a budget, totals last.
    pub fn amounts(&self) -> Vec<(&'static str, Amount)> {
        match self {
            JobManagerDerivation::Unified(derivation) => vec![
                ("jvmHeap", derivation.heap),
                ("offHeap", derivation.off_heap),
                ("jvmMetaspace", derivation.jvm.metaspace),
                ("jvmOverhead", derivation.jvm.overhead),
                ("totalFlink", derivation.total_flink),
                ("totalProcess", derivation.jvm.total_process),
            ],
            JobManagerDerivation::Cutoff(derivation) => {
                let mut amounts = vec![("jvmHeap", derivation.heap)];
                if let Some((container, cutoff)) = derivation.container {
                    amounts.extend([("cutoff", cutoff), ("container", container)]);
                }
                amounts
            }
        }
    }
}

/// The result of a derivation since Flink 1.11.
pub(in crate::budget) struct UnifiedDerivation {
    pub heap: Amount,
    pub off_heap: Amount,
    pub total_flink: Amount,
    pub jvm: JvmMemory,
    /// Whether off-heap memory is the JVM's limit of direct memory.
    pub limits_direct_memory: bool,
}

/// The result of a derivation of Flink 1.10, in whole mebibytes.
pub(in crate::budget) struct CutoffDerivation {
    pub heap: Amount,
    /// The container and what is kept back of it, where Flink starts the process in one.
    pub container: Option<(Amount, Amount)>,
}

/// The two parts of total Flink memory; mirrors `JobManagerFlinkMemory`.
struct JobManagerMemory {
    heap: Amount,
    off_heap: Amount,
    total: Amount,
}

/// Runs the derivation.
///
/// # Errors
/// `strictness` ended it and keeps the violation.
pub(in crate::budget) fn run<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<JobManagerDerivation, Stop> {
    if options.uses_cutoff() {
        cutoff(options, strictness).map(JobManagerDerivation::Cutoff)
    } else {
        unified(options, strictness).map(JobManagerDerivation::Unified)
    }
}

fn unified<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<UnifiedDerivation, Stop> {
    let mut deriver = Deriver::new(options, strictness);
    let ProcessMemory { flink, jvm } = deriver.process::<JobManagerMemory>()?;
    // Flink reads it when it writes the JVM's flags.
    deriver.step = Step::Afterwards;
    let limits_direct_memory = deriver.boolean(Id::DirectMemoryLimit)?.unwrap_or(false);
    Ok(UnifiedDerivation {
        heap: flink.heap,
        off_heap: flink.off_heap,
        total_flink: flink.total,
        jvm,
        limits_direct_memory,
    })
}

impl FlinkMemory for JobManagerMemory {
    const FINE_GRAINED: &'static [Id] = &[Id::JvmHeapSize];

    fn explicit<S: Strictness>(deriver: &mut Deriver<'_, '_, S>) -> Result<Self, Stop> {
        let heap = deriver.size(Id::JvmHeapSize)?;
        let mut off_heap = deriver.size(Id::OffHeapSize)?;
        if deriver.is_set(Id::FlinkSize) {
            let total = deriver.total(Id::FlinkSize)?;
            if deriver.is_set(Id::OffHeapSize) {
                let sum = deriver.sum(&[heap, off_heap], Quantity::TotalFlink)?;
                if let Some(sum) = sum
                    && sum.known
                    && total.known
                    && sum.bytes != total.bytes
                {
                    deriver.violated(Kind::HeapAndOffHeapDiffer {
                        heap: heap.bytes,
                        off_heap: off_heap.bytes,
                        total_flink: total.bytes,
                    })?;
                }
            } else {
                off_heap = off_heap_as_rest(deriver, total, heap, off_heap)?;
            }
        }
        remark_small_heap(deriver, heap);
        let total = deriver
            .sum(&[heap, off_heap], Quantity::TotalFlink)?
            .filter(|total| total.known)
            .unwrap_or(Amount::unknown(Bytes::MAX));
        Ok(JobManagerMemory {
            heap,
            off_heap,
            total,
        })
    }

    fn from_total<S: Strictness>(
        deriver: &mut Deriver<'_, '_, S>,
        total: Amount,
    ) -> Result<Self, Stop> {
        let off_heap = deriver.size(Id::OffHeapSize)?;
        let heap = if total.bytes <= off_heap.bytes {
            deriver.violated(Kind::OffHeapTakesAll {
                total_flink: total.bytes,
                off_heap: off_heap.bytes,
            })?;
            Amount::unknown(Bytes::ZERO)
        } else if total.known && off_heap.known {
            let heap = rest(total, off_heap);
            remark_small_heap(deriver, heap);
            heap
        } else {
            Amount::unknown(Bytes::ZERO)
        };
        Ok(JobManagerMemory {
            heap,
            off_heap,
            total,
        })
    }

    fn total(&self) -> Amount {
        self.total
    }
}

/// Off-heap memory that is not configured follows from the two sizes that are.
fn off_heap_as_rest<S: Strictness>(
    deriver: &mut Deriver<'_, '_, S>,
    total: Amount,
    heap: Amount,
    default: Amount,
) -> Result<Amount, Stop> {
    if !total.known || !heap.known {
        return Ok(Amount::unknown(Bytes::ZERO));
    }
    if total.bytes < heap.bytes {
        deriver.violated(Kind::HeapExceedsFlink {
            heap: heap.bytes,
            total_flink: total.bytes,
        })?;
        return Ok(Amount::unknown(Bytes::ZERO));
    }
    let off_heap = rest(total, heap);
    if off_heap.bytes != default.bytes {
        deriver.remark(|| Remark::OffHeapIsRest {
            off_heap: off_heap.bytes,
            total_flink: total.bytes,
            heap: heap.bytes,
            default: default.bytes,
        });
    }
    Ok(off_heap)
}

fn remark_small_heap<S: Strictness>(deriver: &mut Deriver<'_, '_, S>, heap: Amount) {
    if heap.bytes < RECOMMENDED_HEAP {
        deriver.remark(|| Remark::SmallHeap {
            heap: heap.bytes,
            recommended: RECOMMENDED_HEAP,
        });
    }
}

/// One size, and in a container what is kept back of it.
fn cutoff<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<CutoffDerivation, Stop> {
    let mut deriver = Deriver::new(options, strictness);
    deriver.step = Step::Afterwards;
    let total = whole_mebibytes(legacy_size(&mut deriver)?);
    if options.request.mode == Mode::Standalone {
        return Ok(CutoffDerivation {
            heap: total,
            container: None,
        });
    }
    let fraction = deriver.float(Id::HeapCutoffRatio)?;
    let minimum = deriver.integer(Id::HeapCutoffMin)?;
    let known = total.known
        && (fraction.is_some() || !options.is_set(Id::HeapCutoffRatio))
        && (minimum.is_some() || !options.is_set(Id::HeapCutoffMin));
    let fraction = fraction.unwrap_or(cutoff::DEFAULT_RATIO);
    let minimum = minimum.unwrap_or(cutoff::DEFAULT_MINIMUM);
    let unknown = Amount::unknown(Bytes::ZERO);
    if !known {
        return Ok(CutoffDerivation {
            heap: unknown,
            container: Some((total, unknown)),
        });
    }
    // Flink cuts the number of mebibytes off to 32 bits, and goes on with what is left of it.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "so does Flink, in MemorySize.getMebiBytes"
    )]
    let mebibytes = total.bytes.whole_mebibytes() as i32;
    let in_bytes =
        |mebibytes: i32| Bytes::from_mebibytes(u64::try_from(mebibytes).unwrap_or_default());
    let total = Amount {
        bytes: in_bytes(mebibytes),
        ..total
    };
    let (heap, kept_back) = match cutoff::of_jobmanager(mebibytes, fraction, minimum) {
        Ok(found) => {
            let (option, of, inverse) = (Id::HeapCutoffRatio, total.bytes, false);
            let rule = if found.mebibytes == found.derived {
                Rule::Fraction {
                    option,
                    fraction,
                    of,
                    inverse,
                }
            } else {
                Rule::ClampedToMinimum {
                    option,
                    fraction,
                    of,
                    inverse,
                    derived: in_bytes(found.derived),
                }
            };
            let kept_back = Amount::known(in_bytes(found.mebibytes), rule);
            (rest(total, kept_back), kept_back)
        }
        Err(CutoffError::RatioOutside) => {
            deriver.violated(Kind::CutoffRatioOutside { ratio: fraction })?;
            (unknown, unknown)
        }
        Err(CutoffError::MinimumAboveTotal) => {
            deriver.violated(Kind::CutoffAboveTotal {
                minimum,
                total: mebibytes,
            })?;
            (unknown, unknown)
        }
    };
    Ok(CutoffDerivation {
        heap,
        container: Some((total, kept_back)),
    })
}

/// The one size of Flink 1.10 and before.
fn legacy_size<S: Strictness>(deriver: &mut Deriver<'_, '_, S>) -> Result<Amount, Stop> {
    let options = deriver.options;
    if options.is_set(Id::HeapSize) {
        return deriver.size(Id::HeapSize);
    }
    if !options.is_set(Id::HeapMb) {
        let default = Bytes::from_mebibytes(cutoff::DEFAULT_HEAP_MEBIBYTES);
        return Ok(Amount::known(default, Rule::Default(Id::HeapSize)));
    }
    let Some(mebibytes) = deriver.integer(Id::HeapMb)? else {
        return Ok(Amount::unknown(Bytes::MAX));
    };
    match u64::try_from(mebibytes) {
        Ok(positive) => Ok(Amount::known(
            Bytes::from_mebibytes(positive),
            Rule::Configured(Id::HeapMb),
        )),
        Err(_) => {
            deriver.violated(Kind::LegacyHeapNegative { mebibytes })?;
            Ok(Amount::unknown(Bytes::MAX))
        }
    }
}

fn whole_mebibytes(amount: Amount) -> Amount {
    Amount {
        bytes: Bytes::from_mebibytes(amount.bytes.whole_mebibytes()),
        ..amount
    }
}
