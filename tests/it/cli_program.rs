//! The command line beyond its text: rendering as the controller does, plugin name, colour, pipes, exit codes,
//! and that no input whatever brings it down.

use std::{
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use headroom::{
    api::v1alpha1::TaskManagerPool,
    cli::{
        Reply, Surroundings, answer, command,
        input::{Input, Wanted},
    },
    desired::{Resources, Settings, build, validate},
    manifest::Manifest,
};
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::cli_transcripts::directory;

const TERMINAL: Surroundings = Surroundings {
    terminal_width: Some(120),
    is_error_terminal: false,
    is_colour_unwelcome: false,
};

fn ask(arguments: &[&str], standard_input: &[u8], surroundings: Surroundings) -> Reply {
    let arguments = std::iter::once("headroom").chain(arguments.iter().copied());
    answer(
        arguments.map(OsString::from),
        &mut { standard_input },
        surroundings,
    )
}

fn pipe(arguments: &[&str], standard_input: &[u8]) -> Reply {
    ask(arguments, standard_input, Surroundings::default())
}

fn data(name: &str) -> Vec<u8> {
    fs::read(directory().join(name)).unwrap()
}

/// What `desired` and `Manifest` make of a pool that was read without the command line.
fn applied_by_the_controller(yaml: &[u8], namespace: Option<&str>) -> Vec<Value> {
    let mut pool: TaskManagerPool = serde_saphyr::from_slice(yaml).unwrap();
    if let Some(namespace) = namespace {
        pool.metadata.namespace = Some(namespace.to_owned());
    }
    let Resources {
        service_account,
        config_map,
        pod_disruption_budget,
        deployment,
        state: _,
    } = build(&validate(&pool, &Settings::default()).unwrap());
    vec![
        Manifest::new(&service_account).unwrap().object,
        Manifest::new(&config_map).unwrap().object,
        Manifest::new(&pod_disruption_budget).unwrap().object,
        Manifest::new(&deployment).unwrap().object,
    ]
}

#[test]
fn render_prints_what_the_controller_applies() {
    for (name, namespace) in [("clicks.yaml", None), ("stored.yaml", None)] {
        let yaml = data(name);
        let expected = applied_by_the_controller(&yaml, namespace);

        let reply = pipe(&["render", "-", "-o", "json"], &yaml);
        let list: Value = serde_json::from_str(&reply.output).unwrap();
        assert_eq!(
            list,
            json!({"apiVersion": "v1", "kind": "List", "items": expected}),
            "{name}"
        );

        // The YAML reads back as the same objects, long lines and block texts included.
        let reply = pipe(&["render", "-"], &yaml);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&reply.output).unwrap();
        assert_eq!(documents, expected, "{name}");
    }
}

#[test]
fn children_of_a_stored_pool_name_their_owner_and_others_none() {
    let owners = |name: &str| -> Vec<Value> {
        let reply = pipe(&["render", "-", "-o", "json"], &data(name));
        let list: Value = serde_json::from_str(&reply.output).unwrap();
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["metadata"]["ownerReferences"][0]["uid"].clone())
            .collect()
    };
    assert_eq!(
        owners("stored.yaml"),
        vec![json!("0b3f6a5e-6f0e-4c5b-9a64-3a8f2f2f7d10"); 4]
    );
    assert_eq!(owners("clicks.yaml"), vec![Value::Null; 4]);
}

#[test]
fn a_rendered_pool_needs_a_name() {
    let yaml = String::from_utf8(data("clicks.yaml"))
        .unwrap()
        .replace("name: clicks\n", "generateName: clicks-\n");
    let reply = pipe(&["render", "-"], yaml.as_bytes());
    assert_eq!((reply.exit, reply.output.as_str()), (2, ""));
    assert!(reply.error.contains("metadata.name"), "{}", reply.error);
    assert_eq!(pipe(&["check", "-"], yaml.as_bytes()).exit, 0);
}

/// Pools, options and verdicts are the same whichever command is asked, and in both forms of data.
#[test]
fn every_command_and_form_says_the_same() {
    let yaml = [
        data("clicks.yaml"),
        b"---\n".to_vec(),
        data("conflicting.yaml"),
    ]
    .concat();
    let results = |command: &str, form: &str| -> Value {
        let reply = pipe(&[command, "-", "-o", form], &yaml);
        assert_eq!(reply.exit, 1, "{}", reply.error);
        let report: Value = match form {
            "json" => serde_json::from_str(&reply.output).unwrap(),
            _ => serde_saphyr::from_str(&reply.output).unwrap(),
        };
        report["results"].clone()
    };
    let solved = results("solve", "json");
    assert_eq!(solved, results("solve", "yaml"));
    let mut explained = results("explain", "json");
    for result in explained.as_array_mut().unwrap() {
        let Some(budget) = result.get_mut("budget") else {
            continue;
        };
        let components = budget["components"].as_object_mut().unwrap();
        for component in components.values_mut() {
            let component = component.as_object_mut().unwrap();
            assert!(component.remove("reason").is_some());
            assert!(component.remove("derivation").is_some());
        }
    }
    assert_eq!(solved, explained);
    let mut verdicts = solved.clone();
    for result in verdicts.as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("budget");
    }
    assert_eq!(verdicts, results("check", "json"));
}

/// The sizes in JSON add up as Flink's do.
#[test]
fn the_parts_of_a_report_are_its_whole() {
    let reply = pipe(&["solve", "-", "-o", "json"], &data("clicks.yaml"));
    let report: Value = serde_json::from_str(&reply.output).unwrap();
    let budget = &report["results"][0]["budget"];
    let bytes = |name: &str| budget["components"][name]["bytes"].as_u64().unwrap();
    let flink = [
        "frameworkHeap",
        "taskHeap",
        "managed",
        "frameworkOffHeap",
        "taskOffHeap",
        "network",
    ]
    .map(bytes);
    assert_eq!(flink.iter().sum::<u64>(), bytes("totalFlink"));
    assert_eq!(
        bytes("totalFlink") + bytes("jvmMetaspace") + bytes("jvmOverhead"),
        bytes("totalProcess")
    );
    assert_eq!(
        bytes("totalProcess") + budget["unassignedBytes"].as_u64().unwrap(),
        8 << 30
    );
    assert_eq!(
        budget["jvmArguments"][0],
        json!(format!(
            "-Xmx{}",
            bytes("frameworkHeap") + bytes("taskHeap")
        ))
    );
}

#[test]
fn colour_is_for_terminals_that_welcome_it() {
    let coloured = |arguments: &[&str], surroundings| {
        let question = ["explain", "--process-size", "4g", "--flink-version", "2.1"];
        let arguments: Vec<&str> = question.iter().chain(arguments).copied().collect();
        ask(&arguments, b"", surroundings).output.contains('\u{1b}')
    };
    let unwelcome = Surroundings {
        is_error_terminal: false,
        is_colour_unwelcome: true,
        ..TERMINAL
    };
    assert!(coloured(&[], TERMINAL));
    assert!(!coloured(&[], unwelcome));
    assert!(!coloured(&[], Surroundings::default()));
    assert!(!coloured(&["--color", "never"], TERMINAL));
    assert!(coloured(&["--color", "always"], unwelcome));
    assert!(!ask(&["--help"], b"", unwelcome).output.contains('\u{1b}'));
}

/// No line is wider than what it is made for, unless a single word is.
#[test]
fn text_keeps_the_width() {
    let yaml = [
        data("clicks.yaml"),
        b"---\n".to_vec(),
        data("conflicting.yaml"),
    ]
    .concat();
    for width in [60, 80, 100, 120, 200] {
        for command in ["explain", "check"] {
            let reply = pipe(&[command, "-", "--width", &width.to_string()], &yaml);
            for line in reply.output.lines() {
                let words = line.split_whitespace().count();
                assert!(
                    line.chars().count() <= width || words <= 2,
                    "{width}: {line}"
                );
            }
        }
    }
}

/// Colour changes nothing but colour.
#[test]
fn painted_text_is_the_plain_text() {
    let yaml = [
        data("clicks.yaml"),
        b"---\n".to_vec(),
        data("conflicting.yaml"),
    ]
    .concat();
    for command in ["solve", "explain", "check"] {
        let painted = pipe(&[command, "-", "--color", "always"], &yaml).output;
        let mut plain = String::new();
        for (index, part) in painted.split('\u{1b}').enumerate() {
            plain.push_str(if index == 0 {
                part
            } else {
                part.split_once('m').unwrap().1
            });
        }
        assert_eq!(plain, pipe(&[command, "-"], &yaml).output, "{command}");
    }
}

#[test]
fn under_the_name_of_a_plugin_it_speaks_of_kubectl() {
    let help = |name: &str, arguments: &[&str]| {
        let arguments = std::iter::once(name).chain(arguments.iter().copied());
        answer(
            arguments.map(OsString::from),
            &mut std::io::empty(),
            Surroundings::default(),
        )
        .output
    };
    for name in [
        "/usr/local/bin/kubectl-headroom",
        "kubectl-headroom",
        "kubectl-headroom.exe",
    ] {
        assert!(
            help(name, &["--help"]).contains("\nUsage: kubectl headroom "),
            "{name}"
        );
        assert!(
            help(name, &["solve", "--help"]).contains("\nUsage: kubectl headroom solve "),
            "{name}"
        );
        assert!(
            help(name, &["check", "--help"]).contains("\nUsage: kubectl headroom check "),
            "{name}"
        );
    }
    assert!(help("headroom", &["check", "--help"]).contains("\nUsage: headroom check "));
    assert!(help("", &["--help"]).contains("\nUsage: headroom "));
}

#[cfg(unix)]
#[test]
fn a_link_makes_it_a_plugin() {
    let place = std::env::temp_dir().join(format!("headroom-plugin-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let link = place.join("kubectl-headroom");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_headroom"), &link).unwrap();
    let run = Command::new(&link).arg("--help").output().unwrap();
    fs::remove_dir_all(&place).unwrap();
    assert!(
        String::from_utf8(run.stdout)
            .unwrap()
            .contains("Usage: kubectl headroom ")
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_headroom"))
        .args(["check", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stdout.take());
    run.stdin
        .take()
        .unwrap()
        .write_all(&data("conflicting.yaml"))
        .unwrap();
    let status = run.wait().unwrap();
    let mut error = String::new();
    run.stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    assert_eq!((status.code(), error.as_str()), (Some(1), ""));
}

/// A result that cannot be written is an error, not a success.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_headroom"))
        .arg("crd")
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(
        String::from_utf8(run.stderr)
            .unwrap()
            .contains("could not be written")
    );
}

/// The definition of the command line itself: no name twice, no default that its own parser refuses.
#[test]
fn the_command_line_is_consistent() {
    command("headroom").debug_assert();
    command("kubectl-headroom").debug_assert();
    for subcommand in command("headroom").get_subcommands() {
        assert!(
            subcommand.get_about().is_some(),
            "{}",
            subcommand.get_name()
        );
        for argument in subcommand.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                subcommand.get_name(),
                argument.get_id()
            );
        }
    }
}

/// A file is not read further than its bound, and a list of files not shorter for one that is missing.
#[test]
fn one_bad_file_hides_no_other() {
    let clicks = directory().join("clicks.yaml").to_str().unwrap().to_owned();
    let files = [
        "nowhere.yaml".to_owned(),
        clicks,
        directory().join("../flink").to_str().unwrap().to_owned(),
    ];
    let input = Input::read(&files, &mut std::io::empty(), Wanted::Pools);
    assert_eq!((input.pools.len(), input.problems.len()), (1, 2));
}

/// The commands that read pools.
const READERS: [&[&str]; 6] = [
    &["solve", "-"],
    &["explain", "-", "--width", "60"],
    &["check", "-"],
    &["check", "-", "-o", "github"],
    &["check", "-", "-o", "yaml"],
    &["render", "-"],
];

fn ends_well(standard_input: &[u8]) {
    for arguments in READERS {
        let reply = pipe(arguments, standard_input);
        assert!(reply.exit <= 2, "{arguments:?} ended with {}", reply.exit);
        assert!(
            reply.exit != 2
                || !reply.error.is_empty()
                || reply.output.contains("problems")
                || arguments.contains(&"github")
        );
        for line in reply.error.lines() {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        ends_well(&bytes);
    }

    #[test]
    fn no_text_brings_it_down(text in r"([ -~\n\t:\-\[\]{}&*!|>'#,?%@`é\u{feff}]|---\n|: |- |\n  ){0,120}") {
        ends_well(text.as_bytes());
    }

    /// A good pool with one line replaced, removed or doubled, and one value replaced by anything.
    #[test]
    fn no_damaged_pool_brings_it_down(line in 0_usize..40, action in 0..4, value in "[ -~é\u{1b}]{0,24}") {
        let text = String::from_utf8([data("clicks.yaml"), data("conflicting.yaml")].concat()).unwrap();
        let text = text.replace("# The", "---\n# The");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match action {
            0 => { lines.remove(line); }
            1 => { let copy = lines[line].clone(); lines.insert(line, copy); }
            2 => lines[line] = value,
            _ => {
                let key = lines[line].split_once(": ").map(|(key, _)| key.to_owned());
                if let Some(key) = key { lines[line] = format!("{key}: {value}"); }
            }
        }
        ends_well(lines.join("\n").as_bytes());
    }

    #[test]
    fn no_option_brings_it_down(
        size in "[ -~é]{0,12}", key in "[ -~]{0,40}", value in "[ -~é]{0,12}", limit in "[ -~é]{0,8}", version in "[0-9v.]{0,6}"
    ) {
        let option = format!("{key}={value}");
        let arguments = ["explain", "--flink-version", &version, "--process-size", &size, "-D", &option, "--container-limit", &limit];
        prop_assert!(pipe(&arguments, b"").exit <= 2);
        let arguments = ["solve", "--flink-version", "2.1", "--process-size", &size, &format!("-D{option}")];
        prop_assert!(pipe(&arguments, b"").exit <= 2);
    }

    /// What the program prints as YAML, it reads as the same.
    #[test]
    fn printed_yaml_reads_back(text in "[ -~\n\té\u{85}\u{2028}]{0,200}") {
        let value = json!({ "text": text });
        let yaml = serde_saphyr::to_string(&value).unwrap();
        let read: Value = serde_saphyr::from_str(&yaml).unwrap();
        prop_assert_eq!(Value::deserialize(&read).unwrap(), value);
    }
}
