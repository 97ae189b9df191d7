//! Files, directories and standard input as text, within bounds.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use super::{InputProblem, LARGEST_FILE_BYTES, STANDARD_INPUT};

/// The most entries that are looked at below one directory; it bounds the work for the root of a machine.
const MOST_ENTRIES: usize = 100_000;

/// The names of the files that are read for the names on the command line: a directory stands for every YAML and
/// JSON file in it and below it, in the order of their names. Links to directories are not followed.
pub(super) fn expanded(names: &[String], problems: &mut Vec<InputProblem>) -> Vec<String> {
    let mut files = Vec::new();
    for name in names {
        if name == STANDARD_INPUT || !Path::new(name).is_dir() {
            files.push(name.clone());
            continue;
        }
        let known = files.len() + problems.len();
        let mut seen = 0;
        add_directory(Path::new(name), &mut seen, &mut files, problems);
        if seen > MOST_ENTRIES {
            problems.push(InputProblem::of_file(
                name,
                format!("holds more than {MOST_ENTRIES} entries; name the directories in it that are meant"),
            ));
        }
        if files.len() + problems.len() == known {
            problems.push(InputProblem::of_file(
                name,
                "holds no file whose name ends in .yaml, .yml or .json".to_owned(),
            ));
        }
    }
    files
}

fn add_directory(
    directory: &Path,
    seen: &mut usize,
    files: &mut Vec<String>,
    problems: &mut Vec<InputProblem>,
) {
    let entries =
        fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let name = directory.to_string_lossy();
            problems.push(InputProblem::of_file(&name, reason(&error)));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        *seen += 1;
        if *seen > MOST_ENTRIES {
            return;
        }
        let path = entry.path();
        let is_document = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add_directory(&path, seen, files, problems);
        } else if is_document && path.is_file() {
            match path.to_str() {
                Some(name) => files.push(name.strip_prefix("./").unwrap_or(name).to_owned()),
                None => problems.push(InputProblem::of_file(
                    &path.to_string_lossy(),
                    "the name is not UTF-8; rename the file".to_owned(),
                )),
            }
        }
    }
}

/// The text of a file.
pub(super) fn text_of(name: &str) -> Result<String, String> {
    let mut opened = fs::File::open(name).map_err(|error| reason(&error))?;
    if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err("is a directory; name the files in it".to_owned());
    }
    read_text(&mut opened)
}

/// The text of a stream.
pub(super) fn read_text(reader: &mut dyn Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader
        .take(LARGEST_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| reason(&error))?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(format!(
            "larger than {} MiB; split it",
            LARGEST_FILE_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = bytes[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("not UTF-8 text: byte 0x{:02x} in line {line}", bytes[valid])
    })
}

/// The cause of a failed read, without the number that the operating system adds.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
