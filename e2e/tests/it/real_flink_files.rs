//! Configuration files against real Flink: `GlobalConfiguration` of released versions reads the same options with the
//! same text, and refuses the same files.
//!
//! Skipped, in one line that says why, where there is no JDK or no Maven.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::flink::{self, Part};
use headroom::configuration::Format;

/// Files that are easily read wrong.
const FILES: &[&str] = &[
    "",
    "# nothing\n",
    "~",
    "a.b: 1\nc: x\n",
    "a.b: 1\na: {b: 2}\n",
    "a: {b: 2}\na.b: 1\n",
    "a: 1\na: 2\n",
    "\"a\": 1\na: 2\n",
    "a:\n",
    "a: \"\"\n",
    "x: {a: ~}\n",
    "123: x\n",
    "true: x\n",
    "~: x\n",
    "? [a]\n: b\n",
    "- a\n",
    "abc\n",
    "a: 1\n---\nb: 2\n",
    "---\na: 1\n...\n",
    "%YAML 1.1\n---\na: yes\n",
    "a: 0x6C000000\nb: 0o17\nc: 0123\nd: 2e9\ne: .inf\nf: .nan\ng: -.INF\nh: 1.\ni: .5\nj: +12\nk: -0\nl: 1_000\n",
    "a: 0b11\nb: 99999999999999999999\nc: 1e400\nd: yes\ne: True\nf: tRUE\ng: 1:30\nh: 2001-01-01\ni: 1e-50\nj: -0.0\n",
    "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n",
    "a: !!str 3\nb: !!int \"7\"\nc: !!float 3\n",
    "a: !foo x\n",
    "a: !!int x\n",
    "a: {}\nb: []\nc: [~]\n",
    "a: [b, \"c d\", 3, \"3\", true, \"true\", x:y, \"a,b\", \"\", \" x\", null, 1.5, 2e9, \"it's\", \"a#b\", \"a #b\"]\n",
    "a: [\"- x\", \"-x\", \"?x\", \"a\\nb\", \"\\u00e9\", {k: v, k2: 7}, [n, [m]], \"~\", \"0x10\", \"1_000\", \"a: b\"]\n",
    "a: [\"a:\", \":a\", \"\\t\", \"@x\", \"%x\", \"*\", \"&a\", \"!x\", \"|\", \"<<\", \"=\", \"yes\"]\n",
    "a: \"x\n",
    "a:\n  b: 1\n c: 2\n",
    "\ta: 1\n",
    "a: b: c\n",
    "a: |\n  x\n  y\nb: >-\n  x\n  y\nc: x\n  y\n",
    "\u{feff}a: 1\n",
    "a: @x\n",
    "a: `x\n",
    "a: %x\n",
    "a: x #y\nb: x#y\n",
    "a: [1, 2,]\n",
    "a: {b: c, d}\n",
    "a: 1\n\n  b: 2\n",
    "key with space: 1\n\"q k\": 2\n",
    "a: *x\n",
    "{\"a\": 1, \"b\": [1, \"2\"]}\n",
    "a: b # c\r\n  c :  d: e \rf: \"g\"\n#l: m\nn: o#p\n : q\nr:\ns:t\na: z\n",
    "taskmanager:\n  memory:\n    process.size: 4g\n",
];

/// What Flink of a version makes of each text: its options, or the class of what it throws.
fn asked(
    version: &str,
    format: Format,
) -> Result<Vec<std::result::Result<BTreeMap<String, String>, String>>> {
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/flink/src/FlinkConfiguration.java"
    );
    let mut child = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp"])
        .args([
            &flink::class_path(Part::Memory, version)?,
            source,
            format.file_name(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("failed to run java")?;
    let mut input = child.stdin.take().context("no standard input")?;
    for text in FILES {
        writeln!(input, "{}", STANDARD.encode(text))?;
    }
    drop(input);
    let output = child.wait_with_output()?;
    let decoded = |text: &str| -> Result<String> { Ok(String::from_utf8(STANDARD.decode(text)?)?) };
    let mut answers = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        if let Some(class) = line.strip_prefix('!') {
            answers.push(Err(class.to_owned()));
        } else if let Some(options) = line.strip_prefix('=') {
            let mut read = BTreeMap::new();
            for option in options.split_ascii_whitespace() {
                let (key, value) = option
                    .split_once(':')
                    .context("an option without a value")?;
                read.insert(decoded(key)?, decoded(value)?);
            }
            answers.push(Ok(read));
        }
    }
    ensure!(
        answers.len() == FILES.len(),
        "Flink {version} answered {} of {}",
        answers.len(),
        FILES.len()
    );
    Ok(answers)
}

#[test]
fn flink_reads_every_file_the_same() -> Result<()> {
    if let Some(missing) = flink::missing() {
        eprintln!("skipped: {missing}");
        return Ok(());
    }
    let mut different = Vec::new();
    for (version, format) in [
        ("1.17.2", Format::FlinkConfYaml),
        ("1.20.1", Format::FlinkConfYaml),
        ("1.19.1", Format::ConfigYaml),
        ("1.20.1", Format::ConfigYaml),
        ("2.1.0", Format::ConfigYaml),
        ("2.3.0", Format::ConfigYaml),
    ] {
        for (text, flink) in FILES.iter().zip(asked(version, format)?) {
            let reading = format.read(text);
            let own: BTreeMap<String, String> = reading
                .entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.clone()))
                .collect();
            let is_same = match &flink {
                Ok(options) => !reading.is_refused() && *options == own,
                Err(_) => reading.is_refused(),
            };
            if !is_same {
                different.push(format!(
                    "{version} {text:?}: Flink {flink:?}, Headroom {own:?} {:?}",
                    reading.findings
                ));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    Ok(())
}
