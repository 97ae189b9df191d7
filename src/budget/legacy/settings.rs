//! Reading options as Flink 1.9 read them: what is no number silently becomes the default.
//!
//! Mirrors `Configuration` and `ConfigurationParserUtils` of Flink 1.9.

use serde::Serialize;

use super::{
    super::{
        decimal,
        infeasible::FlinkError,
        java_integer::parse_java_integer,
        memory_size::{self, SizeError},
        options::{self, legacy as keys},
        request::{Configuration, Origin, Setting},
    },
    error,
    source::Source,
};
use crate::bytes::Bytes;

/// A value that Flink 1.9 could not read as a number, so that it took the default with nothing but a warning in the
/// log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// The option, as it was written.
    pub setting: Setting,
    /// What was read instead.
    pub default: &'static str,
}

/// An option of the old model that is a number, with its older key and its default.
pub(super) struct Numeric {
    pub key: &'static str,
    pub older_key: Option<&'static str>,
    pub default: &'static str,
}

const fn numeric(key: &'static str, default: &'static str) -> Numeric {
    Numeric {
        key,
        older_key: None,
        default,
    }
}

pub(super) const MEMORY_FRACTION: Numeric = numeric(keys::MEMORY_FRACTION, "0.7");
pub(super) const NETWORK_FRACTION: Numeric = numeric(keys::NETWORK_MEMORY_FRACTION, "0.1");
pub(super) const NUMBER_OF_BUFFERS: Numeric = numeric(options::NUMBER_OF_BUFFERS, "2048");
pub(super) const NUMBER_OF_TASK_SLOTS: Numeric = numeric(options::NUMBER_OF_TASK_SLOTS, "1");
pub(super) const CUTOFF_RATIO: Numeric = Numeric {
    key: options::HEAP_CUTOFF_RATIO,
    older_key: Some(keys::YARN_CUTOFF_RATIO),
    default: "0.25",
};
pub(super) const CUTOFF_MIN: Numeric = Numeric {
    key: options::HEAP_CUTOFF_MIN,
    older_key: Some(keys::YARN_CUTOFF_MIN),
    default: "600",
};

pub(super) const DEFAULT_NETWORK_MIN: &str = "64mb";
pub(super) const DEFAULT_NETWORK_MAX: &str = "1gb";
const DEFAULT_SEGMENT_SIZE: &str = "32kb";

/// The settings that count: the command line wins over a file, the last of equals wins.
#[derive(Clone, Copy)]
pub(super) struct Settings<'a>(pub &'a Configuration);

impl<'a> Settings<'a> {
    pub fn setting(self, key: &str) -> Option<&'a Setting> {
        let mut chosen: Option<&Setting> = None;
        for setting in self.0.iter().filter(|setting| setting.key == key) {
            let outranked = chosen.is_some_and(|other| {
                other.origin == Origin::CommandLine && setting.origin != Origin::CommandLine
            });
            if !outranked {
                chosen = Some(setting);
            }
        }
        chosen
    }

    pub fn is_set(self, key: &str) -> bool {
        self.setting(key).is_some()
    }

    pub fn value(self, key: &str) -> Option<&'a str> {
        self.setting(key).map(|setting| setting.value.as_str())
    }

    fn numeric(self, option: &Numeric) -> Option<&'a Setting> {
        self.setting(option.key)
            .or_else(|| self.setting(option.older_key?))
    }

    /// A 32-bit float.
    pub fn float(self, option: &Numeric) -> f32 {
        let parse = |text: &str| decimal::parse_java_float(text).ok();
        self.numeric(option)
            .and_then(|setting| parse(&setting.value))
            .or_else(|| parse(option.default))
            .unwrap_or(f32::NAN)
    }

    /// A 32-bit integer.
    pub fn integer(self, option: &Numeric) -> i32 {
        self.numeric(option)
            .and_then(|setting| parse_java_integer(&setting.value))
            .or_else(|| parse_java_integer(option.default))
            .unwrap_or_default()
    }

    /// Whether managed memory lies outside the heap; anything but `true` is false.
    pub fn is_managed_off_heap(self) -> bool {
        self.value(keys::MEMORY_OFF_HEAP)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A size in bytes where no unit is written.
    pub fn size(self, key: &str, default: &str) -> Result<i64, FlinkError> {
        memory_size::parse(self.value(key).unwrap_or(default))
            .map(signed)
            .map_err(|failure| error::size(&failure))
    }

    /// `taskmanager.memory.size`, which is in mebibytes where no unit is written.
    pub fn memory_size(self) -> Option<Result<i64, FlinkError>> {
        let value = self.value(keys::MEMORY_SIZE)?;
        Some(
            in_mebibytes(value)
                .map(signed)
                .map_err(|failure| error::could_not_read(keys::MEMORY_SIZE, &failure)),
        )
    }

    /// The size of a segment: at least 4096 bytes and a power of two.
    pub fn page_size(self) -> Result<i64, FlinkError> {
        let key = options::SEGMENT_SIZE;
        let size = self.size(key, DEFAULT_SEGMENT_SIZE)?;
        if size > i64::from(i32::MAX) {
            return Err(error::argument(format!(
                "Cannot downcast long value {size} to integer."
            )));
        }
        if size < 4096 {
            return Err(error::invalid(
                key,
                size,
                "Minimum memory segment size is 4096",
            ));
        }
        if size & (size - 1) != 0 {
            return Err(error::invalid(
                key,
                size,
                "Memory segment size must be a power of 2.",
            ));
        }
        Ok(size)
    }

    /// The number of slots, of which −1 means one.
    pub fn slots(self) -> Result<i32, FlinkError> {
        match self.integer(&NUMBER_OF_TASK_SLOTS) {
            -1 => Ok(1),
            slots if slots < 1 => Err(error::invalid(
                options::NUMBER_OF_TASK_SLOTS,
                slots,
                "Number of task slots must be at least one.",
            )),
            slots => Ok(slots),
        }
    }

    /// The source of a size that is used as it is.
    pub fn source(self, key: &'static str) -> Source {
        match self.setting(key) {
            Some(setting) => Source::Configured {
                option: key,
                origin: setting.origin.clone(),
            },
            None => Source::Default { option: key },
        }
    }
}

/// A size in mebibytes where no unit is written: `MemorySize.parse(text, MEGA_BYTES)`.
pub(super) fn in_mebibytes(text: &str) -> Result<Bytes, SizeError> {
    let trimmed = memory_size::java_trim(text);
    if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        memory_size::parse(&format!("{text}m"))
    } else {
        memory_size::parse(text)
    }
}

/// A size as Java's signed number; a size is never above its largest value.
pub(super) fn signed(size: Bytes) -> i64 {
    i64::try_from(size.get()).unwrap_or(i64::MAX)
}

/// A 32-bit float as Java prints it.
pub(super) fn java_float(value: f32) -> String {
    // The shortest digits of the float, read as a double, are the double's shortest digits too.
    // Of the shortest texts with two digits, which Java writes at least, the nearest counts: 1.4E-45, not 1.0E-45.
    let nearest = format!("{value:.1e}");
    let text = if nearest.parse() == Ok(value) {
        nearest
    } else {
        format!("{value:e}")
    };
    decimal::java_double(text.parse().unwrap_or(f64::from(value)))
}

/// The values that Flink 1.9 could not read as numbers and replaced by their defaults.
#[must_use]
pub fn unreadable(configuration: &Configuration) -> Vec<Unreadable> {
    let settings = Settings(configuration);
    let floats = [&MEMORY_FRACTION, &NETWORK_FRACTION, &CUTOFF_RATIO];
    let integers = [&NUMBER_OF_BUFFERS, &NUMBER_OF_TASK_SLOTS, &CUTOFF_MIN];
    let is_float = |text: &str| decimal::parse_java_float(text).is_ok();
    let is_integer = |text: &str| parse_java_integer::<i32>(text).is_some();
    let of = |option: &Numeric, is_readable: &dyn Fn(&str) -> bool| {
        let setting = settings.numeric(option)?;
        (!is_readable(&setting.value)).then(|| Unreadable {
            setting: setting.clone(),
            default: option.default,
        })
    };
    let floats = floats
        .into_iter()
        .filter_map(|option| of(option, &is_float));
    let integers = integers
        .into_iter()
        .filter_map(|option| of(option, &is_integer));
    floats.chain(integers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_a_unit_is_in_mebibytes() {
        assert_eq!(in_mebibytes(" 128 "), Ok(Bytes::from_mebibytes(128)));
        assert_eq!(in_mebibytes("128b"), Ok(Bytes(128)));
        assert_eq!(in_mebibytes("1 g"), Ok(Bytes::GIBI));
        assert!(in_mebibytes(" ").is_err());
        assert!(in_mebibytes("1.5").is_err());
    }

    #[test]
    fn floats_are_printed_like_java_prints_them() {
        for (value, text) in [
            (0.1, "0.1"),
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.9118, "0.9118"),
            (1e-4, "1.0E-4"),
            (1.5e7, "1.5E7"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "Infinity"),
        ] {
            assert_eq!(java_float(value), text);
        }
    }

    #[test]
    fn what_is_no_number_is_the_default_and_is_named() {
        let configuration = Configuration::new()
            .with(keys::MEMORY_FRACTION, "half", Origin::FlinkConfiguration)
            .with(keys::YARN_CUTOFF_MIN, "600.5", Origin::FlinkConfiguration)
            .with(options::NUMBER_OF_BUFFERS, "10", Origin::FlinkConfiguration);
        let settings = Settings(&configuration);
        assert_eq!(settings.float(&MEMORY_FRACTION), 0.7);
        assert_eq!(settings.integer(&CUTOFF_MIN), 600);
        assert_eq!(settings.integer(&NUMBER_OF_BUFFERS), 10);
        let named: Vec<String> = unreadable(&configuration)
            .into_iter()
            .map(|value| value.setting.key)
            .collect();
        assert_eq!(named, [keys::MEMORY_FRACTION, keys::YARN_CUTOFF_MIN]);
    }

    #[test]
    fn the_command_line_and_the_last_of_equals_win() {
        let configuration = Configuration::new()
            .with("a", "1", Origin::CommandLine)
            .with("a", "2", Origin::FlinkConfiguration)
            .with("b", "1", Origin::FlinkConfiguration)
            .with("b", "2", Origin::FlinkConfiguration);
        let settings = Settings(&configuration);
        assert_eq!(settings.value("a"), Some("1"));
        assert_eq!(settings.value("b"), Some("2"));
    }
}
