//! The command line: everything the controller decides, computed offline from the same YAML.
//!
//! This layer reads files and prints; no size is computed here. A command is a function from its arguments
//! and standard input to a [`Reply`], so that every test can hold the whole of it, and only [`run`] writes.

mod answer;
mod arguments;
mod check;
mod comparison;
mod completions;
mod crd;
mod diff;
mod drawing;
mod explain;
pub mod input;
mod managed;
mod migrate;
mod network;
mod parallel;
mod parts;
mod pod;
mod pool;
mod process_budget;
mod question;
mod render;
mod report;
mod sarif;
mod screen;
mod solve;
mod text;
mod why;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
};

use clap::{CommandFactory as _, FromArgMatches as _, error::ErrorKind};

use self::arguments::{Arguments, ColorChoice, Subcommand};
pub use self::screen::{PLAIN_WIDTH, Screen};

/// Ended as asked: every pool is sound.
pub const EXIT_SOUND: u8 = 0;
/// At least one pool has conflicts.
pub const EXIT_CONFLICTS: u8 = 1;
/// Two configurations differ.
pub const EXIT_DIFFERENT: u8 = 1;
/// The command line or an input could not be read.
pub const EXIT_UNREADABLE: u8 = 2;

/// What a command has to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reply {
    /// Results, for standard output.
    pub output: String,
    /// Everything else, for standard error.
    pub error: String,
    /// The exit code.
    pub exit: u8,
}

/// What the command line knows about where it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// Columns of the terminal that standard output is; `None` where it is none.
    pub terminal_width: Option<usize>,
    /// Whether standard error is a terminal, so that somebody waits and sees it.
    pub is_error_terminal: bool,
    /// Whether colour is unwelcome, by `NO_COLOR` or a terminal that knows none.
    pub is_colour_unwelcome: bool,
}

/// The whole command line as `clap` knows it, for documentation and completion.
///
/// `name` is what the program was started as: `headroom`, or `kubectl-headroom`, whose help then says
/// `kubectl headroom`.
#[must_use]
pub fn command(name: &str) -> clap::Command {
    let (name, spoken) = if is_plugin(name) {
        ("kubectl-headroom", "kubectl headroom")
    } else {
        ("headroom", "headroom")
    };
    let mut command = Arguments::command()
        .name(name)
        .bin_name(spoken)
        .display_name(name);
    let usage = format!(
        "{spoken} diff [OPTIONS] FILE [FILE]\n       \
         {spoken} diff [OPTIONS] --flink-version VERSION [--process-size SIZE] [-A KEY=VALUE]..."
    );
    command = command.mut_subcommand("diff", |command| command.override_usage(usage));
    for subcommand in ["solve", "explain", "managed"] {
        // The two ways to ask, which the generated line would run together.
        let usage = format!(
            "{spoken} {subcommand} [OPTIONS] FILE...\n       \
             {spoken} {subcommand} [OPTIONS] --flink-version VERSION [--process-size SIZE] [-D KEY=VALUE]..."
        );
        command = command.mut_subcommand(subcommand, |command| command.override_usage(usage));
    }
    let usage = format!(
        "{spoken} network [OPTIONS] --pool FILE JOB\n       \
         {spoken} network [OPTIONS] --flink-version VERSION [--slots COUNT] [-D KEY=VALUE]... JOB"
    );
    command.mut_subcommand("network", |command| command.override_usage(usage))
}

fn is_plugin(name: &str) -> bool {
    // kubectl finds a plugin by its file name, where `-` separates words and `_` stands for a dash.
    name == "kubectl-headroom" || name == "kubectl_headroom"
}

/// Answers one invocation; `arguments` begins with the name of the program.
pub fn answer(
    arguments: impl IntoIterator<Item = OsString>,
    standard_input: &mut dyn Read,
    surroundings: Surroundings,
) -> Reply {
    let mut stage = Stage {
        output: &mut io::sink(),
        is_terminal: false,
        progress: &mut io::sink(),
    };
    answer_on(&mut stage, arguments, standard_input, surroundings)
}

/// Where a command that takes long shows itself before it has its reply.
struct Stage<'a> {
    /// What is watched.
    output: &'a mut dyn Write,
    /// Whether somebody watches it on a terminal.
    is_terminal: bool,
    /// How far it is.
    progress: &'a mut dyn Write,
}

fn answer_on(
    stage: &mut Stage<'_>,
    arguments: impl IntoIterator<Item = OsString>,
    standard_input: &mut dyn Read,
    surroundings: Surroundings,
) -> Reply {
    let mut arguments = arguments.into_iter().peekable();
    let name = arguments.peek().map(program_name).unwrap_or_default();
    let colour_by_default =
        surroundings.terminal_width.is_some() && !surroundings.is_colour_unwelcome;
    let parsed = command(&name)
        .term_width(
            surroundings
                .terminal_width
                .unwrap_or(PLAIN_WIDTH)
                .min(PLAIN_WIDTH),
        )
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .and_then(|arguments| match arguments.contradiction() {
            Some(reason) => Err(command(&name).error(ErrorKind::ArgumentConflict, reason)),
            None => Ok(arguments),
        });
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, colour_by_default),
    };
    let screen = Screen {
        width: arguments
            .width
            .unwrap_or_else(|| Screen::width_within(surroundings.terminal_width)),
        is_coloured: match arguments.color {
            ColorChoice::Auto => colour_by_default,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        },
    };
    match &arguments.subcommand {
        Subcommand::Solve(command) => {
            solve::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Explain(command) => {
            explain::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Diff(command) => {
            diff::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Check(command) => {
            check::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Render(command) => {
            render::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Migrate(command) => migrate::answer(command, &screen, standard_input),
        Subcommand::Managed(command) => {
            managed::answer(command, &screen, arguments.verbose, standard_input)
        }
        Subcommand::Network(command) => network::answer(command, &screen, standard_input),
        Subcommand::Pool(command) => pool::answer(&command.subcommand, &screen, stage),
        Subcommand::Crd(command) => crd::answer(command),
        Subcommand::Completions(command) => completions::answer(command, &name),
    }
}

/// Answers one invocation and writes the reply; returns the exit code.
///
/// A reader that goes away (`headroom … | head`) is no error: the exit code still says what was found.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    standard_input: &mut dyn Read,
    output: &mut dyn Write,
    error: &mut dyn Write,
    surroundings: Surroundings,
) -> u8 {
    let mut nowhere = io::sink();
    let mut stage = Stage {
        output: &mut *output,
        is_terminal: surroundings.terminal_width.is_some(),
        progress: if surroundings.is_error_terminal {
            &mut *error
        } else {
            &mut nowhere
        },
    };
    let reply = answer_on(&mut stage, arguments, standard_input, surroundings);
    // Nothing can be said about a standard error that takes nothing.
    let _ = error
        .write_all(reply.error.as_bytes())
        .and_then(|()| error.flush());
    match output
        .write_all(reply.output.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(error, "error: the result could not be written: {failure}");
            EXIT_UNREADABLE
        }
        _ => reply.exit,
    }
}

/// The file name of the program, without a directory and a suffix such as `.exe`.
fn program_name(argument: &OsString) -> String {
    std::path::Path::new(argument)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Help, version, or what is wrong with the command line.
fn usage(error: &clap::Error, is_coloured: bool) -> Reply {
    let rendered = error.render();
    let text = if is_coloured {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    };
    if error.use_stderr() {
        Reply {
            error: text,
            exit: EXIT_UNREADABLE,
            ..Reply::default()
        }
    } else {
        Reply {
            output: text,
            exit: EXIT_SOUND,
            ..Reply::default()
        }
    }
}
