//! One option of a configuration by its type, with the error that Flink raises for a value of another type.
//!
//! Mirrors `Configuration.get` and `ConfigurationUtils.convertValue`. It serves the options that share memory out;
//! those that sizes are derived from are read by the derivation, which goes on behind an error.

use super::{
    decimal,
    infeasible::FlinkError,
    java_integer::parse_java_integer,
    memory_size::{self, java_trim},
    request::{Configuration, Setting},
};
use crate::bytes::Bytes;

/// The options of a request, read one by one.
#[derive(Clone, Copy)]
pub(super) struct TypedOptions<'a>(pub &'a Configuration);

impl TypedOptions<'_> {
    /// A size.
    pub fn size(self, key: &str) -> Result<Option<Bytes>, FlinkError> {
        self.value(key, |text| {
            memory_size::parse(text).map_err(|error| {
                let message = error.flink_message();
                if error.is_number_format() {
                    FlinkError::number_format(message)
                } else {
                    FlinkError::argument(message)
                }
            })
        })
    }

    /// A 32-bit integer.
    pub fn integer(self, key: &str) -> Result<Option<i32>, FlinkError> {
        self.value(key, parse_integer)
    }

    /// A 64-bit float.
    pub fn double(self, key: &str) -> Result<Option<f64>, FlinkError> {
        self.value(key, |text| {
            decimal::parse_java_double(text)
                .map_err(|error| FlinkError::number_format(error.java_message(text)))
        })
    }

    /// `true` or `false`, in any case.
    pub fn boolean(self, key: &str) -> Result<Option<bool>, FlinkError> {
        self.value(key, |text| match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(FlinkError::argument(format!(
                "Unrecognized option for boolean: {text}. Expected either true or false(case insensitive)"
            ))),
        })
    }

    /// Text, without the whitespace around it.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.setting(key).map(|setting| java_trim(&setting.value))
    }

    /// The settings below a key, as a map: what follows the key and a dot, and the value that counts.
    pub fn below(self, key: &str) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for setting in self.0.iter() {
            let name = setting
                .key
                .strip_prefix(key)
                .and_then(|rest| rest.strip_prefix('.'));
            if let Some(name) = name
                && !pairs.iter().any(|(known, _)| known == name)
                && let Some(counting) = self.0.setting(&setting.key)
            {
                pairs.push((name.to_owned(), counting.value.clone()));
            }
        }
        pairs
    }

    /// A value of any type; what the reader refuses becomes the cause of Flink's error about the option.
    pub fn value<T>(
        self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, FlinkError>,
    ) -> Result<Option<T>, FlinkError> {
        let Some(Setting { value, .. }) = self.0.setting(key) else {
            return Ok(None);
        };
        read(value).map(Some).map_err(|error| {
            FlinkError::argument(format!("Could not parse value '{value}' for key '{key}'."))
                .caused_by(error)
        })
    }
}

/// Java's `Integer.parseInt`: an optional sign and decimal digits, nothing around them.
pub(super) fn parse_integer(text: &str) -> Result<i32, FlinkError> {
    parse_java_integer(text)
        .ok_or_else(|| FlinkError::number_format(format!("For input string: \"{text}\"")))
}

#[cfg(test)]
mod tests {
    use super::{
        super::request::{Configuration, Origin},
        TypedOptions,
    };

    #[test]
    fn a_value_of_another_type_is_refused_as_flink_does() {
        let configuration = Configuration::new()
            .with("size", "4Gi", Origin::FlinkConfiguration)
            .with("number", "1.5", Origin::FlinkConfiguration)
            .with("flag", "yes", Origin::FlinkConfiguration)
            .with("ratio", "half", Origin::FlinkConfiguration);
        let options = TypedOptions(&configuration);
        for (error, class, cause) in [
            (
                options.size("size").unwrap_err(),
                "java.lang.IllegalArgumentException",
                "Memory size unit 'gi' does not match any of the recognized units: (b | bytes) / (k | kb | kibibytes) / \
                 (m | mb | mebibytes) / (g | gb | gibibytes) / (t | tb | tebibytes)",
            ),
            (
                options.integer("number").unwrap_err(),
                "java.lang.NumberFormatException",
                "For input string: \"1.5\"",
            ),
            (
                options.boolean("flag").unwrap_err(),
                "java.lang.IllegalArgumentException",
                "Unrecognized option for boolean: yes. Expected either true or false(case insensitive)",
            ),
            (
                options.double("ratio").unwrap_err(),
                "java.lang.NumberFormatException",
                "For input string: \"half\"",
            ),
        ] {
            assert!(error.message.starts_with("Could not parse value '"));
            assert_eq!(
                (error.causes[0].class, error.causes[0].message.as_str()),
                (class, cause)
            );
        }
        assert_eq!(options.integer("absent"), Ok(None));
    }

    #[test]
    fn the_command_line_wins_and_then_the_last_one() {
        let configuration = Configuration::new()
            .with("a", "1", Origin::CommandLine)
            .with("a", "2", Origin::CommandLine)
            .with("a", "3", Origin::FlinkConfiguration)
            .with("b", "1", Origin::FlinkConfiguration)
            .with("b", "2", Origin::FlinkConfiguration);
        let options = TypedOptions(&configuration);
        assert_eq!(options.integer("a"), Ok(Some(2)));
        assert_eq!(options.integer("b"), Ok(Some(2)));
    }
}
