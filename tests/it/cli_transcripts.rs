//! The command line as people use it: recorded sessions, run again in a shell and compared word for word.
//!
//! A line `$ COMMAND` is run by `sh` with `headroom` in its `PATH`; what follows, up to the next such line, is
//! what it prints. A line that begins with `## ` is a remark. `UPDATE=1` rewrites the files. In Markdown only blocks marked `console` are sessions.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Runs the sessions in `text` again, in a directory, and returns the text as it should be.
pub fn replayed(text: &str, directory: &Path, is_markdown: bool) -> String {
    let mut result = String::new();
    let mut is_session = !is_markdown;
    let mut is_output = false;
    for line in text.lines() {
        if is_markdown && line.starts_with("```") {
            is_session = line == "```console";
            is_output = false;
        }
        if let Some(command) = line.strip_prefix("$ ").filter(|_| is_session) {
            result.push_str(line);
            result.push('\n');
            result.push_str(&output(command, directory));
            is_output = true;
        } else if !is_markdown && line.starts_with("## ") {
            // A remark between two commands.
            if is_output {
                result.push('\n');
            }
            result.push_str(line);
            result.push('\n');
            is_output = false;
        } else if !is_output {
            result.push_str(line);
            result.push('\n');
        }
    }
    result
}

fn output(command: &str, directory: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_headroom"));
    let mut path = vec![program.parent().unwrap().to_path_buf()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let run = Command::new("sh")
        .arg("-c")
        .arg(format!("{{ {command}\n}} 2>&1"))
        .current_dir(directory)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    String::from_utf8(run.stdout).unwrap()
}

/// The directory in which sessions run: it holds the pools they name.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cli")
}

/// Holds a file against itself replayed; `UPDATE=1` rewrites it.
pub fn check(file: &Path, directory: &Path) {
    let recorded = std::fs::read_to_string(file).unwrap();
    let is_markdown = file.extension().is_some_and(|extension| extension == "md");
    let replayed = replayed(&recorded, directory, is_markdown);
    assert!(
        recorded.contains("\n$ headroom"),
        "{} records nothing",
        file.display()
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &replayed).unwrap();
    }
    similar(&recorded, &replayed, file);
}

fn similar(recorded: &str, replayed: &str, file: &Path) {
    if recorded == replayed || std::env::var_os("UPDATE").is_some() {
        return;
    }
    let first = recorded
        .lines()
        .zip(replayed.lines())
        .position(|(left, right)| left != right)
        .unwrap_or_else(|| recorded.lines().count().min(replayed.lines().count()));
    panic!(
        "{}:{}: recorded {:?}, now {:?}; UPDATE=1 rewrites the file",
        file.display(),
        first + 1,
        recorded.lines().nth(first),
        replayed.lines().nth(first)
    );
}

macro_rules! transcripts {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            check(&directory().join(concat!(stringify!($name), ".txt")), &directory());
        })+

        /// No recorded session is forgotten.
        #[test]
        fn every_transcript_is_replayed() {
            let mut known = vec![$(concat!(stringify!($name), ".txt")),+];
            known.sort_unstable();
            let mut found: Vec<String> = std::fs::read_dir(directory())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name.ends_with(".txt"))
                .collect();
            found.sort_unstable();
            assert_eq!(found, known);
        }
    };
}

transcripts!(
    managed,
    network,
    solve_options,
    explain_options,
    why,
    diff,
    jobmanager,
    kubernetes,
    migrate,
    pools,
    render,
    unreadable,
    usage
);

#[test]
fn the_manual_says_what_the_program_does() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    check(&file, &directory());
}
