//! `headroom completions`: the completion script of a shell, generated from the command line itself.

use super::{EXIT_SOUND, Reply, arguments::Completions, command, is_plugin};

pub(super) fn answer(arguments: &Completions, name: &str) -> Reply {
    let mut script = Vec::new();
    // kubectl completes its plugins by other means; a shell completes the program's own name.
    let name = if is_plugin(name) { name } else { "headroom" };
    let mut command = command("headroom");
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    Reply {
        output: String::from_utf8_lossy(&script).into_owned(),
        exit: EXIT_SOUND,
        ..Reply::default()
    }
}
