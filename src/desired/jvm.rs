//! `env.java.opts.taskmanager`: the user's JVM arguments, and what replacing the configuration file would lose.
//!
//! Two things that the image's own setup gives and a new file takes away are written out: the G1 collector, which
//! the start scripts choose only while no Java options are set, and the module flags of the shipped file from
//! 1.18 on, without which Flink cannot run on Java 17.

use crate::{
    api::v1alpha1::TaskManagerPoolSpec,
    budget::{Code, Conflict, FlinkVersion},
};

use super::{
    conflict::{At, beside, removing},
    flink_configuration::FlinkConfiguration,
};

/// The option that the TaskManager's Java options are written under.
pub(super) const JAVA_OPTIONS: &str = "env.java.opts.taskmanager";

/// Every option whose value becomes part of the TaskManager's command line.
const JAVA_OPTION_KEYS: [&str; 5] = [
    "env.java.opts",
    "env.java.opts.all",
    JAVA_OPTIONS,
    "env.java.default-opts.all",
    "env.java.default-opts.taskmanager",
];

/// Flags of the JVM that set a size which the budget sets.
const MEMORY_FLAGS: [&str; 6] = [
    "-Xmx",
    "-Xms",
    "-XX:MaxHeapSize=",
    "-XX:InitialHeapSize=",
    "-XX:MaxDirectMemorySize=",
    "-XX:MaxMetaspaceSize=",
];

/// The collector that Flink's scripts choose.
const DEFAULT_COLLECTOR: &str = "-XX:+UseG1GC";

/// What Flink's shipped configuration opens of Java's modules, from 1.18 on.
const MODULE_EXPORTS: [&str; 8] = [
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
];
const MODULE_OPENS: [&str; 12] = [
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
];

/// The first flag of a text that sets a size which the budget sets.
pub(super) fn memory_flag(text: &str) -> Option<&str> {
    text.split_whitespace()
        .map(|flag| flag.trim_matches(['"', '\'']))
        .find(|flag| MEMORY_FLAGS.iter().any(|memory| flag.starts_with(memory)))
}

/// The value of [`JAVA_OPTIONS`]. `environment` holds the values of the variables that become part of the command
/// line as well. What cannot be passed on is reported.
pub(super) fn java_options(
    spec: &TaskManagerPoolSpec,
    free: &FlinkConfiguration,
    version: FlinkVersion,
    environment: &[&str],
    conflicts: &mut Vec<Conflict>,
) -> String {
    let extra = spec
        .jvm_arguments
        .as_ref()
        .map(|arguments| arguments.extra.as_slice())
        .unwrap_or_default();
    for (index, argument) in extra.iter().enumerate() {
        conflicts.extend(problem(index, argument));
    }
    for key in JAVA_OPTION_KEYS {
        let value = free.value(key).unwrap_or_default();
        if let Some(flag) = memory_flag(value) {
            let message = format!(
                "spec.flinkConfiguration[{key}] contains {flag}, but the budget sets the JVM's sizes; remove the flag, and \
                 set the size in spec.memory"
            );
            conflicts.push(At::option(key, value).error(
                Code::JvmArgumentInvalid,
                "no memory flags",
                message,
            ));
        }
    }
    let own = free.value(JAVA_OPTIONS);
    if let Some(own) = own
        && !extra.is_empty()
    {
        let message = format!(
            "the TaskManager's JVM arguments are written in spec.jvmArguments.extra and in \
             spec.flinkConfiguration[{JAVA_OPTIONS}]; keep one of them"
        );
        let conflict =
            At::option(JAVA_OPTIONS, own).error(Code::DuplicateSource, "one place", message);
        conflicts.push(removing(beside(
            conflict,
            At::field("spec.jvmArguments.extra", extra.join(" ")),
        )));
    }
    let mut texts: Vec<&str> = JAVA_OPTION_KEYS
        .iter()
        .filter_map(|key| free.value(key))
        .collect();
    texts.extend(extra.iter().map(String::as_str));
    texts.extend(environment);
    let mut arguments = Vec::new();
    if version >= FlinkVersion::V1_18 && !texts.iter().any(|text| text.contains("--add-opens")) {
        arguments
            .extend(MODULE_EXPORTS.map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
        arguments.extend(MODULE_OPENS.map(|package| format!("--add-opens={package}=ALL-UNNAMED")));
    }
    if !texts.iter().any(|text| names_collector(text)) {
        arguments.push(DEFAULT_COLLECTOR.to_owned());
    }
    arguments.extend(own.map(str::to_owned));
    arguments.extend(extra.iter().cloned());
    arguments.join(" ")
}

/// Whether a text chooses a garbage collector.
fn names_collector(text: &str) -> bool {
    text.split_whitespace()
        .any(|flag| flag.starts_with("-XX:+Use") && flag.ends_with("GC"))
}

/// Why one of `spec.jvmArguments.extra` cannot be passed on.
fn problem(index: usize, argument: &str) -> Option<Conflict> {
    let path = format!("spec.jvmArguments.extra[{index}]");
    let refuse = |bound: &str, message: String| {
        Some(removing(At::field(path.clone(), argument).error(
            Code::JvmArgumentInvalid,
            bound,
            message,
        )))
    };
    if let Some(flag) = memory_flag(argument) {
        return refuse(
            "no memory flag",
            format!(
                "{path} is {flag}, but the budget sets the JVM's sizes; remove it, and set the size in spec.memory"
            ),
        );
    }
    // Flink's scripts hold all arguments in one shell word, which they split at spaces and evaluate.
    let split = |character: char| character.is_whitespace() || "\"'\\`#;&|<>()".contains(character);
    if argument.is_empty() || argument.contains(split) || argument.ends_with(':') {
        return refuse(
            "one word without quotes",
            format!(
                "{path} is {argument:?}, which Flink's start scripts would take apart; write one argument per item, \
                 without spaces, quotes and the shell's other characters"
            ),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::desired::flink_configuration::flatten;

    fn options(
        extra: &[&str],
        free: serde_json::Value,
        version: FlinkVersion,
    ) -> (String, Vec<Conflict>) {
        let spec = serde_json::from_value(json!({
            "flinkVersion": "2.1", "image": "flink", "clusterRef": {"name": "jm"},
            "taskManager": {"resources": {"limits": {"memory": "4Gi"}}},
            "jvmArguments": {"extra": extra}
        }))
        .unwrap();
        let free: BTreeMap<String, serde_json::Value> = serde_json::from_value(free).unwrap();
        let mut conflicts = Vec::new();
        let free = flatten(&free, version, &mut conflicts);
        let options = java_options(&spec, &free, version, &[], &mut conflicts);
        (options, conflicts)
    }

    #[test]
    fn the_collector_of_the_scripts_stays_unless_the_user_picks_one() {
        assert_eq!(
            options(&["-Da=b"], json!({}), FlinkVersion::V1_17).0,
            "-XX:+UseG1GC -Da=b"
        );
        assert_eq!(
            options(&["-XX:+UseZGC"], json!({}), FlinkVersion::V1_17).0,
            "-XX:+UseZGC"
        );
        let free = json!({"env.java.opts.all": "-XX:+UseParallelGC"});
        assert_eq!(options(&[], free, FlinkVersion::V1_17).0, "");
    }

    #[test]
    fn the_module_flags_of_the_shipped_file_stay_unless_the_user_sets_them() {
        let (text, _) = options(&[], json!({}), FlinkVersion::V1_18);
        assert!(
            text.contains("--add-opens=java.base/java.util=ALL-UNNAMED")
                && text.ends_with("-XX:+UseG1GC")
        );
        let free = json!({"env.java.opts.all": "--add-opens=java.base/java.util=ALL-UNNAMED"});
        assert_eq!(options(&[], free, FlinkVersion::V2_3).0, "-XX:+UseG1GC");
    }

    #[test]
    fn what_breaks_the_budget_or_the_scripts_is_a_conflict() {
        let extra = [
            "-Xmx1g",
            "-XX:MaxDirectMemorySize=1g",
            "-Da=b c",
            "-XX:OnError='kill'",
            "",
        ];
        let (_, conflicts) = options(
            &extra,
            json!({"env": {"java": {"opts": "-Da -Xms1g"}}}),
            FlinkVersion::V2_1,
        );
        assert_eq!(conflicts.len(), 6);
        assert!(
            conflicts
                .iter()
                .all(|conflict| conflict.code == Code::JvmArgumentInvalid)
        );
        let (_, conflicts) = options(
            &["-Da"],
            json!({"env.java.opts.taskmanager": "-Db"}),
            FlinkVersion::V2_1,
        );
        assert_eq!(conflicts[0].code, Code::DuplicateSource);
        assert_eq!(conflicts[0].options.len(), 2);
    }
}
