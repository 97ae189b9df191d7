//! The picture of a budget: well-formed whatever it is asked to show, every text in its place, the same on every page.

use std::{ffi::OsString, fs, path::Path};

use headroom::{
    bytes::Bytes,
    cli::{Reply, Surroundings, answer},
    picture::{
        Block, Cap, Notice, Picture, Style, Tone, WIDTH,
        palette::{DARK, LIGHT},
        svg,
    },
};
use proptest::prelude::*;
use roxmltree::{Document, Node};

fn ask(arguments: &[&str]) -> Reply {
    let arguments = std::iter::once("headroom").chain(arguments.iter().copied());
    answer(
        arguments.map(OsString::from),
        &mut std::io::empty(),
        Surroundings::default(),
    )
}

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    path.to_str().unwrap().to_owned()
}

/// Where a text or a filled shape is, in the picture's pixels.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn overlaps(&self, other: &Area) -> bool {
        // Half a pixel is what rounding to two decimals and the edges of letters make.
        self.left + 0.5 < other.right
            && other.left + 0.5 < self.right
            && self.top + 0.5 < other.bottom
            && other.top + 0.5 < self.bottom
    }
}

fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// How far down the group of a node is moved.
fn offset(node: &Node<'_, '_>) -> f64 {
    let group = node.ancestors().find(|node| node.has_tag_name("g"));
    let transform = group.unwrap().attribute("transform").unwrap();
    let numbers = transform
        .trim_start_matches("translate(0 ")
        .trim_end_matches(')');
    numbers.parse().unwrap()
}

fn area(node: &Node<'_, '_>) -> Area {
    let class = node.attribute("class").unwrap();
    let style = Style::ALL
        .into_iter()
        .find(|style| class.split(' ').next() == Some(style.class()))
        .unwrap_or_else(|| panic!("{class} is no style"));
    let text = node.text().unwrap_or_default();
    let (x, y) = (number(node, "x"), number(node, "y") + offset(node));
    let width = style.width(text);
    let before = match node.attribute("text-anchor") {
        None => 0.0,
        Some("middle") => width / 2.0,
        Some("end") => width,
        Some(other) => panic!("{other}"),
    };
    // Letters reach this far above and below their base line.
    let (above, below) = (style.pixels() * 0.78, style.pixels() * 0.22);
    if node.attribute("transform").is_some() {
        Area {
            left: x - above,
            right: x + below,
            top: y - (width - before),
            bottom: y + before,
        }
    } else {
        Area {
            left: x - before,
            right: x - before + width,
            top: y - above,
            bottom: y + below,
        }
    }
}

/// Everything that must hold for a picture; returns how many texts it has.
fn check(text: &str) -> usize {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let described = root.attribute("aria-labelledby").unwrap();
    for id in described.split(' ') {
        let found = root
            .children()
            .find(|child| child.attribute("id") == Some(id));
        let said = found.and_then(|node| node.text()).unwrap_or_default();
        assert!(!said.trim().is_empty(), "{id} says nothing");
    }
    let (width, height) = (number(&root, "width"), number(&root, "height"));
    assert!((width - WIDTH).abs() < 0.01);
    let mut areas: Vec<(Area, String)> = Vec::new();
    for node in root.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{text}");
            assert!(attribute.name() != "href", "{text}");
            assert!(!attribute.value().contains("NaN") && !attribute.value().contains("inf"));
        }
        match node.tag_name().name() {
            "script" | "image" | "foreignObject" | "use" | "a" => panic!("{text}"),
            "text" => areas.push((area(&node), node.text().unwrap_or_default().to_owned())),
            "rect" if node.ancestors().any(|node| node.has_tag_name("g")) => {
                assert!(number(&node, "width") > 0.0 && number(&node, "height") > 0.0);
                let bottom = number(&node, "y") + number(&node, "height") + offset(&node);
                assert!(
                    bottom <= height + 0.5,
                    "a block leaves the picture: {bottom}"
                );
            }
            _ => {}
        }
    }
    for (index, (area, said)) in areas.iter().enumerate() {
        assert!(
            area.left >= 0.0 && area.right <= width && area.top >= 0.0 && area.bottom <= height,
            "{said:?} leaves the picture: {area:?}"
        );
        for (other, also) in &areas[index + 1..] {
            assert!(
                !area.overlaps(other),
                "{said:?} {area:?} overlaps {also:?} {other:?}"
            );
        }
    }
    areas.len()
}

/// Every pool and every set of options that the documentation shows.
#[test]
fn the_pictures_of_all_examples_can_be_read() {
    let mut files: Vec<String> = Vec::new();
    for directory in ["examples/pools", "examples/demo", "tests/data/cli"] {
        for entry in fs::read_dir(repository(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                files.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    let mut seen = 0;
    for file in &files {
        let reply = ask(&["explain", file, "-o", "svg"]);
        if !reply.output.is_empty() {
            assert!(check(&reply.output) > 10, "{file}");
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen} pictures");
    let together: Vec<&str> = ["explain", "-o", "svg"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    assert!(check(&ask(&together).output) > 100);
}

#[test]
fn the_pictures_of_jobmanagers_can_be_read() {
    let shared = [
        "explain",
        "--role",
        "jobmanager",
        "-o",
        "svg",
        "--flink-version",
    ];
    for (more, parts) in [
        (
            vec!["2.1", "--process-size", "2g"],
            vec!["JVM heap", "off-heap", "JVM metaspace", "JVM overhead"],
        ),
        (
            vec!["2.1", "--container-limit", "2Gi"],
            vec!["container", "total process memory", "JVM heap"],
        ),
        (
            vec![
                "1.10",
                "--mode",
                "kubernetes",
                "-D",
                "jobmanager.heap.size=4g",
            ],
            vec!["container", "JVM heap", "heap cut-off"],
        ),
        (
            vec!["1.10", "-D", "jobmanager.heap.size=4g"],
            vec!["JVM heap"],
        ),
        (
            vec![
                "2.1",
                "--process-size",
                "1g",
                "-D",
                "jobmanager.memory.heap.size=2g",
            ],
            vec!["JVM heap", "see TotalsDisagree"],
        ),
    ] {
        let arguments: Vec<&str> = shared.iter().copied().chain(more).collect();
        let reply = ask(&arguments);
        check(&reply.output);
        assert!(
            reply.output.contains("A JobManager&apos;s memory")
                || reply.output.contains("A JobManager's memory")
        );
        for part in parts {
            assert!(reply.output.contains(part), "{part}: {}", reply.output);
        }
        let (told, _) = reply.output.split_once("</desc>").unwrap();
        for part in ["managed", "network", "framework"] {
            assert!(!told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn a_picture_has_no_colour_of_its_own_and_asks_for_no_file() {
    let text = ask(&[
        "explain",
        &repository("examples/demo/orders-wrong.yaml"),
        "-o",
        "svg",
    ])
    .output;
    let known = format!("{LIGHT:?}{DARK:?}");
    let mut colours = 0;
    for (at, _) in text.match_indices('#') {
        let colour = &text[at..at + 7];
        // The only other mark of this kind is the stripes' own name.
        if !colour.starts_with("#stripe") {
            assert!(known.contains(colour), "{colour}");
            colours += 1;
        }
    }
    assert!(colours > 20);
    assert_eq!(text.matches("http").count(), 1, "only the name space");
    assert!(text.contains("prefers-color-scheme: dark"));
}

#[test]
fn what_does_not_fit_is_shown_with_its_amount() {
    let text = ask(&[
        "explain",
        "--process-size=4g",
        "--flink-version=2.1",
        "-Dtaskmanager.memory.managed.size=5g",
        "-osvg",
    ]);
    assert_eq!(text.exit, 1);
    // 128 MiB + 128 MiB + 5 GiB + 359703515 of network memory, less 3597035104.
    let excess = (256_u64 << 20) + (5 << 30) + 359_703_515 - 3_597_035_104;
    let overflow = format!(
        "overflow: {} more than the total Flink memory",
        Bytes(excess)
    );
    let document = Document::parse(&text.output).unwrap();
    let said: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    assert!(said.join(" ").contains(&overflow), "{said:?}");
    assert!(said.contains(&"error: ComponentsExceedTotal"), "{said:?}");
    let description = document
        .descendants()
        .find(|node| node.has_tag_name("desc"))
        .and_then(|node| node.text())
        .unwrap();
    assert!(description.contains(&overflow), "{description}");
}

/// The pictures on the pages are what the command draws; `UPDATE=1` rewrites them.
#[test]
fn the_pictures_on_the_pages_are_what_the_command_draws() {
    for (pool, image, page) in [
        (
            "examples/demo/clicks.yaml",
            "images/clicks.svg",
            "README.md",
        ),
        (
            "tests/data/cli/conflicting.yaml",
            "images/conflicts.svg",
            "docs/cli.md",
        ),
    ] {
        let path = repository(&format!("docs/{image}"));
        let reply = ask(&["explain", &repository(pool), "-o", "svg"]);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &reply.output).unwrap();
        }
        let drawn = fs::read_to_string(&path).unwrap_or_default();
        assert!(drawn == reply.output, "{path} is old: run make generate");
        let page = fs::read_to_string(repository(page)).unwrap();
        let (before, _) = page.split_once(&format!("{image})")).unwrap();
        let (alternative, _) = before.rsplit_once("](").unwrap();
        let (_, alternative) = alternative.rsplit_once("![").unwrap();
        assert!(alternative.len() > 40, "{alternative:?}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 .,;:()<>&\"'…×−/-]{0,80}",
        ".{0,40}",
        "[\\u{0}-\\u{20}\\u{80}-\\u{9f}\\u{fffe}\\u{ffff}<&]{0,12}",
        "[a-z.]{60,150}",
    ]
}

fn any_size() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Bytes::ZERO)),
        3 => (0_u64..1 << 30).prop_map(|bytes| Some(Bytes(bytes))),
        1 => (0_u64..1 << 12).prop_map(|bytes| Some(Bytes(bytes))),
        1 => (0..=Bytes::MAX.get()).prop_map(|bytes| Some(Bytes(bytes))),
    ]
}

fn any_block() -> impl Strategy<Value = Block> {
    let tone = prop::sample::select(Tone::ALL.to_vec());
    let cap = prop::option::of(prop_oneof![Just(Cap::Raised), Just(Cap::Lowered)]);
    let leaf = (
        any_text(),
        any_size(),
        tone,
        any_text(),
        cap,
        prop::option::of(any_text()),
    )
        .prop_map(|(title, bytes, tone, note, cap, conflict)| Block {
            title,
            bytes,
            tone,
            note,
            cap,
            conflict,
            parts: Vec::new(),
        });
    leaf.prop_recursive(8, 40, 5, |inner| {
        (
            any_text(),
            any_size(),
            any_text(),
            prop::collection::vec(inner, 1..5),
        )
            .prop_map(|(title, bytes, note, parts)| Block {
                title,
                bytes,
                tone: Tone::Sum,
                note,
                cap: None,
                conflict: None,
                parts,
            })
    })
}

fn any_picture() -> impl Strategy<Value = Picture> {
    let notice = (
        any::<bool>(),
        any_text(),
        any_text(),
        prop::collection::vec(any_text(), 0..3),
    )
        .prop_map(|(is_error, code, sentence, fixes)| Notice {
            is_error,
            code,
            sentence,
            fixes,
        });
    (
        any_text(),
        any_text(),
        prop::option::weighted(0.9, any_block()),
        prop::collection::vec(notice, 0..3),
        prop::collection::vec(any_text(), 0..3),
    )
        .prop_map(|(heading, subheading, root, notices, remarks)| Picture {
            heading: format!("x{heading}"),
            subheading,
            root,
            notices,
            remarks,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is to be shown: deep trees, nothing, everything, texts of any length and kind.
    #[test]
    fn any_picture_is_well_formed_and_no_texts_overlap(
        pictures in prop::collection::vec(any_picture(), 1..3),
    ) {
        check(&svg(&pictures));
    }

    /// Real budgets and real conflicts, with sizes that may not fit.
    #[test]
    fn the_picture_of_any_budget_can_be_read(
        process in 200_u64..200_000,
        limit in prop::option::of(200_u64..200_000),
        sizes in prop::collection::vec((0_usize..8, 0_u64..20_000), 0..5),
        fraction in prop::option::of(0_u32..120),
        version in prop::sample::select(headroom::budget::FlinkVersion::ALL.to_vec()),
    ) {
        const KEYS: [&str; 8] = [
            "framework.heap.size", "framework.off-heap.size", "task.heap.size", "task.off-heap.size",
            "managed.size", "network.min", "network.max", "jvm-metaspace.size",
        ];
        let mut arguments = vec![
            "explain".to_owned(), "-osvg".to_owned(), format!("--flink-version={version}"),
            format!("--process-size={process}m"),
        ];
        arguments.extend(limit.map(|limit| format!("--container-limit={limit}Mi")));
        arguments.extend(sizes.iter().map(|(key, size)| {
            format!("-Dtaskmanager.memory.{}={size}m", KEYS[*key])
        }));
        arguments.extend(fraction.map(|fraction| {
            format!("-Dtaskmanager.memory.managed.fraction={}.{:02}", fraction / 100, fraction % 100)
        }));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let reply = ask(&arguments);
        prop_assert!(reply.exit < 2, "{}", reply.error);
        prop_assert!(check(&reply.output) > 5);
    }
}
