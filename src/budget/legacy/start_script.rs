//! What the start scripts of the old model computed, in bash's integers and awk's doubles.
//!
//! Mirrors `config.sh` and `taskmanager.sh` of Flink 1.9, with what they did otherwise than the Java code: fractions
//! are doubles and round to the nearest number, `taskmanager.network.numberOfBuffers` is taken for a size in bytes and
//! wins over the bounds, and the heap loses only the whole mebibytes of network memory.

use serde::Serialize;

use super::{
    super::{
        memory_size,
        options::{self, legacy as keys},
        request::Configuration,
    },
    settings::{MEMORY_FRACTION, NETWORK_FRACTION, Settings, signed},
    source::{Arithmetic, Part, Source},
};

/// A TaskManager started by the scripts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptPlan {
    /// `taskmanager.heap.size`, in whole mebibytes.
    pub total: Part,
    /// What the script set aside for network memory.
    pub network: Part,
    /// What the script set aside for managed memory outside the heap; `None` where it lies inside.
    pub managed: Option<Part>,
    /// The JVM's heap, whole mebibytes.
    pub heap: Part,
}

impl ScriptPlan {
    /// The JVM's memory flags. The limit of direct memory is the largest a JVM takes, which is none.
    #[must_use]
    pub fn jvm_parameters(&self) -> String {
        let heap = self.heap.bytes >> 20;
        format!("-Xms{heap}M -Xmx{heap}M -XX:MaxDirectMemorySize=8388607T")
    }
}

/// Why the scripts start no TaskManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum ScriptRefusal {
    /// `calculateNetworkBufferMemory` prints this text where its caller expects a number.
    Network {
        /// The script's own text.
        message: String,
    },
    /// Another function of the script prints this text.
    Script {
        /// The script's own text.
        message: String,
    },
    /// A value that bash or awk make something else of than a number.
    Value {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
        /// What the scripts can read.
        expected: &'static str,
    },
}

impl std::fmt::Display for ScriptRefusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network { message } | Self::Script { message } => formatter.write_str(message),
            Self::Value {
                option,
                value,
                expected,
            } => write!(
                formatter,
                "the start scripts of Flink 1.9 can't read {value:?} of {option}; they read {expected}"
            ),
        }
    }
}

impl std::error::Error for ScriptRefusal {}

const SIZE_FORM: &str = "a number without leading zeros and a unit: b, k, m, g or t";
const NUMBER_FORM: &str = "a decimal number such as 0.1";
const NETWORK_KEYS: &str = "'taskmanager.network.memory.fraction', 'taskmanager.network.memory.min', \
     'taskmanager.network.memory.max', and 'taskmanager.network.numberOfBuffers'";

/// What the scripts make of the options; `None` where neither `taskmanager.heap.size` nor `taskmanager.heap.mb` is
/// set, or the one that counts is below a mebibyte: the scripts then leave the heap to the JVM.
///
/// # Errors
/// What the scripts print instead.
pub fn start_script(configuration: &Configuration) -> Result<Option<ScriptPlan>, ScriptRefusal> {
    let settings = Settings(configuration);
    let (total, source) = total_mebibytes(settings, &TASK_MANAGER_HEAP)?;
    if total <= 0 {
        return Ok(None);
    }
    let network = network(settings, total)?;
    let mut heap = total - (network.bytes >> 20);
    let managed = if settings
        .value(keys::MEMORY_OFF_HEAP)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    {
        Some(managed(settings, total, heap, network.bytes >> 20)?)
    } else {
        None
    };
    let mut taken = network.bytes >> 20 << 20;
    if let Some(managed) = &managed {
        heap -= managed.bytes >> 20;
        taken += managed.bytes;
    }
    Ok(Some(ScriptPlan {
        total: Part {
            bytes: total << 20,
            source,
        },
        network,
        managed,
        heap: Part {
            bytes: heap << 20,
            source: Source::Rest {
                of: total << 20,
                taken,
                whole_mebibytes: false,
            },
        },
    }))
}

/// The heap that the scripts give to a JobManager; `None` where they leave it to the JVM.
///
/// # Errors
/// What the scripts print instead.
pub(super) fn job_manager_heap(
    configuration: &Configuration,
) -> Result<Option<Part>, ScriptRefusal> {
    let (mebibytes, source) = total_mebibytes(Settings(configuration), &JOB_MANAGER_HEAP)?;
    Ok((mebibytes > 0).then_some(Part {
        bytes: mebibytes << 20,
        source,
    }))
}

/// The options of one process's memory, and what its script says where they are none.
struct HeapOptions {
    size: &'static str,
    mebibytes: &'static str,
    what: &'static str,
}

const TASK_MANAGER_HEAP: HeapOptions = HeapOptions {
    size: options::HEAP_SIZE,
    mebibytes: options::HEAP_MB,
    what: "TaskManager JVM heap size is not a number",
};

const JOB_MANAGER_HEAP: HeapOptions = HeapOptions {
    size: options::JOBMANAGER_HEAP_SIZE,
    mebibytes: options::JOBMANAGER_HEAP_MB,
    what: "JobManager memory size is not a valid value",
};

/// The memory of the process: the size, and where it is not set or `0`, the older option.
fn total_mebibytes(
    settings: Settings<'_>,
    heap: &HeapOptions,
) -> Result<(i64, Source), ScriptRefusal> {
    let not_a_number = || ScriptRefusal::Script {
        message: format!(
            "[ERROR] Configured {}. Please set '{}' in flink-conf.yaml.",
            heap.what, heap.size
        ),
    };
    let size = settings.value(heap.size).unwrap_or("0");
    if size != "0" {
        let bytes = bash_size(size).ok_or_else(not_a_number)?;
        return Ok((bytes >> 20, settings.source(heap.size)));
    }
    let mebibytes = settings.value(heap.mebibytes).unwrap_or("0");
    if mebibytes.is_empty() || !mebibytes.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let refused = || ScriptRefusal::Value {
        option: heap.mebibytes,
        value: mebibytes.to_owned(),
        expected: "a number of mebibytes without leading zeros, below 2^43",
    };
    // Bash reads a leading zero as octal, awk does not.
    if mebibytes.len() > 1 && mebibytes.starts_with('0') {
        return Err(refused());
    }
    let number = mebibytes
        .parse::<i64>()
        .ok()
        .filter(|number| *number < 1 << 43)
        .ok_or_else(refused)?;
    Ok((number, settings.source(heap.mebibytes)))
}

/// What the script sets aside for network memory: `calculateNetworkBufferMemory`.
fn network(settings: Settings<'_>, total: i64) -> Result<Part, ScriptRefusal> {
    let size = |option: &'static str, default: i64| match settings.value(option) {
        None | Some("") => Ok(default),
        Some(value) => bash_size(value).ok_or_else(|| ScriptRefusal::Value {
            option,
            value: value.to_owned(),
            expected: SIZE_FORM,
        }),
    };
    let count = settings
        .value(options::NUMBER_OF_BUFFERS)
        .filter(|count| !count.is_empty() && *count != "-1");
    let part = if count.is_some() {
        let bytes = size(options::NUMBER_OF_BUFFERS, 0)?;
        Part {
            bytes,
            source: Source::Buffers {
                option: options::NUMBER_OF_BUFFERS,
                buffers: bytes,
                buffer_bytes: 1,
            },
        }
    } else {
        let minimum = size(keys::NETWORK_MEMORY_MIN, 64 << 20)?;
        let maximum = size(keys::NETWORK_MEMORY_MAX, 1 << 30)?;
        network_within(settings, total, minimum, maximum)?
    };
    if total << 20 <= part.bytes {
        return Err(ScriptRefusal::Network {
            message: format!(
                "[ERROR] Configured TaskManager memory size ({total} MB, from '{}') must be larger than the network \
                 buffer memory size ({} bytes, from: {NETWORK_KEYS}).",
                options::HEAP_SIZE,
                part.bytes
            ),
        });
    }
    Ok(part)
}

fn network_within(
    settings: Settings<'_>,
    total: i64,
    minimum: i64,
    maximum: i64,
) -> Result<Part, ScriptRefusal> {
    if minimum == maximum {
        return Ok(Part {
            bytes: minimum,
            source: settings.source(keys::NETWORK_MEMORY_MIN),
        });
    }
    if minimum > maximum {
        return Err(ScriptRefusal::Network {
            message: format!(
                "[ERROR] Configured TaskManager network buffer memory min/max '{minimum}'/'{maximum}' are not \
                 valid.\nMin must be less than or equal to max.\nPlease set '{}' and '{}' in flink-conf.yaml.",
                keys::NETWORK_MEMORY_MIN,
                keys::NETWORK_MEMORY_MAX
            ),
        });
    }
    let (text, fraction) = awk_fraction(
        settings,
        keys::NETWORK_MEMORY_FRACTION,
        NETWORK_FRACTION.default,
        "network buffer",
        |message| ScriptRefusal::Network { message },
    )?;
    let derived = awk_product((total << 20) as f64, fraction);
    #[expect(
        clippy::cast_precision_loss,
        reason = "awk compares in doubles as well"
    )]
    let (low, high) = (minimum as f64, maximum as f64);
    let exact = (total << 20) as f64 * fraction;
    Ok(if exact > high {
        Part {
            bytes: maximum,
            source: Source::Maximum {
                option: keys::NETWORK_MEMORY_MAX,
                derived,
            },
        }
    } else if exact < low {
        Part {
            bytes: minimum,
            source: Source::Minimum {
                option: keys::NETWORK_MEMORY_MIN,
                derived,
            },
        }
    } else {
        Part {
            bytes: derived,
            source: Source::Fraction {
                option: keys::NETWORK_MEMORY_FRACTION,
                fraction: text.to_owned(),
                of: total << 20,
                arithmetic: Arithmetic::Awk,
            },
        }
    })
}

/// What the script sets aside for managed memory outside the heap.
fn managed(
    settings: Settings<'_>,
    total: i64,
    heap: i64,
    network: i64,
) -> Result<Part, ScriptRefusal> {
    let configured = bash_mebibytes(settings.value(keys::MEMORY_SIZE).unwrap_or("0"));
    if configured > 0 {
        if heap <= configured {
            return Err(ScriptRefusal::Script {
                message: format!(
                    "[ERROR] Remaining TaskManager memory size ({heap} MB, from: '{}' ({total} MB) minus network \
                     buffer memory size ({network} MB, from: {NETWORK_KEYS})) must be larger than the managed memory \
                     size ({configured} MB, from: '{}').",
                    options::HEAP_SIZE,
                    keys::MEMORY_SIZE
                ),
            });
        }
        return Ok(Part {
            bytes: configured << 20,
            source: settings.source(keys::MEMORY_SIZE),
        });
    }
    let (text, fraction) = awk_fraction(
        settings,
        keys::MEMORY_FRACTION,
        MEMORY_FRACTION.default,
        "managed",
        |message| ScriptRefusal::Script { message },
    )?;
    #[expect(clippy::cast_precision_loss, reason = "awk converts to double as well")]
    let mebibytes = awk_product(heap as f64, fraction);
    Ok(Part {
        bytes: mebibytes << 20,
        source: Source::Fraction {
            option: keys::MEMORY_FRACTION,
            fraction: text.to_owned(),
            of: heap << 20,
            arithmetic: Arithmetic::Awk,
        },
    })
}

/// A fraction as awk reads it, between 0 and 1, with its text.
fn awk_fraction<'a>(
    settings: Settings<'a>,
    option: &'static str,
    default: &'static str,
    what: &str,
    refusal: impl Fn(String) -> ScriptRefusal,
) -> Result<(&'a str, f64), ScriptRefusal> {
    let text = settings
        .value(option)
        .filter(|value| !value.is_empty())
        .unwrap_or(default);
    let fraction = awk_number(text).ok_or_else(|| ScriptRefusal::Value {
        option,
        value: text.to_owned(),
        expected: NUMBER_FORM,
    })?;
    if fraction > 0.0 && fraction < 1.0 {
        Ok((text, fraction))
    } else {
        Err(refusal(format!(
            "[ERROR] Configured TaskManager {what} memory fraction '{text}' is not a valid value.\nIt must be \
             between 0.0 and 1.0.\nPlease set '{option}' in flink-conf.yaml."
        )))
    }
}

/// What awk takes for a number: decimal digits with an optional point, sign and exponent.
fn awk_number(text: &str) -> Option<f64> {
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
    // Rust reads the same forms of these characters as awk does.
    is_number.then(|| text.parse().ok()).flatten()
}

/// A product printed with `%.0f`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "awk prints the whole number, and so does the cast of a rounded one"
)]
fn awk_product(size: f64, fraction: f64) -> i64 {
    (size * fraction).round_ties_even() as i64
}

/// The first word of a value as bytes: `parseBytes`, which the scripts call without quotes.
fn bash_size(value: &str) -> Option<i64> {
    let word = value.split_ascii_whitespace().next()?;
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    // Bash reads a leading zero as octal, which the script takes for an overflow.
    if !word.is_ascii() || digits > 1 && word.starts_with('0') {
        return None;
    }
    memory_size::parse(word).ok().map(signed)
}

/// `taskmanager.memory.size` in whole mebibytes; what can't be read counts as 0.
fn bash_mebibytes(value: &str) -> i64 {
    let mut words = value.split_ascii_whitespace();
    let Some(word) = words.next() else {
        return 0;
    };
    let has_unit = word.bytes().any(|byte| !byte.is_ascii_digit());
    // The script appends the unit to the last word and reads the first.
    let size = if has_unit || words.next().is_some() {
        bash_size(word)
    } else {
        bash_size(&format!("{word}m"))
    };
    size.unwrap_or(0) >> 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Origin;

    fn plan(settings: &[(&str, &str)]) -> Result<Option<ScriptPlan>, ScriptRefusal> {
        let configuration =
            settings
                .iter()
                .fold(Configuration::new(), |configuration, (key, value)| {
                    configuration.with(*key, *value, Origin::FlinkConfiguration)
                });
        start_script(&configuration)
    }

    #[test]
    fn nothing_or_zero_leaves_the_heap_to_the_jvm() {
        assert_eq!(plan(&[]), Ok(None));
        assert_eq!(plan(&[("taskmanager.heap.size", "0")]), Ok(None));
        // Bash passes only the first word on: these are 1024 bytes.
        assert_eq!(plan(&[("taskmanager.heap.size", "1024 m")]), Ok(None));
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // 1025 MB without 64 MB is 961 MB, of which half is 480.5.
        let plan = plan(&[
            ("taskmanager.heap.mb", "1025"),
            ("taskmanager.memory.off-heap", "TRUE"),
            ("taskmanager.memory.fraction", "0.5"),
            ("taskmanager.network.memory.max", "64m"),
        ]);
        let plan = plan.unwrap().unwrap();
        assert_eq!(plan.managed.unwrap().bytes >> 20, 480);
        assert_eq!(plan.heap.bytes >> 20, 481);
    }

    #[test]
    fn a_number_of_buffers_is_taken_for_bytes() {
        let plan = plan(&[
            ("taskmanager.heap.size", "1g"),
            ("taskmanager.network.numberOfBuffers", "40000"),
        ]);
        let plan = plan.unwrap().unwrap();
        assert_eq!(plan.network.bytes, 40000);
        assert_eq!(plan.heap.bytes >> 20, 1024);
    }

    #[test]
    fn what_bash_reads_otherwise_is_refused() {
        for (key, value) in [
            ("taskmanager.heap.size", "010m"),
            ("taskmanager.heap.size", "1x"),
            ("taskmanager.heap.mb", "1k"),
            ("taskmanager.heap.mb", "010"),
            ("taskmanager.heap.mb", "99999999999999999999"),
        ] {
            assert!(plan(&[(key, value)]).is_err(), "{value}");
        }
        for fraction in ["0.1f", "0x1p-3", "NaN", "nan", "inf", "0", "1.0", "."] {
            let settings = [
                ("taskmanager.heap.mb", "1024"),
                ("taskmanager.network.memory.fraction", fraction),
            ];
            assert!(plan(&settings).is_err(), "{fraction}");
        }
    }
}
