//! Sets up the log: `tracing` to standard error, for people or as JSON lines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text per record, for people.
    #[default]
    Human,
    /// One JSON object per line, for collectors.
    Json,
}

/// A log level or filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "log level {text:?} cannot be read; write error, warn, info, debug, trace or a filter such as info,kube=debug"
)]
pub struct InvalidFilter {
    /// The text.
    pub text: String,

    /// Why.
    pub source: tracing_subscriber::filter::ParseError,
}

/// Starts the log for this process.
///
/// # Errors
/// If `level` is neither a level nor a filter of `tracing`.
pub fn start(format: LogFormat, level: &str) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| InvalidFilter {
            text: level.to_owned(),
            source,
        })?;
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second start within one process, as in tests, leaves the first one in place.
    let _ = match format {
        LogFormat::Human => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
