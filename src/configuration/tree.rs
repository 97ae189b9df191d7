//! A YAML document as a tree in which every node knows its place, its style and its tag.
//!
//! Text and style stay as they were written: what a value is, the reader of the file decides, by the rules of the
//! program it mirrors.

use std::{collections::HashMap, rc::Rc};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};

use super::{Place, flink_conf};

/// The deepest nesting that is read: far more than any option has parts.
const DEEPEST_NESTING: usize = 64;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    /// Where the value begins; for an alias, where its anchor's value begins.
    pub place: Place,
    /// Its tag, where one is written: the core schema's short name, or the whole tag.
    pub tag: Option<NodeTag>,
    /// What it is.
    pub shape: Shape,
}

/// The tag of a node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeTag {
    /// `!`: the value is text, a list or a map, as it is written.
    NonSpecific,
    /// A tag of the core schema, such as `str`.
    Core(String),
    /// Any other tag, in full.
    Other(String),
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Shape {
    /// Text, plain or quoted.
    Scalar {
        /// The text.
        text: String,
        /// Whether it is written without quotes, so that it may be a number, a boolean or nothing.
        is_plain: bool,
    },
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping, in the order in which it was written.
    Map(Vec<(Rc<Node>, Rc<Node>)>),
}

/// Why a text makes no tree.
#[derive(Debug)]
pub(super) struct NoTree {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

/// The documents of a text; each is `None` where it is empty. Reading ends at the first error.
pub(super) fn documents(text: &str) -> Result<Vec<Option<Rc<Node>>>, NoTree> {
    let mut builder = Builder {
        lines: flink_conf::lines(text).map(|(_, line)| line).collect(),
        parser: Parser::new_from_str_with_options(
            text,
            granit_parser::options! { emit_comments: false, block_nesting_limit: DEEPEST_NESTING, flow_nesting_limit: DEEPEST_NESTING },
        ),
        anchors: HashMap::new(),
    };
    let mut documents = Vec::new();
    while let Some((event, _)) = builder.next()? {
        match event {
            Event::DocumentStart(..) => {
                builder.anchors.clear();
                let Some((event, span)) = builder.next()? else {
                    break;
                };
                documents.push(match event {
                    Event::DocumentEnd => None,
                    event => Some(builder.node(event, span)?),
                });
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    Ok(documents)
}

struct Builder<'input> {
    lines: Vec<&'input str>,
    parser: Parser<'input, granit_parser::StrInput<'input>>,
    /// Finished nodes by the number of their anchor.
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'input> Builder<'input> {
    fn next(&mut self) -> Result<Option<(Event<'input>, Span)>, NoTree> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(Some(next)),
            Some(Err(error)) => Err(no_tree(&error)),
            None => Ok(None),
        }
    }

    /// The next event inside a collection, which the parser always closes or refuses.
    fn inside(&mut self, start: Place) -> Result<(Event<'input>, Span), NoTree> {
        self.next()?.ok_or_else(|| NoTree {
            place: start,
            problem: "the list or map that begins here does not end".to_owned(),
        })
    }

    /// Refuses a key of a block that a tab stands before: YAML indents by spaces, and this parser is more lenient
    /// than the one that Flink uses.
    fn check_indentation(&self, key: Place) -> Result<(), NoTree> {
        let line = self
            .lines
            .get(key.line as usize - 1)
            .copied()
            .unwrap_or_default();
        let before: String = line.chars().take(key.column as usize - 1).collect();
        match before.trim_start_matches(' ').strip_prefix('\t') {
            Some(rest) if rest.trim_start_matches([' ', '\t', '?', '-']).is_empty() => {
                Err(NoTree {
                    place: Place {
                        line: key.line,
                        column: before.len() as u64 - rest.len() as u64,
                    },
                    problem: "a tab stands in the indentation, where YAML takes spaces only"
                        .to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn node(&mut self, event: Event<'input>, span: Span) -> Result<Rc<Node>, NoTree> {
        let place = place(&span);
        let (anchor, tag, shape) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let shape = Shape::Scalar {
                    text: text.into_owned(),
                    is_plain: style == ScalarStyle::Plain,
                };
                (anchor, tag, shape)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.inside(place)?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span)?);
                }
                (anchor, tag, Shape::List(items))
            }
            Event::MappingStart(style, anchor, tag) => {
                let mut entries = Vec::new();
                loop {
                    let (event, span) = self.inside(place)?;
                    if matches!(event, Event::MappingEnd) {
                        break;
                    }
                    let key = self.node(event, span)?;
                    if style == StructureStyle::Block {
                        self.check_indentation(key.place)?;
                    }
                    let (event, span) = self.inside(place)?;
                    entries.push((key, self.node(event, span)?));
                }
                (anchor, tag, Shape::Map(entries))
            }
            Event::Alias(anchor) => {
                // An alias inside its own anchor finds none that is finished.
                return self.anchors.get(&anchor).cloned().ok_or_else(|| NoTree {
                    place,
                    problem:
                        "the alias stands inside the value that it stands for; write the value out"
                            .to_owned(),
                });
            }
            other => {
                return Err(NoTree {
                    place,
                    problem: format!("a value was expected, not {other:?}"),
                });
            }
        };
        let node = Rc::new(Node {
            place,
            tag: tag.map(|tag| node_tag(&tag)),
            shape,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }
}

fn node_tag(tag: &Tag) -> NodeTag {
    match (tag.core_suffix(), tag.handle(), tag.suffix()) {
        (Some(suffix), ..) => NodeTag::Core(suffix.to_owned()),
        (None, "", "!") | (None, "!", "") => NodeTag::NonSpecific,
        (None, handle, suffix) => NodeTag::Other(format!("{handle}{suffix}")),
    }
}

fn place(span: &Span) -> Place {
    Place {
        line: span.start.line() as u64,
        column: span.start.col() as u64 + 1,
    }
}

fn no_tree(error: &ScanError) -> NoTree {
    NoTree {
        place: Place {
            line: error.marker().line() as u64,
            column: error.marker().col() as u64 + 1,
        },
        problem: error
            .info()
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect(),
    }
}
