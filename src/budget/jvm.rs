//! What a budget turns into on the command line of a TaskManager: JVM flags and `-D` options.
//!
//! Mirrors `ProcessMemoryUtils.generateJvmParametersStr` and `TaskExecutorProcessUtils.generateDynamicConfigsStr`;
//! the order of the options is that of the `java.util.HashMap` Flink collects them in.

use super::{Budget, decimal::java_double, options, version::FlinkVersion};
use crate::bytes::Bytes;

/// The JVM's memory flags, separated by single spaces, sizes in bytes:
/// `-Xmx… -Xms… -XX:MaxDirectMemorySize=… -XX:MaxMetaspaceSize=…`.
#[must_use]
pub fn jvm_parameters(budget: &Budget) -> String {
    let heap = budget.jvm_heap().get();
    format!(
        "-Xmx{heap} -Xms{heap} -XX:MaxDirectMemorySize={} -XX:MaxMetaspaceSize={}",
        budget.jvm_direct().get(),
        budget.jvm_metaspace.bytes.get()
    )
}

/// The options that fix every size of the started TaskManager, in Flink's order. Which options there are
/// depends on the version: overhead and metaspace from 1.12 on, slots and external resources from 1.13 on.
#[must_use]
pub fn dynamic_configurations(budget: &Budget) -> Vec<(String, String)> {
    let version = budget.flink_version;
    let size = |bytes: Bytes| format!("{}b", bytes.get());
    let mut pairs = Vec::with_capacity(13 + budget.external_resources.len());
    let mut put = |key: &str, value: String| pairs.push((key.to_owned(), value));
    // In Flink's order of insertion, which decides inside a bucket of the map.
    put(options::CPU_CORES, java_double(budget.cpu_cores));
    put(
        options::FRAMEWORK_HEAP_SIZE,
        size(budget.framework_heap.bytes),
    );
    put(
        options::FRAMEWORK_OFF_HEAP_SIZE,
        size(budget.framework_off_heap.bytes),
    );
    put(options::TASK_HEAP_SIZE, size(budget.task_heap.bytes));
    put(
        options::TASK_OFF_HEAP_SIZE,
        size(budget.task_off_heap.bytes),
    );
    put(options::NETWORK_MIN, size(budget.network.bytes));
    put(options::NETWORK_MAX, size(budget.network.bytes));
    put(options::MANAGED_SIZE, size(budget.managed.bytes));
    if version >= FlinkVersion::V1_12 {
        put(
            options::JVM_METASPACE_SIZE,
            size(budget.jvm_metaspace.bytes),
        );
        put(options::JVM_OVERHEAD_MIN, size(budget.jvm_overhead.bytes));
        put(options::JVM_OVERHEAD_MAX, size(budget.jvm_overhead.bytes));
    }
    if version.carries_slots() {
        put(
            options::NUMBER_OF_TASK_SLOTS,
            budget.number_of_task_slots.to_string(),
        );
        if budget.external_resources.is_empty() {
            put(options::EXTERNAL_RESOURCES, "none".to_owned());
        } else {
            let mut resources = budget.external_resources.clone();
            sort_like_a_java_hash_map(&mut resources);
            let names = resources
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(";");
            let quoted = version >= FlinkVersion::V1_15;
            put(
                options::EXTERNAL_RESOURCES,
                if quoted {
                    format!("\"{names}\"")
                } else {
                    names
                },
            );
            for (name, amount) in resources {
                put(
                    &options::external_resource_amount(&name),
                    amount.to_string(),
                );
            }
        }
    }
    sort_like_a_java_hash_map(&mut pairs);
    pairs
}

/// [`dynamic_configurations`] in the one line that Flink's scripts print: `-D key=value` items separated by
/// single spaces; up to 1.11 with a space at the end.
#[must_use]
pub fn dynamic_configurations_line(budget: &Budget) -> String {
    let mut line = line_of(dynamic_configurations(budget));
    if budget.flink_version >= FlinkVersion::V1_12 {
        line.pop();
    }
    line
}

/// The pairs as `-D key=value` items, each with a space behind it.
pub(super) fn line_of(pairs: Vec<(String, String)>) -> String {
    let mut line = String::with_capacity(1024);
    for (key, value) in pairs {
        line.push_str("-D ");
        line.push_str(&key);
        line.push('=');
        line.push_str(&value);
        line.push(' ');
    }
    line
}

/// Puts pairs, given in order of insertion, into the order in which a `java.util.HashMap` with its default
/// capacity iterates over them.
pub(super) fn sort_like_a_java_hash_map<V>(pairs: &mut [(String, V)]) {
    let mut capacity = 16;
    while pairs.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    sort_by_bucket(pairs, capacity);
}

/// The same for a `java.util.HashSet` that was made of a list of so many items, repeated ones included.
pub(super) fn sort_like_a_java_hash_set<V>(pairs: &mut [(String, V)], items: usize) {
    // Java computes in floats and cuts off, which is the same for every length there is.
    sort_by_bucket(pairs, (items * 4 / 3 + 1).max(16).next_power_of_two());
}

/// The order of a hash table with that many buckets; inside a bucket that of insertion.
fn sort_by_bucket<V>(pairs: &mut [(String, V)], capacity: usize) {
    let bucket = |key: &str| {
        let hash = key.encode_utf16().fold(0_u32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(u32::from(unit))
        });
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    };
    pairs.sort_by_key(|(key, _)| bucket(key));
}

#[cfg(test)]
mod tests {
    use super::{sort_like_a_java_hash_map, sort_like_a_java_hash_set};

    const NAMES: &str = "gpu fpga tpu npu asic dpu smartnic vpu hsm nvme rdma qat ipu xpu lpu ssd bigmem hbm cxl optane \
                         gaudi trainium inferentia habana mlu pmem";

    fn names(count: usize) -> Vec<(String, ())> {
        let names = NAMES.split(' ').take(count);
        names.map(|name| (name.to_owned(), ())).collect()
    }

    fn text(pairs: &[(String, ())]) -> String {
        let names: Vec<&str> = pairs.iter().map(|(name, ())| name.as_str()).collect();
        names.join(" ")
    }

    /// As Java 17 prints `new HashSet<>(list)`, on both sides of the lengths at which its table doubles.
    #[test]
    fn a_set_made_of_a_list_has_room_for_the_whole_list() {
        let of_eleven = "asic npu hsm nvme rdma fpga tpu dpu vpu gpu smartnic";
        let of_twelve = "asic hsm qat dpu gpu smartnic npu nvme rdma fpga tpu vpu";
        let of_twenty_three = "asic hsm qat ssd bigmem dpu trainium inferentia gpu smartnic ipu optane lpu npu hbm \
                               nvme rdma fpga cxl tpu gaudi vpu xpu";
        let of_twenty_four = "hsm ssd optane nvme fpga cxl habana asic qat bigmem dpu trainium inferentia gpu \
                              smartnic ipu lpu npu hbm rdma tpu gaudi vpu xpu";
        for (count, expected) in [
            (11, of_eleven),
            (12, of_twelve),
            (23, of_twenty_three),
            (24, of_twenty_four),
        ] {
            let mut pairs = names(count);
            sort_like_a_java_hash_set(&mut pairs, count);
            assert_eq!(text(&pairs), expected, "{count}");
        }
        // Six names, each four times in the list.
        let mut repeated = names(6);
        sort_like_a_java_hash_set(&mut repeated, 24);
        assert_eq!(text(&repeated), "fpga asic dpu gpu npu tpu");
    }

    /// As Java 17 prints the keys of a `HashMap` that they were put into one by one.
    #[test]
    fn a_map_grows_when_it_is_three_quarters_full() {
        let of_twelve = "asic npu hsm nvme rdma fpga qat tpu dpu vpu gpu smartnic";
        let of_thirteen = "asic hsm qat dpu gpu smartnic ipu npu nvme rdma fpga tpu vpu";
        for (count, expected) in [(12, of_twelve), (13, of_thirteen)] {
            let mut pairs = names(count);
            sort_like_a_java_hash_map(&mut pairs);
            assert_eq!(text(&pairs), expected, "{count}");
        }
    }
}
