//! The rule behind an error, by what its messages say.

use headroom::budget::FlinkError;

/// What a message contains, and the rule that says so. The first that fits names the error.
const MESSAGES: [(&str, &str); 27] = [
    ("need to be configured explicitly", "no total"),
    ("min value must be less", "minimum above maximum"),
    ("fraction must be in range", "fraction out of range"),
    (
        "Task Heap Memory",
        "parts exceed Flink memory, with task heap",
    ),
    (
        "Sum of configured Framework Heap Memory",
        "parts exceed Flink memory, without task heap",
    ),
    (
        "is not in configured Network Memory range",
        "network memory as rest out of range",
    ),
    (
        "does not match configured Network Memory",
        "network memory as rest differs from buffers",
    ),
    (
        "Sum of configured JVM Metaspace",
        "metaspace and overhead exceed process",
    ),
    (
        "The configured Total Process Memory size",
        "process below Flink memory and metaspace",
    ),
    (
        "does not match the configured Total Flink Memory",
        "heap and off-heap memory differ from Flink memory",
    ),
    (
        "exceeds the configured Total Flink Memory",
        "heap exceeds Flink memory",
    ),
    (
        "is less than the configured Off-heap Memory",
        "off-heap memory takes all",
    ),
    ("should be greater or equal to 1", "limit factor below one"),
    ("must be between 0 and 1", "cut-off ratio out of range"),
    (
        "than the requested amount of memory",
        "cut-off above the total",
    ),
    ("Unrecognized option for boolean", "switch unreadable"),
    ("Derived JVM Overhead size", "overhead as rest out of range"),
    ("with a positive number of CPU cores", "cores not positive"),
    ("is neither a decimal digit number", "cores not finite"),
    ("must not be less than 0", "legacy heap negative"),
    (
        "from environment variable value",
        "legacy heap in the environment unreadable",
    ),
    ("Minimum memory segment size", "segment too small"),
    ("must be a power of 2", "segment no power of two"),
    ("Cannot downcast", "segment too large"),
    ("long overflow", "overflow"),
    ("bytes must be >= 0", "negative size"),
    (
        "Cannot read memory size from config option",
        "size unreadable",
    ),
];

/// Why a text is no size.
const TEXTS: [(&str, &str); 5] = [
    ("empty- or whitespace-only", "nothing but whitespace"),
    ("does not start with a number", "no digit"),
    ("as 64bit number (numeric overflow)", "number too large"),
    ("does not match any of the recognized units", "no unit"),
    ("as 64bit number of bytes", "too many bytes"),
];

/// The names of every reason for which a text is no size.
pub const fn texts() -> [&'static str; 5] {
    let mut names = [""; 5];
    let mut index = 0;
    while index < names.len() {
        names[index] = TEXTS[index].1;
        index += 1;
    }
    names
}

/// The rules behind an error: what is wrong, and with which option or text.
pub fn hit(error: &FlinkError) -> Vec<String> {
    let messages: Vec<&str> = std::iter::once(error.message.as_str())
        .chain(error.causes.iter().map(|cause| cause.message.as_str()))
        .collect();
    // The innermost messages say most; Flink wraps them in more general ones.
    let named = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(part, _)| messages.iter().any(|message| message.contains(part)))
            .map(|(_, name)| *name)
    };
    let key = |prefix: &str| {
        messages.iter().find_map(|message| {
            let (_, rest) = message.split_once(prefix)?;
            Some(rest.split_once('\'')?.0.to_owned())
        })
    };
    let mut hit = Vec::new();
    match named(&MESSAGES) {
        Some(name @ ("minimum above maximum" | "fraction out of range")) => {
            let key = key("Inconsistently configured Key: '").unwrap_or_default();
            hit.push(format!("error: {name} ({key})"));
        }
        Some(name @ "size unreadable") => {
            let key = key("from config option '").unwrap_or_default();
            hit.push(format!("error: {name} ({key})"));
        }
        Some(name @ "limit factor below one") => {
            let key = error.message.split(' ').next().unwrap_or_default();
            hit.push(format!("error: {name} ({key})"));
        }
        Some(name @ "switch unreadable") => {
            let key = key("' for key '").unwrap_or_default();
            hit.push(format!("error: {name} ({key})"));
        }
        Some(name) => hit.push(format!("error: {name}")),
        None => match key("' for key '") {
            Some(key) if key.starts_with("external-resource.") => {
                hit.push("error: number unreadable (external resource)".to_owned());
            }
            Some(key) => hit.push(format!("error: number unreadable ({key})")),
            // 1.10 says of the JobManager's heap only why it is no size.
            None if named(&TEXTS).is_some() => hit.push("error: size unreadable".to_owned()),
            None => hit.push(format!("error: {}", error.message)),
        },
    }
    if let Some(name) = named(&TEXTS) {
        hit.push(format!("text: {name}"));
    }
    hit
}
