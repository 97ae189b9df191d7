//! Sizes without a unit, which Flink reads as bytes and people mean as mebibytes.

use super::{
    super::{
        effective::Options,
        infeasible::{Code, Conflict},
        memory_size,
        options::Id,
        request::Setting,
        trial::{Edit, Trial},
    },
    warning,
};
use crate::bytes::Bytes;

/// Every written size of less than a mebibyte that has no unit.
///
/// A segment is small and often written in bytes. What stands under an old key is told with that key.
pub(super) fn missing<'a>(options: &'a Options<'_>) -> impl Iterator<Item = Conflict> + 'a {
    let sizes = Id::ALL
        .into_iter()
        .filter(|id| id.is_size() && *id != Id::SegmentSize);
    sizes.filter_map(|id| {
        let setting = options.setting(id)?;
        (setting.key == options.key(id))
            .then(|| of_setting(options, id, setting))
            .flatten()
    })
}

fn of_setting(options: &Options<'_>, id: Id, setting: &Setting) -> Option<Conflict> {
    let text = memory_size::java_trim(&setting.value);
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let size = memory_size::parse(text).ok().filter(|_| is_number)?;
    if size == Bytes::ZERO || size >= Bytes::MEBI {
        return None;
    }
    let meant = format!("{size}m", size = size.get());
    let message = format!(
        "{} is {text} without a unit, which is {text} bytes; {meant} was probably meant",
        setting.origin.path(&setting.key),
    );
    let mut conflict = warning(Code::SuspiciousQuantity, setting, &meant, message);
    let edit = Edit::Set(id, meant);
    let trial = Trial::new(options.request);
    if trial.with(&edit).solves() {
        conflict.suggestions.push(trial.suggestion(&edit));
    }
    Some(conflict)
}
