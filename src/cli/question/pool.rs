//! The answer for a pool: what the controller would decide.

use super::super::{
    answer::{Answer, Subject, places},
    input::PoolDocument,
    process_budget::ProcessBudget,
};
use crate::{
    api::v1alpha1::TaskManagerPool,
    budget::{Mode, Role},
    desired::{Settings, validate},
};

/// The answer for a pool.
pub(in crate::cli) fn answer_pool(document: &PoolDocument, settings: &Settings) -> Answer {
    let pool = &document.pool;
    let subject = Subject {
        source: Some(document.source.clone()),
        name: Some(pool_name(pool)),
        namespace: pool.metadata.namespace.clone(),
        role: Role::TaskManager,
        mode: Mode::Standalone,
        flink_version: pool.spec.flink_version.clone(),
        other: None,
    };
    let file = &document.source.file;
    match validate(pool, settings) {
        Ok(valid) => Answer {
            request: Some(valid.request),
            options: valid.options,
            budget: Some(ProcessBudget::TaskManager(valid.budget)),
            budget_hash: Some(valid.budget_hash),
            adjustments: valid.adjustments,
            places: places(&valid.warnings, Some(&document.document), file),
            conflicts: valid.warnings,
            minimum_container_limit: valid.minimum_limit,
            comfortable_container_limit: valid.comfortable_limit,
            ..Answer::without_budget(subject)
        },
        Err(invalid) => {
            // What is wrong may be something else than the memory; then the sizes are still worth showing.
            let (request, budget, flink_error) = match invalid.memory.map(|memory| *memory) {
                Some(memory) => (Some(memory.request), memory.budget, memory.flink_error),
                None => (None, None, None),
            };
            let budget = budget.map(ProcessBudget::TaskManager);
            Answer {
                request,
                options: budget
                    .as_ref()
                    .map(ProcessBudget::options)
                    .unwrap_or_default(),
                budget,
                places: places(&invalid.conflicts, Some(&document.document), file),
                conflicts: invalid.conflicts,
                joint: invalid.joint,
                flink_error,
                minimum_container_limit: invalid.minimum_limit,
                comfortable_container_limit: invalid.comfortable_limit,
                ..Answer::without_budget(subject)
            }
        }
    }
}

/// The name of a pool, or the beginning of the name that the API server will make up.
fn pool_name(pool: &TaskManagerPool) -> String {
    let metadata = &pool.metadata;
    match (&metadata.name, &metadata.generate_name) {
        (Some(name), _) => name.clone(),
        (None, Some(beginning)) => format!("{beginning}…"),
        (None, None) => String::new(),
    }
}
