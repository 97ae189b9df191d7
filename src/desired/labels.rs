//! The labels of the children: which of them select pods, and which only describe them.
//!
//! The selector of a Deployment can never be changed. It therefore holds only what stays the same for the life
//! of a pool; the Flink version and whatever else may change stands on the objects and the pods, never in it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::{
    api::{
        COMPONENT, LABEL_COMPONENT, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_NAME, LABEL_VERSION,
        MANAGED_BY, NAME,
    },
    budget::FlinkVersion,
};

/// The labels that select the pods of the pool of this name, within its namespace.
#[must_use]
pub fn selector_labels(pool: &str) -> BTreeMap<String, String> {
    [
        (LABEL_COMPONENT, COMPONENT),
        (LABEL_INSTANCE, pool),
        (LABEL_NAME, NAME),
    ]
    .map(|(label, value)| (label.to_owned(), value.to_owned()))
    .into()
}

/// The selector as Kubernetes' scale subresource takes it: `key=value` joined by commas.
#[must_use]
pub fn selector_text(pool: &str) -> String {
    let labels = selector_labels(pool);
    labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// The selector of the Deployment and of the PodDisruptionBudget.
pub(super) fn selector(pool: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(pool)),
        match_expressions: None,
    }
}

/// The labels on every child and on every pod.
pub(super) fn recommended_labels(pool: &str, version: FlinkVersion) -> BTreeMap<String, String> {
    let mut labels = selector_labels(pool);
    labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
    labels.insert(LABEL_VERSION.to_owned(), version.to_string());
    labels
}
