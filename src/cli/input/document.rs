//! From one document to a pool, or to an object that may run Flink; what is neither is passed over.

use super::{
    Input,
    documents::Unreadable,
    node::{Node, Shape},
    pool,
    schema::{instead, quoted},
    sentence, workload,
};
use crate::api::GROUP;

const VERSION: &str = "v1alpha1";
const KIND: &str = "TaskManagerPool";

/// Turns one document into pools, and collects the objects that may run Flink.
pub(super) struct DocumentReader<'a> {
    pub file: &'a str,
    pub lines: &'a [&'a str],
}

impl DocumentReader<'_> {
    /// What a document holds: pools, and objects that may run Flink with their kinds.
    pub fn read(&self, document: Result<Node, Box<Unreadable>>) -> (Input, Vec<(String, Node)>) {
        let mut input = Input::default();
        let mut others = Vec::new();
        match document {
            Ok(node) => self.read_node(node, &mut input, &mut others),
            Err(unreadable) => {
                let message = sentence(&unreadable.error);
                input.problem(self.file, unreadable.place, None, message);
            }
        }
        (input, others)
    }

    /// Reads a document, or each item of a list.
    fn read_node(&self, node: Node, input: &mut Input, others: &mut Vec<(String, Node)>) {
        let Shape::Map(_) = &node.shape else {
            input.problem(
                self.file,
                Some(node.place),
                None,
                format!("expected a Kubernetes object, found {}", node.shape.kind()),
            );
            return;
        };
        let text_of = |field: &str| node.child(field).and_then(Node::text).map(str::to_owned);
        let (api_version, kind) = (text_of("apiVersion"), text_of("kind"));
        let (group, version) = match api_version
            .as_deref()
            .map(|text| text.split_once('/').unwrap_or(("", text)))
        {
            Some(parts) => parts,
            None => {
                self.without_type(
                    &node,
                    kind.is_none(),
                    input,
                    "apiVersion",
                    format!("{GROUP}/{VERSION}"),
                );
                return;
            }
        };
        let Some(kind) = kind else {
            self.without_type(&node, false, input, "kind", KIND.to_owned());
            return;
        };
        if kind == "List" && group.is_empty() || group == GROUP && kind == "TaskManagerPoolList" {
            let place = node.place;
            let Shape::Map(entries) = node.shape else {
                return;
            };
            let items = entries.into_iter().find(|entry| entry.key == "items");
            match items.map(|items| items.value.shape) {
                Some(Shape::List(items)) => {
                    for item in items {
                        self.read_node(item, input, others);
                    }
                }
                _ => input.problem(
                    self.file,
                    Some(place),
                    Some("items".to_owned()),
                    "a list needs its items".to_owned(),
                ),
            }
        } else if group != GROUP {
            let may_run_flink = group == "flink.apache.org" && kind == "FlinkDeployment"
                || group.is_empty() && kind == "ConfigMap"
                || ["", "apps", "batch"].contains(&group) && workload::pod_path(&kind).is_some();
            if may_run_flink {
                others.push((kind, node));
            } else {
                input.passed_over += 1;
            }
        } else if kind != KIND {
            let place = node.child("kind").map_or(node.place, |child| child.place);
            let message = format!(
                "unknown kind {}{}",
                quoted(&kind),
                instead(&kind, [KIND].into_iter(), "the kind here is")
            );
            input.problem(self.file, Some(place), Some("kind".to_owned()), message);
        } else if version != VERSION {
            let place = node
                .child("apiVersion")
                .map_or(node.place, |child| child.place);
            let message = format!(
                "unknown version {}; this is {GROUP}/{VERSION}",
                quoted(version)
            );
            input.problem(
                self.file,
                Some(place),
                Some("apiVersion".to_owned()),
                message,
            );
        } else {
            pool::read(self.file, self.lines, node, input);
        }
    }

    /// A document without `apiVersion` or `kind`: some other YAML file, unless it looks like an object.
    fn without_type(
        &self,
        node: &Node,
        is_both: bool,
        input: &mut Input,
        field: &str,
        value: String,
    ) {
        if is_both && node.child("spec").is_none() {
            input.passed_over += 1;
            return;
        }
        input.problem(
            self.file,
            Some(node.place),
            Some(field.to_owned()),
            format!("required field is missing; for a pool write {field}: {value}"),
        );
    }
}
