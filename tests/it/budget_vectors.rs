//! The recorded answers of real Flink, each line of them.

#[path = "../../examples/vectors/check.rs"]
mod check;

use check::Outcome;

#[test]
fn every_recorded_answer_of_a_standalone_taskmanager_agrees() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/vectors-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let (mut passed, mut skipped) = (0, 0);
    for line in text.lines() {
        match check::line(line).unwrap() {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(reason) => {
                assert!(
                    !reason.contains("role taskmanager, mode standalone"),
                    "{reason}"
                );
                skipped += 1;
            }
            Outcome::Failed { id, differences } => panic!("{id}:\n{}", differences.join("\n")),
        }
    }
    assert_eq!((passed, skipped), (288, 313));
}

#[test]
fn every_recorded_answer_beside_a_process_agrees() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/aux-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut passed = 0;
    for line in text.lines() {
        match check::line(line).unwrap() {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(reason) => panic!("skipped: {reason}"),
            Outcome::Failed { id, differences } => panic!("{id}:\n{}", differences.join("\n")),
        }
    }
    assert_eq!(passed, 400);
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
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink/legacy19-public.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut passed = 0;
    for line in text.lines() {
        match check::line(line).unwrap() {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(reason) => panic!("skipped: {reason}"),
            Outcome::Failed { id, differences } => panic!("{id}:\n{}", differences.join("\n")),
        }
    }
    assert_eq!(passed, 160);
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
    let first = text.lines().next().unwrap();
    for (from, to) in [
        ("\"network\": 1073741823", "\"network\": 1073741824"),
        ("-Xmx22063087615", "-Xmx22063087616"),
        ("-D external-resources=none -D", "-D"),
        ("\"cpuCores\": 4.0", "\"cpuCores\": 4.5"),
    ] {
        let changed = first.replacen(from, to, 1);
        assert_ne!(changed, first);
        assert!(
            matches!(check::line(&changed).unwrap(), Outcome::Failed { .. }),
            "{from}"
        );
    }
}

#[test]
fn what_random_questions_once_found_stays_right() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/flink-diff/found.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut passed = 0;
    for line in text.lines() {
        match check::line(line).unwrap() {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(reason) => panic!("{reason}"),
            Outcome::Failed { id, differences } => panic!("{id}:\n{}", differences.join("\n")),
        }
    }
    assert!(passed >= 10, "{passed} lines");
}
