//! What Flink's own Kubernetes deployment reads beside the sizes of a process.

use fastrand::Rng;
use headroom::budget::{Role, options};

use super::{
    super::question::Question,
    process,
    text::{self, one_of, percent},
};

/// Of one process: its cores by either key, and the factors of its limits.
struct Keys {
    cores: &'static str,
    cores_before_1_17: &'static str,
    factors: [&'static str; 2],
}

const TASK_MANAGER: Keys = Keys {
    cores: options::KUBERNETES_TASKMANAGER_CPU,
    cores_before_1_17: "kubernetes.taskmanager.cpu",
    factors: [
        options::KUBERNETES_TASKMANAGER_CPU_LIMIT_FACTOR,
        options::KUBERNETES_TASKMANAGER_MEMORY_LIMIT_FACTOR,
    ],
};

const JOB_MANAGER: Keys = Keys {
    cores: options::KUBERNETES_JOBMANAGER_CPU,
    cores_before_1_17: "kubernetes.jobmanager.cpu",
    factors: [
        options::KUBERNETES_JOBMANAGER_CPU_LIMIT_FACTOR,
        options::KUBERNETES_JOBMANAGER_MEMORY_LIMIT_FACTOR,
    ],
};

/// Adds some of these options.
pub fn add(rng: &mut Rng, question: &mut Question, role: Role) {
    let (keys, other) = match role {
        Role::TaskManager => (TASK_MANAGER, JOB_MANAGER),
        Role::JobManager => (JOB_MANAGER, TASK_MANAGER),
    };
    for key in [keys.cores, keys.cores_before_1_17] {
        if percent(rng, 35) {
            let cores = cores(rng);
            question.set(key, cores);
        }
    }
    for key in keys.factors {
        if percent(rng, 35) {
            let factor = factor(rng);
            question.set(key, factor);
        }
    }
    if percent(rng, 30) {
        let switch = process::switch(rng);
        question.set(options::FINE_GRAINED, switch);
    }
    if role == Role::TaskManager && percent(rng, 6) {
        totals_apart(rng, question);
    }
    // What is the other process's has no effect on this one.
    if percent(rng, 2) {
        question.set(other.cores, "x");
        question.set(other.factors[0], "0");
    }
}

fn cores(rng: &mut Rng) -> String {
    let cores = match rng.u32(..10) {
        0 | 1 => one_of(
            rng,
            &["Infinity", "Infinity", "NaN", "-1", "0", "1e-9", "9e-9"],
        )
        .to_owned(),
        2 | 3 => text::strange_fraction(rng),
        _ => text::double(rng),
    };
    // Twice the smallest double is written otherwise by JDK 19 and later: the JVM's wording, not Flink's.
    if cores == "5e-324" {
        "1e-300".to_owned()
    } else {
        cores
    }
}

/// Totals and an overhead between them that its fraction would not give: the pod that is computed without the totals is
/// larger or smaller than the process, or larger than there can be.
fn totals_apart(rng: &mut Rng, question: &mut Question) {
    let least = *one_of(rng, &[&(4_u64 << 30), &(1 << 58)]);
    let flink = text::magnitude(rng, least, 1 << 62);
    let overhead = rng.u64(..1 << 30);
    let is_a_part = |key: &str| {
        ["taskmanager.memory.jvm-", "taskmanager.memory.framework"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
    };
    question.options.retain(|key, _| !is_a_part(key));
    question.set(options::FINE_GRAINED, "true");
    question.set(options::FLINK_SIZE, format!("{flink}b"));
    question.set(
        options::PROCESS_SIZE,
        format!("{}", flink + overhead + (256 << 20)),
    );
    question.set(options::JVM_OVERHEAD_MIN, "0");
    question.set(options::JVM_OVERHEAD_MAX, text::MAX.to_string());
    let digit = *one_of(rng, &[&"9", &"0"]);
    let digits = digit.repeat(rng.usize(1..7));
    question.set(options::JVM_OVERHEAD_FRACTION, format!("0.{digits}1"));
}

/// What a limit is of its request: at least one.
fn factor(rng: &mut Rng) -> String {
    match rng.u32(..10) {
        0..3 => text::strange_fraction(rng),
        3 | 4 => one_of(
            rng,
            &[
                "1",
                "0.999999999999",
                "1.0000000000000002",
                "0.99999999999999999",
                "0.5",
                "-1",
                "NaN",
                "Infinity",
                "1e6",
                "1e300",
            ],
        )
        .to_owned(),
        _ => format!("{:.*}", rng.usize(1..4), 1.0 + 3.0 * rng.f64()),
    }
}
