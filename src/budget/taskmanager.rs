//! The TaskManager's memory model of Flink 1.10 and later: what total Flink memory is made of, CPU and slots.
//!
//! Mirrors `TaskExecutorFlinkMemoryUtils` and `TaskExecutorProcessUtils`; the totals and the JVM's share are in
//! [`super::process`].

use super::{
    decimal,
    derivation::{Amount, Derivation, Rule, Stop, Strictness},
    effective::Options,
    java_integer::parse_java_integer,
    jvm::sort_like_a_java_hash_set,
    memory_size,
    options::{self, Id},
    process::{Deriver, FlinkMemory, JvmMemory, ProcessMemory, rest},
    request::Origin,
    violation::{Kind, Parts, Quantity, Step},
};
use crate::bytes::Bytes;

/// The six parts of total Flink memory; mirrors `TaskExecutorFlinkMemory`.
struct TaskManagerMemory {
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
    let mut deriver = Deriver::new(options, strictness);
    let ProcessMemory { flink, jvm } = deriver.process::<TaskManagerMemory>()?;
    let JvmMemory {
        metaspace,
        overhead,
        total_process,
    } = jvm;
    let (cpu_cores, number_of_task_slots) = deriver.cpu_and_slots()?;
    let external_resources = deriver.external_resources()?;
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
        total_process,
        cpu_cores,
        number_of_task_slots,
        external_resources,
    })
}

impl FlinkMemory for TaskManagerMemory {
    const FINE_GRAINED: &'static [Id] = &[Id::TaskHeapSize, Id::ManagedSize];

    fn explicit<S: Strictness>(deriver: &mut Deriver<'_, '_, S>) -> Result<Self, Stop> {
        deriver.explicit_flink_memory()
    }

    fn from_total<S: Strictness>(
        deriver: &mut Deriver<'_, '_, S>,
        total: Amount,
    ) -> Result<Self, Stop> {
        deriver.inner_flink_memory(total)
    }

    fn total(&self) -> Amount {
        self.total
    }
}

impl<S: Strictness> Deriver<'_, '_, S> {
    /// Task heap and managed memory are both configured.
    fn explicit_flink_memory(&mut self) -> Result<TaskManagerMemory, Stop> {
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
        if self.is_set(Id::FlinkSize) {
            total = self.total(Id::FlinkSize)?;
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
        Ok(TaskManagerMemory {
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
    fn inner_flink_memory(&mut self, total: Amount) -> Result<TaskManagerMemory, Stop> {
        let framework_heap = self.size(Id::FrameworkHeapSize)?;
        let framework_off_heap = self.size(Id::FrameworkOffHeapSize)?;
        let task_off_heap = self.size(Id::TaskOffHeapSize)?;
        let (task_heap, managed, network);
        if self.is_set(Id::TaskHeapSize) {
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
        Ok(TaskManagerMemory {
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
        if self.is_set(Id::ManagedSize) {
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
        self.step = Step::NetworkCheck;
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
            if range.known && network.known {
                if !(minimum..=maximum).contains(&network.bytes) {
                    self.violated(Kind::NetworkOutOfRange {
                        network: network.bytes,
                        minimum,
                        maximum,
                        parts: shown,
                        total_flink: total.bytes,
                    })?;
                }
                self.remark_other_than_fraction(network, range, total);
            }
        }
        self.step = Step::Derivation;
        Ok(network)
    }

    /// The cores, and the number of slots; none where nobody read it yet and it is no number.
    fn cpu_and_slots(&mut self) -> Result<(f64, Option<i32>), Stop> {
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
            let option = if slots.is_some() {
                Id::NumberOfTaskSlots
            } else {
                Id::CpuCores
            };
            self.violated(Kind::CpuNotPositive { option })?;
        } else if !cores.is_finite() {
            self.violated(Kind::CpuNotFinite {
                option: Id::CpuCores,
                value: cores,
            })?;
        }
        let cores = if version.rounds_cpu_cores() {
            decimal::round_down_to_eight_places(cores)
        } else {
            cores
        };
        let slots = match slots {
            Some(slots) => Some(slots),
            // Before 1.13 the number of slots is no part of the derivation once the cores are set.
            None if version.carries_slots() => {
                Some(self.integer(Id::NumberOfTaskSlots)?.unwrap_or(1))
            }
            None => self
                .options
                .setting(Id::NumberOfTaskSlots)
                .map_or(Some(1), |slots| parse_java_integer(&slots.value)),
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
        let listed: Vec<&str> = list
            .value
            .split(';')
            .map(memory_size::java_trim)
            .filter(|name| !name.is_empty())
            .collect();
        let mut names: Vec<(String, ())> = Vec::new();
        for name in &listed {
            if names.iter().all(|(known, ())| known != name) {
                names.push(((*name).to_owned(), ()));
            }
        }
        // Flink reads the amounts in the order of a set, which decides which of two wrong ones it reports.
        sort_like_a_java_hash_set(&mut names, listed.len());
        for (name, ()) in names {
            let name = name.as_str();
            let key = options::external_resource_amount(name);
            let settings = self.options.request.configuration.settings();
            let amount = settings
                .iter()
                .filter(|setting| setting.key == key)
                .max_by_key(|setting| setting.origin == Origin::CommandLine);
            let Some(amount) = amount else { continue };
            match parse_java_integer::<i64>(&amount.value) {
                Some(amount) if amount > 0 => {
                    resources.push((name.to_owned(), as_external_resource(amount)));
                }
                Some(_) => {}
                None => self.violated(Kind::ExternalAmount {
                    key,
                    value: amount.value.clone(),
                })?,
            }
        }
        resources.sort_by_key(|(name, _)| listed.iter().position(|listed| listed == name));
        Ok(resources)
    }
}

/// What is left of an amount in Flink's `ExternalResource`, which keeps it as a double: 11686018427387903 becomes
/// 11686018427387904, and what is above 64 bits afterwards loses its highest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "this is what Flink does"
)]
fn as_external_resource(amount: i64) -> i64 {
    let digits = decimal::Decimal::shortest(amount as f64)
        .map(|decimal| u128::from(decimal.digits) * 10_u128.pow(decimal.exponent.unsigned_abs()));
    digits.map_or(amount, |digits| digits as i64)
}
