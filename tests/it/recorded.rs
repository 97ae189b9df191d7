//! Questions and what is answered, in a file: a line that begins with `? ` is a question, and what follows up to an empty
//! line is the answer. `UPDATE=1` rewrites the answers; what changed is to be read.

use std::{fs, path::Path};

/// Asks every question of a file in `tests/data/golden`, of which there are more than `at_least`.
pub fn compare(file: &str, at_least: usize, answer: impl Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/golden")
        .join(file);
    let recorded = fs::read_to_string(&file).unwrap();
    let questions = recorded.lines().filter_map(|line| line.strip_prefix("? "));
    let answers: Vec<String> = questions
        .map(|question| format!("? {question}\n{}", answer(question)))
        .collect();
    assert!(answers.len() > at_least, "the questions are there");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, answers.join("\n")).unwrap();
        return;
    }
    for (answer, recorded) in answers.iter().zip(recorded.split("\n\n")) {
        assert_eq!(
            answer.trim_end(),
            recorded.trim_end(),
            "UPDATE=1 rewrites the file"
        );
    }
    assert_eq!(answers.join("\n"), recorded, "UPDATE=1 rewrites the file");
}
