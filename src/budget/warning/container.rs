//! What is worth a look about the container that a process runs in: memory that is left to nothing, and a request
//! that does not keep what the process will take.

use super::super::{
    effective::Options,
    infeasible::{Change, Code, Conflict, Exact, OptionReference, Severity, Suggestion},
    options::Id,
    request::{MEMORY_REQUEST, Origin},
    statement::{limit_reference, reference},
};
use crate::{bytes::Bytes, quantity};

/// Container memory below this much is not worth a warning when nothing uses it.
const UNUSED_AT_LEAST: Bytes = Bytes::from_mebibytes(256);

/// Everything to say about the container of a process of this size.
pub(super) fn of_process(options: &Options<'_>, total_process: Bytes) -> Vec<Conflict> {
    let mut warnings = Vec::new();
    warnings.extend(unused(options, total_process));
    warnings.extend(memory_request(options, total_process));
    warnings
}

/// The scheduler keeps less memory for the container than the process takes, or less than it may take.
fn memory_request(options: &Options<'_>, total_process: Bytes) -> Option<Conflict> {
    let limit = options.request.container_limit?;
    let request = options.request.memory_request?;
    if request >= limit {
        return None;
    }
    let plan = total_process.saturating_add(options.reserved());
    let path = Origin::MemoryRequest.path(MEMORY_REQUEST);
    let limit_option = limit_reference(options, limit);
    let (code, enough, exact, what) = if request < plan {
        let reserved = match options.reserved() {
            Bytes::ZERO => String::new(),
            reserved => format!(" with {reserved} reserved beside it"),
        };
        let missing = plan.saturating_sub(request);
        let what = format!(
            "{path} is {request}, and the process takes {total_process}{reserved}, {missing} more than the scheduler \
             keeps for it: the pod is Burstable, and when its node runs out of memory the kubelet evicts those first \
             that exceed their requests"
        );
        let enough = plan.round_up_to_mebibyte().min(limit);
        (Code::RequestBelowPlan, enough, Some(plan), what)
    } else {
        let what = format!(
            "{path} is {request}, enough for the process, and below {}, {}: the pod is Burstable, and when its node \
             runs out of memory the kernel kills it before those that are Guaranteed, whose requests equal their \
             limits",
            limit_option.path, limit_option.value
        );
        (Code::BurstableQos, limit, None, what)
    };
    let (written, value) = (
        quantity::memory_text(request),
        quantity::memory_text(enough),
    );
    let message = format!("{what}; set {path} to {value}");
    let reference = OptionReference {
        key: MEMORY_REQUEST.to_owned(),
        origin: Some(Origin::MemoryRequest),
        path: path.clone(),
        value: written.clone(),
        is_default: false,
    };
    let mut conflict = Conflict::new(
        code,
        Severity::Warning,
        vec![reference, limit_option],
        format!(">= {value}"),
        message,
    );
    conflict.suggestions.push(Suggestion {
        key: MEMORY_REQUEST.to_owned(),
        origin: Some(Origin::MemoryRequest),
        path,
        current: Some(written),
        change: Change::Set(value),
        exact: exact.map(|plan| Exact::AtLeast(plan.get().to_string())),
    });
    Some(conflict)
}

/// Much of the container is left to nothing.
fn unused(options: &Options<'_>, total_process: Bytes) -> Option<Conflict> {
    let limit = options.request.container_limit?;
    let used = total_process.saturating_add(options.reserved());
    let unused = limit.saturating_sub(used);
    if unused <= UNUSED_AT_LEAST.max(Bytes(limit.get() / 10)) {
        return None;
    }
    let total = [
        Id::ProcessSize,
        Id::FlinkSize,
        Id::TaskHeapSize,
        Id::JvmHeapSize,
    ]
    .into_iter()
    .find(|id| options.is_set(*id));
    let process_size = options.key(Id::ProcessSize);
    let limit_path = Origin::ContainerLimit.path(process_size);
    let smaller = quantity::memory_text(used.round_up_to_mebibyte());
    let message = format!(
        "the process takes {total_process} of the container's {limit}{}, and {unused} stay unused; set {limit_path} \
         to {smaller}",
        match options.reserved() {
            Bytes::ZERO => String::new(),
            reserved => format!(", {reserved} are reserved beside it"),
        }
    );
    let mut references = vec![limit_reference(options, limit)];
    references.extend(total.and_then(|id| reference(options, id)));
    let mut conflict = Conflict::new(
        Code::UnusedMemory,
        Severity::Warning,
        references,
        format!("<= {smaller}"),
        message,
    );
    conflict.suggestions.push(Suggestion {
        key: process_size.to_owned(),
        origin: Some(Origin::ContainerLimit),
        path: limit_path,
        current: Some(quantity::memory_text(limit)),
        change: Change::Set(smaller),
        exact: None,
    });
    Some(conflict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Configuration, FlinkVersion, Request, ReserveKind, options, solve};

    fn warnings(request: &Request) -> Vec<Conflict> {
        let budget = solve(request).unwrap();
        let of_request = |warning: &Conflict| warning.options[0].key == MEMORY_REQUEST;
        budget.warnings.into_iter().filter(of_request).collect()
    }

    fn request(process: Option<&str>, memory_request: Bytes) -> Request {
        let configuration = process.into_iter().fold(Configuration::new(), |all, size| {
            all.with(options::PROCESS_SIZE, size, Origin::FlinkConfiguration)
        });
        Request::new(FlinkVersion::V2_1, configuration)
            .with_container_limit(Bytes::from_mebibytes(4096))
            .with_memory_request(memory_request)
    }

    /// The value and the bound of the only suggestion, after both were tried.
    fn mended(request: &Request, code: Code) -> (String, Option<String>) {
        let found = warnings(request);
        let [conflict] = found.as_slice() else {
            panic!("{found:#?}")
        };
        assert_eq!(conflict.code, code);
        let [suggestion] = conflict.suggestions.as_slice() else {
            panic!("{conflict:#?}")
        };
        let is_gone = |suggestion: &Suggestion| {
            let after = warnings(&request.with_suggestion(suggestion));
            after.iter().all(|conflict| conflict.code != code)
        };
        assert!(is_gone(suggestion));
        if let Some(bound) = suggestion.at_bound() {
            assert!(is_gone(&bound));
            let Change::Set(bytes) = &bound.change else {
                panic!("{bound:?}")
            };
            let less = Suggestion {
                change: Change::Set((bytes.parse::<u64>().unwrap() - 1).to_string()),
                ..bound
            };
            assert!(!is_gone(&less));
        }
        let Change::Set(value) = &suggestion.change else {
            panic!("{suggestion:?}")
        };
        let exact = suggestion
            .exact
            .as_ref()
            .map(|exact| exact.value().to_owned());
        (value.clone(), exact)
    }

    #[test]
    fn a_request_covers_the_process_and_its_reserves() {
        let three = Bytes::from_mebibytes(3072);
        assert_eq!(
            mended(&request(None, three), Code::RequestBelowPlan),
            ("4Gi".to_owned(), Some((4_u64 << 30).to_string()))
        );
        let fixed = request(Some("3000000001b"), three);
        assert_eq!(mended(&fixed, Code::BurstableQos), ("4Gi".to_owned(), None));
        let reserved = fixed.with_reserve(
            ReserveKind::OtherProcesses,
            Bytes::from_mebibytes(512),
            Origin::CommandLine,
        );
        assert_eq!(
            mended(&reserved, Code::RequestBelowPlan),
            (
                "3374Mi".to_owned(),
                Some((3_000_000_001 + (512_u64 << 20)).to_string())
            )
        );
    }

    #[test]
    fn a_request_that_is_the_limit_or_unknown_is_no_matter() {
        assert_eq!(warnings(&request(None, Bytes::from_mebibytes(4096))), []);
        let unknown = Request {
            memory_request: None,
            ..request(None, Bytes::ZERO)
        };
        assert_eq!(warnings(&unknown), []);
    }
}
