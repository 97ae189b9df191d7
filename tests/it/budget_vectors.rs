//! The recorded answers of real Flink, each line of them.

#[path = "../../examples/vectors/check.rs"]
mod check;

use check::Outcome;

/// How many lines of a file agree, which must be all.
fn agreeing(file: &str) -> usize {
    let path = format!("{}/tests/data/flink/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines() {
        if let Outcome::Failed { id, differences } = check::line(line).unwrap() {
            panic!("{id}:\n{}", differences.join("\n"));
        }
    }
    text.lines().count()
}

#[test]
fn every_recorded_answer_of_a_process_agrees() {
    assert_eq!(agreeing("vectors-public.jsonl"), 601);
}

#[test]
fn every_recorded_answer_beside_a_process_agrees() {
    assert_eq!(agreeing("aux-public.jsonl"), 400);
}

#[test]
fn a_changed_answer_beside_a_process_is_a_mismatch() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/aux-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    // Each number and each text of every answer, one after the other, with its last bit turned over or one letter more.
    let mut changed = 0;
    for line in text.lines() {
        let vector: serde_json::Value = serde_json::from_str(line).unwrap();
        let answer = if vector["error"].is_null() {
            "result"
        } else {
            "error"
        };
        for (name, value) in vector[answer].as_object().unwrap() {
            // Whose wording is the JVM's is not compared.
            let is_worded_by_the_jvm =
                vector["error"]["class"] == "java.lang.NumberFormatException";
            if name == "causes" || name == "message" && is_worded_by_the_jvm {
                continue;
            }
            let mut other = vector.clone();
            other[answer][name] = match value {
                serde_json::Value::Bool(value) => (!value).into(),
                serde_json::Value::Number(number) => (number.as_i64().unwrap() ^ 1).into(),
                value => format!("{}0", value.as_str().unwrap()).into(),
            };
            let outcome = check::line(&other.to_string()).unwrap();
            assert!(matches!(outcome, Outcome::Failed { .. }), "{other}");
            changed += 1;
        }
    }
    assert!(changed > 800, "{changed}");
}

#[test]
fn every_recorded_answer_of_flink_1_9_agrees() {
    assert_eq!(agreeing("legacy19-public.jsonl"), 160);
}

#[test]
fn a_changed_answer_of_flink_1_9_is_a_mismatch() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/legacy19-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    for (from, to) in [
        ("\"managedBytes\": 264241152", "\"managedBytes\": 264241153"),
        ("\"networkBuffers\": 2048", "\"networkBuffers\": 2049"),
        ("-Xmx922M", "-Xmx921M"),
        ("is larger than the total", "is above the total"),
        ("RESULT 16012", "RESULT 16013"),
    ] {
        let line = text.lines().find(|line| line.contains(from)).unwrap();
        assert!(
            matches!(
                check::line(&line.replacen(from, to, 1)).unwrap(),
                Outcome::Failed { .. }
            ),
            "{from}"
        );
    }
}

#[test]
fn a_changed_answer_is_a_mismatch() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/vectors-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let with = |needle: &str| {
        text.lines()
            .find(|line| line.contains(needle))
            .unwrap_or_else(|| panic!("no line has {needle}"))
    };
    for (of, from, to) in [
        (
            "\"id\": \"p0000\"",
            "\"network\": 1073741823",
            "\"network\": 1073741824",
        ),
        ("\"id\": \"p0000\"", "-Xmx22063087615", "-Xmx22063087616"),
        ("\"id\": \"p0000\"", "-D external-resources=none -D", "-D"),
        (
            "\"id\": \"p0000\"",
            "\"cpuCores\": 4.0",
            "\"cpuCores\": 4.5",
        ),
        (
            "\"cpu\": \"0.25\"",
            "\"cpu\": \"0.25\"",
            "\"cpu\": \"0.250\"",
        ),
        ("podMemoryMiB\": 46122", "46122", "46123"),
        ("podMemoryMiB\": 4977", "4977", "4978"),
        ("\"heapMB\": 424", "\"heapMB\": 424", "\"heapMB\": 425"),
        (
            "min value will be used",
            "min value will be used",
            "max value will be used",
        ),
        (
            "does not match the configured Total Flink Memory",
            "Please, make",
            "Please make",
        ),
    ] {
        let line = with(of);
        let changed = line.replacen(from, to, 1);
        assert_ne!(changed, line);
        assert!(
            matches!(check::line(&changed).unwrap(), Outcome::Failed { .. }),
            "{from}"
        );
    }
}

#[test]
fn what_random_questions_once_found_stays_right() {
    let lines = agreeing("../flink-diff/found.jsonl");
    assert!(lines >= 22, "{lines} lines");
}
