//! Flink's configuration file, with the values that are hardest to write.
//!
//! The files below `tests/data/golden/configuration/` were read by real Flink (`GlobalConfiguration` of 2.1.3 and of
//! 1.17.2), which gave back every value as it stands in this test, the list option's items one by one and the map
//! option's entries. Whoever changes a file has to ask Flink again.

use std::{fs, path::PathBuf};

use headroom::{
    api::v1alpha1::TaskManagerPool,
    desired::{Settings, validate},
};
use serde_json::{Value, json};

/// Holds the file that is rendered for the options against the one that Flink read.
#[track_caller]
fn compare(version: &str, options: Value) {
    let pool: TaskManagerPool = serde_json::from_value(json!({
        "apiVersion": "headroom.dev/v1alpha1",
        "kind": "TaskManagerPool",
        "metadata": {"name": "clicks"},
        "spec": {
            "flinkVersion": version,
            "image": "flink",
            "clusterRef": {"name": "jobmanager"},
            "taskManager": {"resources": {"limits": {"memory": "4Gi"}}},
            "flinkConfiguration": options
        }
    }))
    .unwrap();
    let file = validate(&pool, &Settings::default())
        .unwrap_or_else(|invalid| panic!("{invalid}"))
        .configuration_file;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/golden/configuration")
        .join(file.name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.text).unwrap();
    }
    assert_eq!(file.text, fs::read_to_string(&path).unwrap());
}

#[test]
fn config_yaml_holds_any_text() {
    compare(
        "2.1",
        json!({
            "probe.list": ["a", "b c", 3, "x:y", "it's", "1.5", "", "/p", "a;b", "a,b", true, 0.5],
            "probe.map": {"k": "v", "k2": 7},
            "s.quotes": "say \"hi\" \\ 'x'",
            "s.lines": "a\nb\tc\rd",
            "s.letters": "é 漢 🎈 \u{2028} \u{85} \u{7f} \u{feff} \u{fffe} \u{a0}",
            "s.hash": "# x",
            "s.spaces": "  y ",
            "s.null": "null",
            "s.tilde": "~",
            "s.hexadecimal": "0x10",
            "s.star": "*",
            "s.anchor": "&a",
            "s.tag": "!!str",
            "s.empty": "",
            "s.colon": "a: b",
            "s.signs": "%a @b `c",
            "f.large": 1e300,
            "f.small": 1e-7,
            "f.million": 12_345_678.9,
            "f.tenth": 0.1,
            "i.largest": i64::MAX,
            "b.false": false,
            "weird key # x": "v",
            "UPPER": "x",
            "true": "x",
            "123": "n"
        }),
    );
}

#[test]
fn flink_conf_yaml_holds_one_line_without_a_comment() {
    compare(
        "1.17",
        json!({
            "probe.list": ["a", "b c", 3, "x:y", "it's", "1.5", "/p", "a;b", "a,b", true, 0.5],
            "probe.map": "k:v,k2:7",
            "s.quotes": "say \"hi\" \\ 'x'",
            "s.letters": "é",
            "s.colon": "a: b",
            "s.null": "null",
            "f.large": 1e300,
            "b.false": false,
            "key with spaces": "v"
        }),
    );
}
