//! Every input that fuzzing kept, once more, with the checks of its target.

use std::fs;

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use crate::documentation::root;

/// What is checked in stays small: an input is there because it reaches something, not because it was made.
const MOST_INPUTS: usize = 80;
const MOST_BYTES: usize = 200 << 10;

#[test]
fn every_input_of_the_corpus_passes() {
    let (mut inputs, mut bytes) = (0, 0);
    for (name, run) in fuzz::TARGETS {
        let directory = root().join("fuzz/corpus").join(name);
        let mut of_target = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                panic!("{} fails", path.display());
            }
            of_target += 1;
            bytes += input.len();
        }
        assert!(of_target > 0, "{name} has no corpus");
        inputs += of_target;
    }
    assert!(inputs <= MOST_INPUTS, "{inputs} inputs");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}

#[test]
fn every_target_has_its_program_and_is_run_by_make() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let run: Vec<&str> = makefile
        .lines()
        .find_map(|line| line.strip_prefix("FUZZ_TARGETS ?= "))
        .unwrap()
        .split(' ')
        .collect();
    assert_eq!(run, fuzz::TARGETS.map(|(name, _)| name));
    for (name, _) in fuzz::TARGETS {
        assert!(manifest.contains(&format!(
            "name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\""
        )));
        let program =
            fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("headroom_fuzz::{name}::run(data)")));
    }
}
