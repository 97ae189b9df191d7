//! The options that take part in a conflict, as they are: written, or by default, with their places.

use super::super::{
    effective::{LegacyHeap, Options},
    infeasible::OptionReference,
    memory_size,
    options::Id,
    request::Origin,
    reserves::{Reserve, ReserveSource},
};
use crate::{bytes::Bytes, quantity};

/// An option as it is: written, or by default.
pub(in crate::budget) fn reference(options: &Options<'_>, id: Id) -> Option<OptionReference> {
    if let Some(setting) = options.setting(id) {
        return Some(OptionReference {
            path: setting.origin.path(&setting.key),
            key: setting.key.clone(),
            origin: Some(setting.origin.clone()),
            value: setting.value.clone(),
            is_default: false,
        });
    }
    let default = match id {
        Id::ManagedFraction | Id::NetworkFraction | Id::JvmOverheadFraction => {
            options.default_fraction(id).to_string()
        }
        Id::NumberOfTaskSlots => "1".to_owned(),
        _ => memory_size::text(options.default_size(id)?),
    };
    if let Some(profile) = options.profile_of(id) {
        let origin = Origin::Profile(profile);
        return Some(OptionReference {
            path: origin.path(options.key(id)),
            key: options.key(id).to_owned(),
            origin: Some(origin),
            value: default,
            is_default: false,
        });
    }
    Some(OptionReference {
        key: options.key(id).to_owned(),
        origin: None,
        path: options.key(id).to_owned(),
        value: default,
        is_default: true,
    })
}

pub(super) fn references(options: &Options<'_>, ids: &[Id]) -> Vec<OptionReference> {
    ids.iter()
        .filter_map(|id| reference(options, *id))
        .collect()
}

/// The container's limit and what is reserved of it, as options.
pub(super) fn container_references(options: &Options<'_>) -> Vec<OptionReference> {
    let limit = options.request.container_limit;
    let mut found: Vec<OptionReference> = limit
        .map(|limit| limit_reference(options, limit))
        .into_iter()
        .collect();
    found.extend(reserves_in_use(options).map(|reserve| OptionReference {
        key: reserve.kind.as_str().to_owned(),
        origin: match &reserve.source {
            ReserveSource::Configured { origin } => Some(origin.clone()),
            ReserveSource::Profile { profile } => Some(Origin::Profile(*profile)),
            ReserveSource::Zero => None,
        },
        path: reserve.path(),
        value: memory_size::text(reserve.bytes),
        is_default: false,
    }));
    found
}

/// The reserves that take anything from the container.
pub(super) fn reserves_in_use<'a>(options: &'a Options<'_>) -> impl Iterator<Item = &'a Reserve> {
    let reserves = options.reserves.iter();
    reserves.filter(|reserve| reserve.bytes > Bytes::ZERO)
}

/// The container's limit as an option.
pub(in crate::budget) fn limit_reference(options: &Options<'_>, limit: Bytes) -> OptionReference {
    OptionReference {
        key: options.key(Id::ProcessSize).to_owned(),
        origin: Some(Origin::ContainerLimit),
        path: Origin::ContainerLimit.path(options.key(Id::ProcessSize)),
        value: quantity::memory_text(limit),
        is_default: false,
    }
}

/// What the total comes from: its options, in the order of their weight.
pub(super) fn total_references(options: &Options<'_>) -> Vec<OptionReference> {
    let mut found = references_if_set(options, &[Id::FlinkSize]);
    found.extend(legacy_reference(options));
    if found.is_empty() {
        found = references_if_set(options, &[Id::ProcessSize]);
    }
    if options.room_as_process_size.is_some() {
        found.extend(container_references(options));
    }
    found
}

/// The legacy heap option that counts, where one does.
pub(super) fn legacy_reference(options: &Options<'_>) -> Option<OptionReference> {
    match options.legacy_heap()? {
        LegacyHeap::Option(id) => reference(options, id),
        LegacyHeap::Environment(value) => Some(OptionReference {
            key: options.heap_environment().to_owned(),
            origin: Some(Origin::Environment),
            path: Origin::Environment.path(options.heap_environment()),
            value: value.to_owned(),
            is_default: false,
        }),
    }
}

pub(super) fn references_if_set(options: &Options<'_>, ids: &[Id]) -> Vec<OptionReference> {
    ids.iter()
        .filter(|id| options.is_set(**id))
        .filter_map(|id| reference(options, *id))
        .collect()
}

/// Where an option is, for a sentence.
pub(super) fn path(options: &Options<'_>, id: Id) -> String {
    options.setting(id).map_or_else(
        || options.key(id).to_owned(),
        |setting| setting.origin.path(&setting.key),
    )
}
