//! Which class of Flink computes a number.

use crate::budget::{FlinkVersion, Mode, Request, Role, Source, heap_environment, options};

/// The class of Flink that computes a component; `None` for what no class of Flink computes: what follows from the
/// container, and what the scripts of 1.10 read themselves.
pub(super) fn flink_class(request: &Request, name: &str, source: &Source) -> Option<&'static str> {
    let is_rest = matches!(source, Source::Remainder { .. }) && name == "totalProcess";
    if is_rest || matches!(source, Source::ContainerLimit) {
        return None;
    }
    if request.flink_version <= FlinkVersion::V1_10 {
        return match (request.role, request.mode) {
            (Role::TaskManager, _) => {
                Some("org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils")
            }
            (Role::JobManager, Mode::Kubernetes) => {
                Some("org.apache.flink.runtime.clusterframework.BootstrapTools")
            }
            (Role::JobManager, Mode::Standalone) => None,
        };
    }
    let is_legacy = matches!(source, Source::Configured { option, .. }
        if [
            options::HEAP_SIZE,
            options::HEAP_MB,
            options::JOBMANAGER_HEAP_SIZE,
            options::JOBMANAGER_HEAP_MB,
            heap_environment(request.role),
        ]
        .contains(option));
    Some(match (name, request.role) {
        _ if is_legacy => {
            "org.apache.flink.runtime.util.config.memory.MemoryBackwardsCompatibilityUtils"
        }
        ("totalProcess" | "totalFlink" | "jvmMetaspace" | "jvmOverhead", _) => {
            "org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils"
        }
        (_, Role::TaskManager) => {
            "org.apache.flink.runtime.util.config.memory.taskmanager.TaskExecutorFlinkMemoryUtils"
        }
        (_, Role::JobManager) => {
            "org.apache.flink.runtime.util.config.memory.jobmanager.JobManagerFlinkMemoryUtils"
        }
    })
}
