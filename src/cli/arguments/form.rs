//! The forms that answers are written in.

use clap::ValueEnum;

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
}

/// Form of the answer of `explain`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum ExplainOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// A picture, to scale
    Svg,
}

/// Form of the answer of `check`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum CheckOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Form of objects.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum RenderOutput {
    /// YAML, one document for each object
    #[default]
    Yaml,
    /// JSON
    Json,
}

/// Form of the answer of `migrate`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum MigrateOutput {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// The new configuration file
    Config,
}
