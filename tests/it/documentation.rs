//! What the documentation shows is what the commands print, and what it links to is there.
//!
//! A block marked `console` holds commands behind `$ ` and, below each, its output, standard error
//! included. Our own commands run here, in the repository's root; blocks of other programs are
//! not run here and may name only the programs below, so that none slips in unseen.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use headroom::budget::Profile;

/// Programs that run here.
const OUR_PROGRAMS: [&str; 2] = ["headroom", "headroom-controller"];

/// Programs whose output depends on a machine or a cluster.
const OTHER_PROGRAMS: [&str; 7] = ["cargo", "curl", "docker", "git", "helm", "kubectl", "make"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and its siblings, and everything in `docs`.
fn pages() -> Vec<PathBuf> {
    fn walk(directory: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, pages);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    walk(&root().join("docs"), &mut pages);
    pages.sort();
    pages
}

/// One command of a block, and the lines that stand below it.
struct Step {
    command: String,
    output: String,
}

/// The steps of a block; what stands before the first command would be nobody's output.
fn steps(block: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                output: String::new(),
            });
        } else {
            let step = steps
                .last_mut()
                .ok_or_else(|| format!("a block starts with {line:?} instead of a command"))?;
            step.output.push_str(line);
            step.output.push('\n');
        }
    }
    Ok(steps)
}

/// What the command prints, both streams in one, as a terminal shows it.
fn run(command: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_headroom"));
    let directory = binary.parent().expect("a binary lies in a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path)),
    )
    .unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(root())
        .env("PATH", path)
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The page with every block of ours as it should read, and how many commands were run.
fn refreshed(page: &str) -> Result<(String, usize), String> {
    const FENCE: &str = "```console\n";
    let mut text = String::new();
    let mut ran = 0;
    let mut rest = page;
    while let Some((before, block)) = rest.split_once(FENCE) {
        let (block, after) = block.split_once("```").ok_or("a block does not end")?;
        text.push_str(before);
        text.push_str(FENCE);
        for step in steps(block)? {
            let program = step.command.split_whitespace().next().unwrap_or_default();
            text.push_str(&format!("$ {}\n", step.command));
            if OUR_PROGRAMS.contains(&program) {
                text.push_str(&run(&step.command));
                ran += 1;
            } else if OTHER_PROGRAMS.contains(&program) {
                text.push_str(&step.output);
            } else {
                return Err(format!(
                    "{:?} is no command that this test knows",
                    step.command
                ));
            }
        }
        text.push_str("```");
        rest = after;
    }
    text.push_str(rest);
    Ok((text, ran))
}

/// `UPDATE=1` rewrites the blocks.
#[test]
fn console_blocks_show_what_the_commands_print() {
    let mut ran = 0;
    let mut old = Vec::new();
    // The manual of the command line is replayed where its pools lie, with the other sessions.
    for path in pages().iter().filter(|path| !path.ends_with("docs/cli.md")) {
        let page = fs::read_to_string(path).unwrap();
        let (text, count) =
            refreshed(&page).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        ran += count;
        if text != page {
            if std::env::var_os("UPDATE").is_some() {
                fs::write(path, &text).unwrap();
            } else {
                let shown = page.lines().zip(text.lines()).find(|(old, new)| old != new);
                old.push(format!("{}: first difference {shown:?}", path.display()));
            }
        }
    }
    assert!(old.is_empty(), "run make generate: {old:#?}");
    assert!(ran > 0, "no command was run");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let directory = path.parent().expect("a page lies in a directory");
        let markdown = page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        let html = page
            .split("src=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"'));
        for (target, _) in markdown.chain(html) {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            seen += 1;
            if !directory.join(file).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(seen > 0, "no link was seen");
}

#[test]
fn a_block_that_is_no_command_is_refused() {
    assert!(refreshed("```console\nno command\n```\n").is_err());
    assert!(refreshed("```console\n$ unheard-of --flag\n```\n").is_err());
    assert!(refreshed("```console\n$ make test\n").is_err());
    assert_eq!(
        refreshed("a\n```console\n$ make test\nx\n```\nb").unwrap(),
        (String::from("a\n```console\n$ make test\nx\n```\nb"), 0)
    );
}

/// The codes of conflicts with the first sentence of their documentation, in the order of the source.
pub fn codes() -> Vec<(String, String)> {
    let source = fs::read_to_string(root().join("src/budget/infeasible.rs")).unwrap();
    let (_, rest) = source.split_once("pub enum Code {\n").unwrap();
    let (variants, _) = rest.split_once("\n}").unwrap();
    let mut codes = Vec::new();
    let mut meaning = String::new();
    for line in variants.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            meaning.push_str(text);
        } else if let Some(code) = line.strip_suffix(',') {
            codes.push((code.to_owned(), meaning.trim().to_owned()));
            meaning.clear();
        }
    }
    codes
}

/// `UPDATE=1` rewrites the table.
#[test]
fn the_page_on_conflicts_lists_every_code() {
    let path = root().join("docs/conflicts.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- codes -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let mut table = String::from("| code | when |\n| --- | --- |\n");
    let codes = codes();
    assert!(codes.len() > 20, "{codes:?}");
    for (code, meaning) in codes {
        table.push_str(&format!(
            "| [`{code}`](conflicts/{code}.md) | {meaning} |\n"
        ));
    }
    let text = format!("{before}<!-- codes -->\n{table}<!-- end -->{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    } else {
        assert!(page == text, "docs/conflicts.md is old: run make generate");
    }
}

/// The picture shows the pool `clicks` of the demo; each size stands in it as MiB.
#[test]
fn the_picture_shows_what_the_solver_says() {
    let picture = fs::read_to_string(root().join("docs/images/overview.svg")).unwrap();
    let answer = run("headroom solve examples/demo/clicks.yaml --output json");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let components = &answer["results"][0]["budget"]["components"];
    let mebibytes = |names: &[&str]| -> String {
        let bytes: u64 = names
            .iter()
            .map(|name| components[name]["bytes"].as_u64().unwrap())
            .sum();
        // Tenths, rounded; whole numbers where the picture shows a default.
        let tenths = (bytes * 10 + (1 << 19)) >> 20;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    for shown in [
        format!(">{}<", mebibytes(&["taskHeap"])),
        format!(">{}<", mebibytes(&["network"])),
        format!(">{}<", mebibytes(&["managed"])),
        format!(">{}<", mebibytes(&["jvmOverhead"])),
        format!(">{} MiB<", mebibytes(&["frameworkHeap", "taskHeap"])),
        format!(
            ">{} MiB<",
            mebibytes(&["frameworkOffHeap", "taskOffHeap", "network"])
        ),
        format!(">{} MiB<", mebibytes(&["jvmMetaspace"])),
    ] {
        assert!(picture.contains(&shown), "the picture lacks {shown}");
    }
}

#[test]
fn the_page_on_security_lists_every_allowance() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    for allowance in headroom::desired::Allowance::ALL {
        let row = format!("\n| `{}` | ", allowance.as_str());
        assert!(page.contains(&row), "SECURITY.md lacks {allowance}");
    }
}

#[test]
fn the_index_of_decisions_is_complete() {
    let index = fs::read_to_string(root().join("docs/adr/README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs/adr")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || index.contains(&format!("]({name})")),
            "docs/adr/README.md does not link {name}"
        );
    }
}

/// `UPDATE=1` rewrites the table.
#[test]
fn the_page_on_profiles_lists_every_default() {
    let path = root().join("docs/profiles.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- profiles -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let mut table = String::from(
        "| profile | sets | to | because | source |\n| --- | --- | --- | --- | --- |\n",
    );
    for profile in Profile::ALL {
        for default in profile.defaults() {
            table.push_str(&format!(
                "| `{profile}` | `{}` | {} | {} | {} |\n",
                default.name(),
                default.value,
                default.reason,
                default.source
            ));
        }
    }
    let text = format!("{before}<!-- profiles -->\n{table}<!-- end -->{after}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    } else {
        assert!(page == text, "docs/profiles.md is old: run make generate");
    }
}

/// What `headroom pool bench` calls documented is in the documentation.
#[test]
#[cfg(target_os = "linux")]
fn figures_that_are_called_documented_are() {
    let page = fs::read_to_string(root().join("docs/segment-pools.md")).unwrap();
    let words = [
        "headroom", "pool", "bench", "--size", "1Mi", "--rounds", "1", "-o", "json",
    ];
    let reply = headroom::cli::answer(
        words.map(std::ffi::OsString::from),
        &mut std::io::empty(),
        headroom::cli::Surroundings::default(),
    );
    let report: serde_json::Value = serde_json::from_str(&reply.output).unwrap();
    for figure in report["figures"].as_array().unwrap() {
        let (what, unit) = (
            figure["what"].as_str().unwrap(),
            figure["unit"].as_str().unwrap(),
        );
        let row = format!(
            "| {what} | {:.1} {unit} |",
            figure["documented"].as_f64().unwrap()
        );
        assert!(page.contains(&row), "{row}");
    }
}
