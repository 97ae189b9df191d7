//! From violations to conflicts: code, options, numbers, one sentence, and the ways out.

use super::{
    Budget,
    effective::Options,
    flink_error,
    infeasible::{Code, Conflict, Infeasible, OptionReference, Severity},
    memory_size,
    options::Id,
    startup,
    taskmanager::{EveryViolation, derive},
    violation::{Kind, Violation},
};

pub(super) fn warnings(_options: &Options<'_>, _budget: &Budget) -> Vec<Conflict> {
    Vec::new()
}

pub(super) fn diagnose(options: &Options<'_>) -> Infeasible {
    let mut every = EveryViolation::default();
    let derivation = derive(options, &mut every);
    let mut violations = every.0;
    let flink_error = violations
        .first()
        .and_then(|violation| flink_error::of(violation, options));
    let mut own = |kind| {
        let violation = Violation {
            kind,
            in_network_check: false,
            in_legacy_mapping: false,
        };
        if !violations.contains(&violation) {
            violations.push(violation);
        }
    };
    if let Ok(derivation) = derivation {
        startup::check(options, &derivation, &mut own);
    }
    if options.has_duplicates() {
        Id::ALL
            .into_iter()
            .filter(|id| options.is_duplicated(*id))
            .for_each(|option| {
                own(Kind::DuplicateSource { option });
            });
    }
    Infeasible {
        conflicts: violations
            .iter()
            .map(|violation| conflict(options, violation))
            .collect(),
        flink_error,
    }
}

fn conflict(options: &Options<'_>, violation: &Violation) -> Conflict {
    let (code, ids): (Code, Vec<Id>) = match &violation.kind {
        Kind::MissingTotal => (Code::MissingTotal, vec![Id::ProcessSize, Id::FlinkSize]),
        Kind::Size { option, .. } => (Code::SizeInvalid, vec![*option]),
        Kind::Float { option, .. } | Kind::Integer { option } => {
            (Code::NumberInvalid, vec![*option])
        }
        Kind::ExternalAmount { .. } => (Code::NumberInvalid, vec![Id::ExternalResources]),
        Kind::RangeInverted {
            fraction_option, ..
        } => (
            Code::RangeInverted,
            vec![
                fraction_option.minimum_option(),
                fraction_option.maximum_option(),
            ],
        ),
        Kind::FractionOutside {
            fraction_option, ..
        } => (Code::FractionInvalid, vec![*fraction_option]),
        Kind::ComponentsExceedFlink { .. } => (
            Code::ComponentsExceedTotal,
            vec![Id::ManagedSize, Id::FlinkSize],
        ),
        Kind::NetworkOutOfRange { .. } => (
            Code::NetworkOutOfRange,
            vec![Id::NetworkMin, Id::NetworkMax],
        ),
        Kind::NetworkDiffersFromBuffers { .. } => {
            (Code::NetworkOutOfRange, vec![Id::NumberOfBuffers])
        }
        Kind::JvmExceedsProcess { .. } => (Code::ComponentsExceedTotal, vec![Id::ProcessSize]),
        Kind::ProcessBelowFlink { .. } => {
            (Code::TotalsDisagree, vec![Id::ProcessSize, Id::FlinkSize])
        }
        Kind::OverheadOutOfRange { .. } => (
            Code::OverheadOutOfRange,
            vec![Id::JvmOverheadMin, Id::JvmOverheadMax],
        ),
        Kind::CpuNotPositive { .. } | Kind::CpuNotFinite { .. } => {
            (Code::NumberInvalid, vec![Id::CpuCores])
        }
        Kind::LegacyHeapNegative { .. } => (Code::SizeInvalid, vec![Id::HeapMb]),
        Kind::LegacyHeapEnvironment { .. } => (Code::SizeInvalid, vec![]),
        Kind::SegmentTooSmall { .. }
        | Kind::SegmentNoPowerOfTwo { .. }
        | Kind::SegmentTooLarge { .. } => (Code::SegmentSizeInvalid, vec![Id::SegmentSize]),
        Kind::Overflow { .. } => (Code::SizeInvalid, vec![]),
        Kind::NegativeBuffers { .. } => (Code::NumberInvalid, vec![Id::NumberOfBuffers]),
        Kind::ProcessExceedsLimit { .. } => (Code::ProcessExceedsLimit, vec![Id::ProcessSize]),
        Kind::NetworkTooSmall { .. } | Kind::NetworkTooLarge { .. } => {
            (Code::NetworkTooSmall, vec![Id::NetworkMin])
        }
        Kind::HeapTooSmall { .. } => (Code::HeapTooSmall, vec![Id::TaskHeapSize]),
        Kind::MetaspaceTooSmall { .. } => (Code::MetaspaceTooSmall, vec![Id::JvmMetaspaceSize]),
        Kind::SlotsInvalid { .. } => (Code::NumberInvalid, vec![Id::NumberOfTaskSlots]),
        Kind::DuplicateSource { option } => (Code::DuplicateSource, vec![*option]),
    };
    let message = flink_error::of(violation, options).map_or_else(
        || format!("{} is violated", code.as_str()),
        |error| error.message,
    );
    Conflict {
        code,
        severity: Severity::Error,
        options: ids
            .into_iter()
            .filter_map(|id| reference(options, id))
            .collect(),
        configured: String::new(),
        bound: String::new(),
        sum: Vec::new(),
        message,
        suggestions: Vec::new(),
    }
}

fn reference(options: &Options<'_>, id: Id) -> Option<OptionReference> {
    if let Some(setting) = options.setting(id) {
        return Some(OptionReference {
            key: setting.key.clone(),
            origin: Some(setting.origin.clone()),
            path: setting.origin.path(&setting.key),
            value: setting.value.clone(),
            is_default: false,
        });
    }
    id.default_size(options.version())
        .map(|default| OptionReference {
            key: id.key().to_owned(),
            origin: None,
            path: id.key().to_owned(),
            value: memory_size::text(default),
            is_default: true,
        })
}
