//! Reads the shape of a job: a small file of its own, or a plan as Flink itself gives it.
//!
//! Flink gives plans in two forms. The REST API (`/jobs/<id>/plan`) gives the vertices that run. `flink info` gives
//! operators before they are chained; they are chained here as Flink does by default, and the answer says so.
//! Every problem names its place and its field, and all of them are found at once.

use std::collections::{BTreeMap, HashMap};

use super::{
    InputProblem,
    node::{Node, Place, Shape},
    options,
    schema::{Problem, instead, quoted},
    sentence, text_of,
};
use crate::budget::network::{Distribution, Exchange, JobShape, MOST_SUBTASKS, ResultType, Vertex};

/// More vertices, and more exchanges, than any job has; it bounds the work for a hostile file.
const MOST: usize = 4_000;

/// The words for how records are sent that connect a subtask with its part of the others; all other words connect
/// it with every one.
const POINTWISE: [&str; 2] = ["FORWARD", "RESCALE"];
const ALL_TO_ALL: [&str; 6] = [
    "HASH",
    "REBALANCE",
    "BROADCAST",
    "SHUFFLE",
    "GLOBAL",
    "CUSTOM",
];

/// A job and what is worth knowing about how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDocument {
    /// The job.
    pub shape: JobShape,
    /// The number of operators that were chained into its vertices, where the plan had operators.
    pub operators: Option<usize>,
}

/// Reads a job from a named file; `-` is standard input.
///
/// # Errors
/// Everything that is wrong with it, in the order of the places.
pub fn read(
    file: &str,
    standard_input: &mut dyn std::io::Read,
) -> Result<JobDocument, Vec<InputProblem>> {
    let problem = |place: Option<Place>, field: Option<String>, message: String| InputProblem {
        file: file.to_owned(),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        field: field.filter(|field| !field.is_empty()),
        message,
    };
    let text =
        text_of(file, standard_input).map_err(|message| vec![problem(None, None, message)])?;
    parse(&text).map_err(|problems| {
        let whole = |found: Problem| {
            let place = Some(found.place).filter(|place| place.line > 0);
            problem(place, Some(found.field), found.message)
        };
        problems.into_iter().map(whole).collect()
    })
}

/// Reads a job from YAML or JSON.
///
/// # Errors
/// Everything that is wrong with it, in the order of the places; a place in line 0 is none.
pub fn parse(text: &str) -> Result<JobDocument, Vec<Problem>> {
    let text = without_banner(text);
    let mut bytes = text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes();
    let mut documents = serde_saphyr::read_with_options::<_, Node>(&mut bytes, options());
    let unplaced = Place { line: 0, column: 0 };
    let whole = |place: Place, message: String| {
        vec![Problem {
            place,
            field: String::new(),
            message,
        }]
    };
    let node = match documents.next() {
        Some(Ok(node)) => node,
        Some(Err(error)) => {
            let place = error.location().map_or(unplaced, Place::from);
            return Err(whole(place, sentence(&error)));
        }
        None => return Err(whole(unplaced, "empty; a job has vertices".to_owned())),
    };
    if let Some(Ok(second)) = documents.next() {
        let message = "a second document; a file holds one job".to_owned();
        return Err(whole(second.place, message));
    }
    let mut reader = Reader {
        problems: Vec::new(),
    };
    let document = reader.job(&node);
    reader
        .problems
        .sort_by_key(|problem| (problem.place, problem.field.clone()));
    match document {
        Some(document) if reader.problems.is_empty() => Ok(document),
        _ => Err(reader.problems),
    }
}

/// What `flink info` prints around a plan, blanked so that lines keep their numbers.
fn without_banner(text: &str) -> String {
    let is_banner = |line: &str| line.starts_with("---") && line.contains("Execution Plan");
    if !text.lines().any(is_banner) {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with('{'));
    let last = lines.iter().rposition(|line| line.ends_with('}'));
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let is_plan =
                first.is_some_and(|first| index >= first) && last.is_some_and(|last| index <= last);
            if is_plan { *line } else { "" }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

struct Reader {
    problems: Vec<Problem>,
}

/// A vertex of a file, or an operator of a plan, before its inputs are looked up.
struct Draft<'a> {
    id: String,
    name: String,
    parallelism: u32,
    slot_sharing_group: Option<String>,
    place: Place,
    path: String,
    inputs: Vec<(String, &'a Node)>,
}

/// What the fields of a form are called.
struct Form {
    vertices: &'static str,
    id: &'static str,
    inputs: &'static str,
    from: &'static str,
    ship: &'static str,
    exchange: &'static str,
    /// All fields, where a field that is none of them is a mistake: those of a vertex and those of an input.
    fields: Option<[&'static [&'static str]; 2]>,
}

/// The file of one's own.
const OWN: Form = Form {
    vertices: "vertices",
    id: "name",
    inputs: "inputs",
    from: "from",
    ship: "ship",
    exchange: "exchange",
    fields: Some([
        &["name", "parallelism", "slotSharingGroup", "inputs"],
        &["from", "ship", "exchange"],
    ]),
};

/// A plan of vertices, as the REST API gives it.
const PLAN: Form = Form {
    vertices: "nodes",
    id: "id",
    inputs: "inputs",
    from: "id",
    ship: "ship_strategy",
    exchange: "exchange",
    fields: None,
};

/// A plan of operators, as `flink info` gives it.
const OPERATORS: Form = Form {
    inputs: "predecessors",
    ..PLAN
};

impl Reader {
    fn report(&mut self, place: Place, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            place,
            field: field.into(),
            message: message.into(),
        });
    }

    fn job(&mut self, node: &Node) -> Option<JobDocument> {
        // The answer of the REST API about a plan, or about a whole job, holds the plan itself.
        let (root, prefix) = match node.child("plan") {
            Some(plan) => (plan, "plan."),
            None => (node, ""),
        };
        let (form, list) = match (root.child("vertices"), root.child("nodes")) {
            (Some(list), _) => (&OWN, list),
            (None, Some(list)) if has_predecessors(list) => (&OPERATORS, list),
            (None, Some(list)) => (&PLAN, list),
            (None, None) => {
                let message = match &root.shape {
                    Shape::Map(_) => {
                        "expected a job: either `vertices`, each with name, parallelism and inputs, or the `nodes` of \
                         a plan as Flink's REST API or `flink info` gives it"
                            .to_owned()
                    }
                    other => format!("expected a job, found {}", other.kind()),
                };
                self.report(root.place, prefix.trim_end_matches('.'), message);
                return None;
            }
        };
        if let (Some(_), Shape::Map(entries)) = (form.fields, &root.shape) {
            for entry in entries.iter().filter(|entry| entry.key != form.vertices) {
                let message = format!("unknown field {:?}; the field here is vertices", entry.key);
                self.report(entry.place, format!("{prefix}{}", entry.key), message);
            }
        }
        let path = format!("{prefix}{}", form.vertices);
        let drafts = self.drafts(form, list, &path)?;
        // A vertex that could not be read is not reported a second time by those that name it.
        let is_complete = self.problems.is_empty();
        let ids = self.ids(form, &drafts);
        let exchanges: Vec<Vec<Exchange>> = drafts
            .iter()
            .enumerate()
            .map(|(to, draft)| {
                let read = |reader: &mut Self, (path, input): &(String, &Node)| {
                    reader.exchange(form, path, input, to, &ids, is_complete)
                };
                let inputs = draft.inputs.iter();
                inputs.filter_map(|input| read(self, input)).collect()
            })
            .collect();
        if !self.problems.is_empty() {
            return None;
        }
        let operators = (form.inputs == OPERATORS.inputs).then_some(drafts.len());
        let (vertices, exchanges) = if operators.is_some() {
            chained(drafts, &exchanges)
        } else {
            (
                drafts.into_iter().map(Draft::vertex).collect(),
                exchanges.into_iter().flatten().collect(),
            )
        };
        match JobShape::new(vertices, exchanges) {
            Ok(shape) => Some(JobDocument { shape, operators }),
            Err(error) => {
                self.report(list.place, path, error.to_string());
                None
            }
        }
    }

    fn drafts<'a>(&mut self, form: &Form, list: &'a Node, path: &str) -> Option<Vec<Draft<'a>>> {
        let Shape::List(items) = &list.shape else {
            let message = format!("expected a list, found {}", list.shape.kind());
            self.report(list.place, path, message);
            return None;
        };
        let inputs: usize = items
            .iter()
            .map(|item| list_of(item, form.inputs).len())
            .sum();
        if items.len() > MOST || inputs > MOST {
            let message = format!("more than {MOST} vertices or exchanges, which no job has");
            self.report(list.place, path, message);
            return None;
        }
        let drafts = items.iter().enumerate();
        Some(
            drafts
                .filter_map(|(index, item)| self.draft(form, item, format!("{path}[{index}]")))
                .collect(),
        )
    }

    fn draft<'a>(&mut self, form: &Form, item: &'a Node, path: String) -> Option<Draft<'a>> {
        if !matches!(item.shape, Shape::Map(_)) {
            let message = format!("expected a map, found {}", item.shape.kind());
            self.report(item.place, path, message);
            return None;
        }
        if let Some([known, _]) = form.fields {
            self.unknown_fields(item, &path, known);
        }
        let id = self.name(item, form.id, &path);
        let parallelism = self.parallelism(item, &path);
        let slot_sharing_group = match form.fields {
            Some(_) => self.optional_text(item, "slotSharingGroup", &path),
            None => None,
        };
        let field = format!("{path}.{}", form.inputs);
        let inputs = match item.child(form.inputs) {
            None => Vec::new(),
            Some(list) => match &list.shape {
                Shape::Null => Vec::new(),
                Shape::List(inputs) => inputs
                    .iter()
                    .enumerate()
                    .map(|(index, input)| (format!("{field}[{index}]"), input))
                    .collect(),
                other => {
                    let message = format!("expected a list, found {}", other.kind());
                    self.report(list.place, field, message);
                    Vec::new()
                }
            },
        };
        // What is wrong was reported; the inputs are looked at all the same.
        let id = id.unwrap_or_default();
        Some(Draft {
            name: plan_name(item).unwrap_or_else(|| id.clone()),
            id,
            parallelism: parallelism.unwrap_or(1),
            slot_sharing_group,
            place: place_of(item, form.id),
            path,
            inputs,
        })
    }

    /// Where each name stands in the list of drafts.
    fn ids(&mut self, form: &Form, drafts: &[Draft<'_>]) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        let named = drafts.iter().enumerate();
        for (index, draft) in named.filter(|(_, draft)| !draft.id.is_empty()) {
            if ids.insert(draft.id.clone(), index).is_some() {
                let field = format!("{}.{}", draft.path, form.id);
                let message = format!("{} stands twice", quoted(&draft.id));
                self.report(draft.place, field, message);
            }
        }
        ids
    }

    fn exchange(
        &mut self,
        form: &Form,
        path: &str,
        input: &Node,
        to: usize,
        ids: &BTreeMap<String, usize>,
        is_complete: bool,
    ) -> Option<Exchange> {
        if !matches!(input.shape, Shape::Map(_)) {
            let message = format!("expected a map, found {}", input.shape.kind());
            self.report(input.place, path, message);
            return None;
        }
        if let Some([_, known]) = form.fields {
            self.unknown_fields(input, path, known);
        }
        let from = self.name(input, form.from, path).and_then(|name| {
            let found = ids.get(&name).copied();
            if found.is_none() && is_complete {
                // Among more names than these, comparing takes longer than looking.
                const COMPARED: usize = 100;
                let known = ids.keys().map(String::as_str).take(COMPARED);
                let place = place_of(input, form.from);
                let message = format!(
                    "no vertex is called {}{}",
                    quoted(&name),
                    instead(&name, known, "the vertices are")
                );
                self.report(place, format!("{path}.{}", form.from), message);
            }
            found
        });
        let distribution = self.distribution(input, form.ship, path);
        let result_type = match self.optional_text(input, form.exchange, path) {
            None => Some(ResultType::PipelinedBounded),
            Some(name) => {
                let found = ResultType::of_name(&name);
                if found.is_none() {
                    let known = ResultType::ALL.map(ResultType::as_str);
                    let message = format!(
                        "no exchange is called {}{}",
                        quoted(&name),
                        instead(&name, known.into_iter(), "the exchanges are")
                    );
                    let place = place_of(input, form.exchange);
                    self.report(place, format!("{path}.{}", form.exchange), message);
                }
                found
            }
        };
        Some(Exchange {
            from: from?,
            to,
            distribution: distribution?,
            result_type: result_type?,
        })
    }

    fn distribution(&mut self, input: &Node, field: &str, path: &str) -> Option<Distribution> {
        let Some(written) = self.optional_text(input, field, path) else {
            // Where nothing is said, connecting all with all is the bound that is certainly enough.
            return Some(Distribution::AllToAll);
        };
        // SQL adds the keys: `HASH[id]`.
        let word = written.split('[').next().unwrap_or_default().trim();
        let is = |known: &&str| known.eq_ignore_ascii_case(word);
        if POINTWISE.iter().any(is) {
            return Some(Distribution::Pointwise);
        }
        if ALL_TO_ALL.iter().any(is) {
            return Some(Distribution::AllToAll);
        }
        let known = POINTWISE.into_iter().chain(ALL_TO_ALL);
        let message = format!(
            "no way to send records is called {}{}",
            quoted(&written),
            instead(&word.to_ascii_uppercase(), known, "the ways are")
        );
        self.report(place_of(input, field), format!("{path}.{field}"), message);
        None
    }

    fn unknown_fields(&mut self, node: &Node, path: &str, known: &[&str]) {
        let Shape::Map(entries) = &node.shape else {
            return;
        };
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                let message = format!(
                    "unknown field {:?}{}",
                    entry.key,
                    instead(&entry.key, known.iter().copied(), "the fields here are")
                );
                self.report(entry.place, format!("{path}.{}", entry.key), message);
            }
        }
    }

    /// A name, which must be there; a number is one as well.
    fn name(&mut self, node: &Node, field: &str, path: &str) -> Option<String> {
        let message = match node.child(field).map(|child| &child.shape) {
            Some(Shape::Text(text)) if !text.is_empty() => return Some(text.clone()),
            Some(Shape::Number(number)) => return Some(number.to_string()),
            Some(Shape::Text(_)) => "a name may not be empty".to_owned(),
            Some(Shape::Null) | None => "required field is missing".to_owned(),
            Some(other) => format!("expected a name, found {}", other.kind()),
        };
        self.report(place_of(node, field), format!("{path}.{field}"), message);
        None
    }

    fn optional_text(&mut self, node: &Node, field: &str, path: &str) -> Option<String> {
        match node.child(field).map(|child| &child.shape) {
            None | Some(Shape::Null) => None,
            Some(Shape::Text(text)) => Some(text.clone()),
            Some(other) => {
                let message = format!("expected text, found {}", other.kind());
                self.report(place_of(node, field), format!("{path}.{field}"), message);
                None
            }
        }
    }

    fn parallelism(&mut self, node: &Node, path: &str) -> Option<u32> {
        let expected = format!("expected a whole number from 1 to {MOST_SUBTASKS}");
        let message = match node.child("parallelism").map(|child| &child.shape) {
            Some(Shape::Number(number)) => {
                let count = number.as_i64().and_then(|count| u32::try_from(count).ok());
                match count {
                    Some(count) if (1..=MOST_SUBTASKS).contains(&count) => return Some(count),
                    _ if number.as_i64() == Some(-1) => {
                        "-1 lets Flink decide when the job runs; write the number that you reckon with".to_owned()
                    }
                    _ => format!("{expected}, found {number}"),
                }
            }
            Some(Shape::Null) | None => "required field is missing".to_owned(),
            Some(other) => format!("{expected}, found {}", other.kind()),
        };
        self.report(
            place_of(node, "parallelism"),
            format!("{path}.parallelism"),
            message,
        );
        None
    }
}

impl Draft<'_> {
    fn vertex(self) -> Vertex {
        Vertex {
            name: self.name,
            parallelism: self.parallelism,
            slot_sharing_group: self.slot_sharing_group,
        }
    }
}

fn has_predecessors(list: &Node) -> bool {
    match &list.shape {
        Shape::List(items) => items
            .iter()
            .any(|item| item.child("predecessors").is_some()),
        _ => false,
    }
}

fn list_of<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    match node.child(field).map(|child| &child.shape) {
        Some(Shape::List(items)) => items,
        _ => &[],
    }
}

/// The place of a field, or of the map that lacks it.
fn place_of(node: &Node, field: &str) -> Place {
    node.child(field).map_or(node.place, |child| child.place)
}

/// What a plan says about a vertex, in one line: the first line of its description, without the marks of HTML.
fn plan_name(node: &Node) -> Option<String> {
    let description = node
        .child("description")
        .or_else(|| node.child("contents"))
        .and_then(Node::text)?;
    let plain = description
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let first = plain.split("<br").next().unwrap_or_default().trim();
    (!first.is_empty()).then(|| first.to_owned())
}

/// The vertices that Flink makes of operators by default: an operator joins the one before it where records are
/// forwarded to it, it has no other input, and both have the same parallelism.
fn chained(drafts: Vec<Draft<'_>>, inputs: &[Vec<Exchange>]) -> (Vec<Vertex>, Vec<Exchange>) {
    let predecessor = |index: usize| match inputs[index].as_slice() {
        [only]
            if only.distribution == Distribution::Pointwise
                && drafts[only.from].parallelism == drafts[index].parallelism =>
        {
            Some(only.from)
        }
        _ => None,
    };
    let head = |index: usize| {
        let mut head = index;
        // No more steps than operators, should they go round in a circle.
        for _ in 0..drafts.len() {
            match predecessor(head) {
                Some(before) => head = before,
                None => return head,
            }
        }
        index
    };
    let heads: Vec<usize> = (0..drafts.len()).map(head).collect();
    let mut places = HashMap::new();
    let mut vertices: Vec<Vertex> = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        let next = vertices.len();
        let place = *places.entry(heads[index]).or_insert(next);
        match vertices.get_mut(place) {
            Some(vertex) => {
                vertex.name.push_str(" -> ");
                vertex.name.push_str(&draft.name);
            }
            None => vertices.push(draft.vertex()),
        }
    }
    let exchanges = inputs
        .iter()
        .flatten()
        .filter(|exchange| heads[exchange.from] != heads[exchange.to])
        .map(|exchange| Exchange {
            from: places[&heads[exchange.from]],
            to: places[&heads[exchange.to]],
            ..*exchange
        })
        .collect();
    (vertices, exchanges)
}
