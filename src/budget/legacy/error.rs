//! The exceptions of Flink 1.9, word for word.
//!
//! Mirrors `ConfigurationParserUtils.checkConfigParameter` and the exceptions around it.

use std::fmt::Display;

use super::super::{
    infeasible::{FlinkCause, FlinkError},
    memory_size::SizeError,
};

const CONFIGURATION: &str = "org.apache.flink.configuration.IllegalConfigurationException";
const ARGUMENT: &str = "java.lang.IllegalArgumentException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";

/// A value that an option must not have.
pub(super) fn invalid(key: impl Display, value: impl Display, reason: impl Display) -> FlinkError {
    FlinkError {
        class: CONFIGURATION,
        message: format!("Invalid configuration value for {key} : {value} - {reason}"),
        causes: Vec::new(),
    }
}

/// An argument that a method refuses; an empty message is Java's `null`.
pub(super) fn argument(message: impl Into<String>) -> FlinkError {
    FlinkError {
        class: ARGUMENT,
        message: message.into(),
        causes: Vec::new(),
    }
}

/// A size that can't be read, as `MemorySize.parse` throws it.
pub(super) fn size(error: &SizeError) -> FlinkError {
    FlinkError {
        class: class_of(error),
        message: error.flink_message(),
        causes: Vec::new(),
    }
}

/// A size that can't be read, where Flink names the option.
pub(super) fn could_not_read(key: &str, error: &SizeError) -> FlinkError {
    FlinkError {
        class: CONFIGURATION,
        message: format!("Could not read {key}"),
        causes: vec![FlinkCause {
            class: class_of(error),
            message: error.flink_message(),
        }],
    }
}

fn class_of(error: &SizeError) -> &'static str {
    if error.is_number_format() {
        NUMBER_FORMAT
    } else {
        ARGUMENT
    }
}
