//! The TaskManager's memory model of Flink 1.10 and later: three routes from options to components.
//!
//! Mirrors `TaskExecutorProcessUtils`, `TaskExecutorFlinkMemoryUtils` and `ProcessMemoryUtils`. Options are read
//! and checks are made in Flink's order, so that the first violation found is the one Flink throws. Strictness
//! decides whether the derivation stops there or goes on with what is still known, to find all others.

use super::{
    decimal,
    effective::{LegacyHeap, Options},
    fraction, memory_size,
    options::{self, Id},
    request::Origin,
    violation::{Kind, Parts, Quantity, Violation},
};
use crate::bytes::Bytes;

/// The derivation ended at a violation, which its [`Strictness`] keeps.
#[derive(Debug)]
pub(super) struct Stop;

/// What happens when a constraint is violated.
pub(super) trait Strictness {
    /// Keeps the violation; `Err` ends the derivation, `Ok` goes on.
    fn violated(&mut self, violation: Violation) -> Result<(), Stop>;
}

/// Ends at the first violation, as Flink does.
#[derive(Default)]
pub(super) struct FirstViolation(pub Option<Violation>);

impl Strictness for FirstViolation {
    fn violated(&mut self, violation: Violation) -> Result<(), Stop> {
        self.0 = Some(violation);
        Err(Stop)
    }
}

/// Keeps every violation and goes on.
#[derive(Default)]
pub(super) struct EveryViolation(pub Vec<Violation>);

impl Strictness for EveryViolation {
    fn violated(&mut self, violation: Violation) -> Result<(), Stop> {
        if !self.0.contains(&violation) {
            self.0.push(violation);
        }
        Ok(())
    }
}

/// How an amount came to be; the internal, copyable form of [`super::Source`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    Configured(Id),
    Default(Id),
    ContainerLimit,
    LegacyHeap(Option<Id>),
    Fraction {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
    },
    ClampedToMinimum {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
        derived: Bytes,
    },
    ClampedToMaximum {
        option: Id,
        fraction: f32,
        of: Bytes,
        inverse: bool,
        derived: Bytes,
    },
    BufferCount {
        buffers: i32,
        segment_size: Bytes,
    },
    Remainder {
        of: Bytes,
        taken: Bytes,
    },
    FlinkSum,
    ProcessSum,
}

/// A size and its rule. An unknown one holds the bound that makes no false accusation: zero for a part, the
/// largest possible value for a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amount {
    pub bytes: Bytes,
    pub rule: Rule,
    pub known: bool,
}

impl Amount {
    fn unknown(bytes: Bytes) -> Amount {
        Amount {
            bytes,
            rule: Rule::FlinkSum,
            known: false,
        }
    }

    fn known(bytes: Bytes, rule: Rule) -> Amount {
        Amount {
            bytes,
            rule,
            known: true,
        }
    }

    fn if_known(self) -> Option<Bytes> {
        self.known.then_some(self.bytes)
    }
}

#[derive(Clone, Copy)]
struct Range {
    minimum: Amount,
    maximum: Amount,
    fraction: f32,
    option: Id,
    known: bool,
}

/// The result of a derivation, before it is turned into the public [`super::Budget`].
pub(super) struct Derivation {
    pub framework_heap: Amount,
    pub framework_off_heap: Amount,
    pub task_heap: Amount,
    pub task_off_heap: Amount,
    pub network: Amount,
    pub managed: Amount,
    pub jvm_metaspace: Amount,
    pub jvm_overhead: Amount,
    pub total_flink: Amount,
    pub total_process: Amount,
    pub cpu_cores: f64,
    pub number_of_task_slots: i32,
    pub external_resources: Vec<(String, i64)>,
}

/// The six parts of total Flink memory.
struct FlinkMemory {
    framework_heap: Amount,
    framework_off_heap: Amount,
    task_heap: Amount,
    task_off_heap: Amount,
    network: Amount,
    managed: Amount,
    total: Amount,
}

/// Runs the derivation.
///
/// # Errors
/// `strictness` ended it and keeps the violation.
pub(super) fn derive<S: Strictness>(
    options: &Options<'_>,
    strictness: &mut S,
) -> Result<Derivation, Stop> {
    Deriver {
        options,
        strictness,
        in_network_check: false,
        in_legacy_mapping: false,
        legacy_heap: None,
    }
    .run()
}

struct Deriver<'a, 'b, S> {
    options: &'a Options<'b>,
    strictness: &'a mut S,
    in_network_check: bool,
    in_legacy_mapping: bool,
    /// What the legacy heap options put into `taskmanager.memory.flink.size`.
    legacy_heap: Option<Amount>,
}

impl<S: Strictness> Deriver<'_, '_, S> {
    fn run(mut self) -> Result<Derivation, Stop> {
        self.in_legacy_mapping = true;
        self.legacy_heap = self.map_legacy_heap()?;
        self.in_legacy_mapping = false;

        let options = self.options;
        let explicit = options.is_set(Id::TaskHeapSize) && options.is_set(Id::ManagedSize);
        let flink_size_set = self.legacy_heap.is_some() || options.is_set(Id::FlinkSize);
        let (flink, metaspace, overhead, process);
        if explicit || flink_size_set {
            flink = if explicit {
                self.explicit_flink_memory(flink_size_set)?
            } else {
                let total = self.flink_size()?;
                self.inner_flink_memory(total)?
            };
            (metaspace, overhead, process) = self.jvm_from_flink(flink.total)?;
        } else {
            if options.is_set(Id::ProcessSize) || options.limit_as_process_size.is_some() {
                process = self.process_size()?;
            } else {
                self.violated(Kind::MissingTotal)?;
                process = Amount::unknown(Bytes::MAX);
            }
            let total;
            (metaspace, overhead, total) = self.jvm_from_process(process)?;
            flink = self.inner_flink_memory(total)?;
        }

        let (cpu_cores, number_of_task_slots) = self.cpu_and_slots()?;
        let external_resources = self.external_resources()?;
        Ok(Derivation {
            framework_heap: flink.framework_heap,
            framework_off_heap: flink.framework_off_heap,
            task_heap: flink.task_heap,
            task_off_heap: flink.task_off_heap,
            network: flink.network,
            managed: flink.managed,
            jvm_metaspace: metaspace,
            jvm_overhead: overhead,
            total_flink: flink.total,
            total_process: process,
            cpu_cores,
            number_of_task_slots,
            external_resources,
        })
    }

    fn violated(&mut self, kind: Kind) -> Result<(), Stop> {
        self.strictness.violated(Violation {
            kind,
            in_network_check: self.in_network_check,
            in_legacy_mapping: self.in_legacy_mapping,
        })
    }

    // === Reading options ===

    /// A size option that has a default or is set; a value that does not parse becomes an unknown zero.
    fn size(&mut self, id: Id) -> Result<Amount, Stop> {
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

    fn process_size(&mut self) -> Result<Amount, Stop> {
        if let Some(limit) = self.options.limit_as_process_size {
            return Ok(Amount::known(limit, Rule::ContainerLimit));
        }
        self.total(Id::ProcessSize)
    }

    fn flink_size(&mut self) -> Result<Amount, Stop> {
        match self.legacy_heap {
            Some(amount) => Ok(amount),
            None => self.total(Id::FlinkSize),
        }
    }

    /// A total that does not parse could be anything.
    fn total(&mut self, id: Id) -> Result<Amount, Stop> {
        let amount = self.size(id)?;
        Ok(if amount.known {
            amount
        } else {
            Amount::unknown(Bytes::MAX)
        })
    }

    fn integer(&mut self, id: Id) -> Result<Option<i32>, Stop> {
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

    fn range(&mut self, minimum: Amount, maximum: Amount, option: Id) -> Result<Range, Stop> {
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

    fn network_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::NetworkMin)?;
        let maximum = self.size(Id::NetworkMax)?;
        self.range(minimum, maximum, Id::NetworkFraction)
    }

    fn overhead_range(&mut self) -> Result<Range, Stop> {
        let minimum = self.size(Id::JvmOverheadMin)?;
        let maximum = self.size(Id::JvmOverheadMax)?;
        self.range(minimum, maximum, Id::JvmOverheadFraction)
    }

    fn capped(&mut self, base: Amount, range: Range, inverse: bool) -> Result<Amount, Stop> {
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
    fn sum(&mut self, parts: &[Amount], of: Quantity) -> Result<Option<Amount>, Stop> {
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

    // === Legacy options ===

    fn map_legacy_heap(&mut self) -> Result<Option<Amount>, Stop> {
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
    fn segment_size(&mut self) -> Result<Option<Bytes>, Stop> {
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

    fn network_from_buffers(&mut self) -> Result<Amount, Stop> {
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

    // === Total Flink memory ===

    /// Task heap and managed memory are both configured.
    fn explicit_flink_memory(&mut self, flink_size_set: bool) -> Result<FlinkMemory, Stop> {
        let task_heap = self.size(Id::TaskHeapSize)?;
        let managed = self.size(Id::ManagedSize)?;
        let framework_heap = self.size(Id::FrameworkHeapSize)?;
        let framework_off_heap = self.size(Id::FrameworkOffHeapSize)?;
        let task_off_heap = self.size(Id::TaskOffHeapSize)?;
        let parts = [
            framework_heap,
            framework_off_heap,
            task_heap,
            task_off_heap,
            managed,
        ];
        let sum = self.sum(&parts, Quantity::TotalFlink)?;
        let (network, total);
        if flink_size_set {
            total = self.flink_size()?;
            network = self.network_as_rest(total, sum, &parts)?;
        } else {
            let base = sum.unwrap_or(Amount::unknown(Bytes::ZERO));
            network = if self.options.uses_number_of_buffers() {
                self.network_from_buffers()?
            } else {
                let range = self.network_range()?;
                self.capped(base, range, true)?
            };
            total = match sum {
                Some(sum) => self.sum(&[sum, network], Quantity::TotalFlink)?,
                None => None,
            }
            .filter(|total| total.known)
            .unwrap_or(Amount::unknown(Bytes::MAX));
        }
        Ok(FlinkMemory {
            framework_heap,
            framework_off_heap,
            task_heap,
            task_off_heap,
            network,
            managed,
            total,
        })
    }

    /// Total Flink memory is given; task heap or network memory is what is left of it.
    fn inner_flink_memory(&mut self, total: Amount) -> Result<FlinkMemory, Stop> {
        let framework_heap = self.size(Id::FrameworkHeapSize)?;
        let framework_off_heap = self.size(Id::FrameworkOffHeapSize)?;
        let task_off_heap = self.size(Id::TaskOffHeapSize)?;
        let (task_heap, managed, network);
        if self.options.is_set(Id::TaskHeapSize) {
            task_heap = self.size(Id::TaskHeapSize)?;
            managed = self.managed(total)?;
            let parts = [
                framework_heap,
                framework_off_heap,
                task_heap,
                task_off_heap,
                managed,
            ];
            let sum = self.sum(&parts, Quantity::TotalFlink)?;
            network = self.network_as_rest(total, sum, &parts)?;
        } else {
            managed = self.managed(total)?;
            network = if self.options.uses_number_of_buffers() {
                self.network_from_buffers()?
            } else {
                let range = self.network_range()?;
                self.capped(total, range, false)?
            };
            let parts = [
                framework_heap,
                framework_off_heap,
                task_off_heap,
                managed,
                network,
            ];
            let sum = self.sum(&parts, Quantity::TotalFlink)?;
            task_heap = match sum {
                Some(sum) if sum.bytes > total.bytes => {
                    self.violated(Kind::ComponentsExceedFlink {
                        task_heap_set: false,
                        parts: Parts {
                            framework_heap: framework_heap.if_known(),
                            framework_off_heap: framework_off_heap.if_known(),
                            task_heap: None,
                            task_off_heap: task_off_heap.if_known(),
                            managed: managed.if_known(),
                            network: network.if_known(),
                        },
                        sum: sum.bytes,
                        total_flink: total.bytes,
                    })?;
                    Amount::unknown(Bytes::ZERO)
                }
                Some(sum) if sum.known && total.known => rest(total, sum),
                _ => Amount::unknown(Bytes::ZERO),
            };
        }
        Ok(FlinkMemory {
            framework_heap,
            framework_off_heap,
            task_heap,
            task_off_heap,
            network,
            managed,
            total,
        })
    }

    fn managed(&mut self, total: Amount) -> Result<Amount, Stop> {
        if self.options.is_set(Id::ManagedSize) {
            return self.size(Id::ManagedSize);
        }
        let zero = Amount::known(Bytes::ZERO, Rule::Default(Id::ManagedSize));
        let unlimited = Amount::known(Bytes::MAX, Rule::Default(Id::ManagedSize));
        let range = self.range(zero, unlimited, Id::ManagedFraction)?;
        self.capped(total, range, false)
    }

    /// Network memory as what is left of total Flink memory; `parts` in the order fh, fo, th, to, managed.
    fn network_as_rest(
        &mut self,
        total: Amount,
        sum: Option<Amount>,
        parts: &[Amount; 5],
    ) -> Result<Amount, Stop> {
        let shown = Parts {
            framework_heap: parts[0].if_known(),
            framework_off_heap: parts[1].if_known(),
            task_heap: parts[2].if_known(),
            task_off_heap: parts[3].if_known(),
            managed: parts[4].if_known(),
            network: None,
        };
        let network = match sum {
            Some(sum) if sum.bytes > total.bytes => {
                self.violated(Kind::ComponentsExceedFlink {
                    task_heap_set: true,
                    parts: shown,
                    sum: sum.bytes,
                    total_flink: total.bytes,
                })?;
                Amount::unknown(Bytes::ZERO)
            }
            Some(sum) if sum.known && total.known => rest(total, sum),
            _ => Amount::unknown(Bytes::ZERO),
        };
        self.in_network_check = true;
        if self.options.uses_number_of_buffers() {
            let expected = self.network_from_buffers()?;
            if expected.known && network.known && expected.bytes != network.bytes {
                self.violated(Kind::NetworkDiffersFromBuffers {
                    network: network.bytes,
                    buffers: expected.bytes,
                    parts: shown,
                    total_flink: total.bytes,
                })?;
            }
        } else {
            let range = self.network_range()?;
            let (minimum, maximum) = (range.minimum.bytes, range.maximum.bytes);
            if range.known && network.known && !(minimum..=maximum).contains(&network.bytes) {
                self.violated(Kind::NetworkOutOfRange {
                    network: network.bytes,
                    minimum,
                    maximum,
                    parts: shown,
                    total_flink: total.bytes,
                })?;
            }
        }
        self.in_network_check = false;
        Ok(network)
    }

    // === Metaspace, overhead and total process memory ===

    fn jvm_from_flink(&mut self, total_flink: Amount) -> Result<(Amount, Amount, Amount), Stop> {
        let metaspace = self.size(Id::JvmMetaspaceSize)?;
        let base = self
            .sum(&[total_flink, metaspace], Quantity::TotalProcess)?
            .unwrap_or(Amount::unknown(Bytes::MAX));
        if !self.options.is_set(Id::ProcessSize) {
            let range = self.overhead_range()?;
            let overhead = self.capped(base, range, true)?;
            let process = self
                .sum(&[base, overhead], Quantity::TotalProcess)?
                .filter(|process| process.known)
                .map_or(Amount::unknown(Bytes::MAX), |sum| Amount {
                    rule: Rule::ProcessSum,
                    ..sum
                });
            return Ok((metaspace, overhead, process));
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
        if range.known && overhead.known && !(minimum..=maximum).contains(&overhead.bytes) {
            self.violated(Kind::OverheadOutOfRange {
                overhead: overhead.bytes,
                minimum,
                maximum,
                total_process: process.bytes,
                total_flink: total_flink.bytes,
                metaspace: metaspace.bytes,
            })?;
        }
        Ok((metaspace, overhead, process))
    }

    fn jvm_from_process(&mut self, process: Amount) -> Result<(Amount, Amount, Amount), Stop> {
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
        Ok((metaspace, overhead, total_flink))
    }

    // === CPU, slots, external resources ===

    fn cpu_and_slots(&mut self) -> Result<(f64, i32), Stop> {
        let version = self.options.version();
        let mut slots = None;
        let cores = match self.options.setting(Id::CpuCores) {
            Some(setting) => match decimal::parse_java_double(&setting.value) {
                Ok(cores) => cores,
                Err(error) => {
                    self.violated(Kind::Float {
                        option: Id::CpuCores,
                        error,
                    })?;
                    1.0
                }
            },
            None => {
                let number = self.integer(Id::NumberOfTaskSlots)?.unwrap_or(1);
                slots = Some(number);
                f64::from(number)
            }
        };
        if cores <= 0.0 {
            self.violated(Kind::CpuNotPositive {
                from_slots: slots.is_some(),
            })?;
        } else if !cores.is_finite() {
            self.violated(Kind::CpuNotFinite { value: cores })?;
        }
        let cores = if version.rounds_cpu_cores() {
            decimal::round_down_to_eight_places(cores)
        } else {
            cores
        };
        let slots = match slots {
            Some(slots) => slots,
            // Before 1.13 the number of slots is no part of the derivation once the cores are set.
            None if version.carries_slots() => self.integer(Id::NumberOfTaskSlots)?.unwrap_or(1),
            None => self
                .options
                .setting(Id::NumberOfTaskSlots)
                .map_or(1, |slots| slots.value.parse().unwrap_or(0)),
        };
        Ok((cores, slots))
    }

    fn external_resources(&mut self) -> Result<Vec<(String, i64)>, Stop> {
        let mut resources = Vec::new();
        let Some(list) = self.options.setting(Id::ExternalResources) else {
            return Ok(resources);
        };
        if !self.options.version().carries_slots() || list.value == "none" {
            return Ok(resources);
        }
        for name in list.value.split(';').map(memory_size::java_trim) {
            if name.is_empty() || resources.iter().any(|(known, _)| known == name) {
                continue;
            }
            let key = options::external_resource_amount(name);
            let settings = self.options.request.configuration.settings();
            let amount = settings
                .iter()
                .filter(|setting| setting.key == key)
                .max_by_key(|setting| setting.origin == Origin::CommandLine);
            let Some(amount) = amount else { continue };
            match amount.value.parse::<i64>() {
                Ok(amount) if amount > 0 => resources.push((name.to_owned(), amount)),
                Ok(_) => {}
                Err(_) => self.violated(Kind::ExternalAmount {
                    key,
                    value: amount.value.clone(),
                })?,
            }
        }
        Ok(resources)
    }
}

/// How a segment size breaks what Flink's `ConfigurationParserUtils.getPageSize` requires.
pub(super) fn segment_size_violation(bytes: Bytes) -> Option<Kind> {
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

fn rest(of: Amount, taken: Amount) -> Amount {
    Amount::known(
        of.bytes.saturating_sub(taken.bytes),
        Rule::Remainder {
            of: of.bytes,
            taken: taken.bytes,
        },
    )
}
