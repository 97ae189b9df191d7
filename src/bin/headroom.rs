//! The command line `headroom`, also `kubectl headroom`: gathers where it runs and leaves the rest to the
//! library.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use headroom::cli::{Surroundings, run};

fn main() -> ExitCode {
    let is_terminal = io::stdout().is_terminal();
    let surroundings = Surroundings {
        terminal_width: is_terminal.then(|| {
            terminal_size::terminal_size_of(io::stdout())
                .map_or(80, |(width, _)| usize::from(width.0))
        }),
        is_error_terminal: io::stderr().is_terminal(),
        is_colour_unwelcome: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb"),
    };
    let exit = run(
        env::args_os(),
        &mut io::stdin().lock(),
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
        surroundings,
    );
    ExitCode::from(exit)
}
