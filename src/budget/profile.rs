//! Profiles: defaults that fit a kind of job better than Flink's own, each with its reason and its source.
//!
//! A profile stands where Flink's defaults stand, below everything that was written: what a user writes always
//! wins, and so does what a user writes of the same group of options (a range, the split of heap and managed
//! memory). It never decides which sizes are derived from which others. `Custom` changes nothing.

mod data;
mod native;

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{
    effective::Options,
    memory_size,
    options::Id,
    request::{Request, Role},
    reserves::{Reserve, ReserveKind, ReserveSource},
    version::FlinkVersion,
};
use crate::bytes::Bytes;

/// A kind of job, and the defaults that fit it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Profile {
    /// Streaming without keyed state.
    Stateless,
    /// Streaming with its state on the JVM's heap.
    HashMap,
    /// Streaming with its state in RocksDB.
    #[serde(rename = "RocksDB")]
    RocksDb,
    /// Streaming with its state in ForSt, since Flink 2.0.
    ForSt,
    /// Bounded jobs, which exchange data through blocking shuffles.
    Batch,
    /// A session cluster, where many jobs come and go in one TaskManager.
    Session,
    /// Flink's own defaults and no reserves.
    #[default]
    Custom,
}

impl Profile {
    /// Every profile, in the order of the documentation.
    pub const ALL: [Profile; 7] = [
        Profile::Stateless,
        Profile::HashMap,
        Profile::RocksDb,
        Profile::ForSt,
        Profile::Batch,
        Profile::Session,
        Profile::Custom,
    ];

    /// The name, as it is written: `RocksDB`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Profile::Stateless => "Stateless",
            Profile::HashMap => "HashMap",
            Profile::RocksDb => "RocksDB",
            Profile::ForSt => "ForSt",
            Profile::Batch => "Batch",
            Profile::Session => "Session",
            Profile::Custom => "Custom",
        }
    }

    /// Whether a Flink release has what the profile is for.
    #[must_use]
    pub fn is_known_to(self, version: FlinkVersion) -> bool {
        self != Profile::ForSt || version.has_forst()
    }

    /// What the profile sets, and why.
    #[must_use]
    pub fn defaults(self) -> &'static [ProfileDefault] {
        data::defaults(self)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no [`Profile`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no profile is called {0:?}; there are Stateless, HashMap, RocksDB, ForSt, Batch, Session and Custom"
)]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    /// Reads a name, in any case of letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|profile| profile.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// One default of a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileDefault {
    pub(super) target: Target,
    /// The value in words, for whoever reads about the profile and not about one request.
    pub value: &'static str,
    /// Why the value fits.
    pub reason: &'static str,
    /// Where that can be looked up.
    pub source: &'static str,
}

impl ProfileDefault {
    /// The option's key, or the field of the reserve.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.target {
            Target::Option(id, _) => id.key(Role::TaskManager),
            Target::NativeOvershoot(_) => ReserveKind::NativeOvershoot.field_path(),
        }
    }
}

/// What a default is for, and how its value is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// An option of Flink.
    Option(Id, Value),
    /// The reserve for native overshoot.
    NativeOvershoot(Backend),
}

/// The value of an option's default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Size(Bytes),
    Fraction(f32),
    /// So many segments for each slot.
    SegmentsPerSlot(u64),
}

/// Whose overshoot is reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    RocksDb,
    ForSt,
    /// The one that the configuration chooses, if it is one of the two.
    Configured,
}

/// A default of a profile that is in effect in one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileValue {
    /// The option's key, or the field of the reserve.
    pub name: &'static str,
    /// The value, in Flink's syntax.
    pub value: String,
    /// Why.
    pub reason: &'static str,
    /// Where that can be looked up.
    pub source: &'static str,
}

/// What a profile has contributed to a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileInEffect {
    /// The profile.
    pub profile: Profile,
    /// Every value that comes from it.
    pub values: Vec<ProfileValue>,
}

/// What the request's profile contributes; `None` for `Custom`, which contributes nothing.
pub(super) fn in_effect(options: &Options<'_>, reserves: &[Reserve]) -> Option<ProfileInEffect> {
    let request = options.request;
    if request.profile == Profile::Custom || request.role == Role::JobManager {
        return None;
    }
    let value = |default: &ProfileDefault| {
        let text = match default.target {
            Target::Option(id, _) if !applies(options, id) => return None,
            Target::Option(_, Value::Fraction(fraction)) => fraction.to_string(),
            Target::Option(id, _) => memory_size::text(options.default_size(id)?),
            Target::NativeOvershoot(_) => {
                let reserve = reserves.iter().find(|reserve| {
                    reserve.kind == ReserveKind::NativeOvershoot
                        && matches!(reserve.source, ReserveSource::Profile { .. })
                })?;
                memory_size::text(reserve.bytes)
            }
        };
        Some(ProfileValue {
            name: default.name(),
            value: text,
            reason: default.reason,
            source: default.source,
        })
    };
    Some(ProfileInEffect {
        profile: request.profile,
        values: request
            .profile
            .defaults()
            .iter()
            .filter_map(value)
            .collect(),
    })
}

/// The profile's value for an option, where the profile has one and nothing that was written stands against it.
fn value_of(options: &Options<'_>, id: Id) -> Option<Value> {
    let request = options.request;
    if request.profile == Profile::Custom || request.role == Role::JobManager {
        return None;
    }
    let found = request
        .profile
        .defaults()
        .iter()
        .find_map(|default| match default.target {
            Target::Option(option, value) if option == id => Some(value),
            _ => None,
        })?;
    applies(options, id).then_some(found)
}

/// Whether nothing of the option's group was written: a profile completes no range that a user began.
fn applies(options: &Options<'_>, id: Id) -> bool {
    let group: &[Id] = match id {
        // Whoever writes the heap has divided total Flink memory; what managed memory gave up would all go to the
        // network.
        Id::ManagedFraction => &[Id::ManagedFraction, Id::ManagedSize, Id::TaskHeapSize],
        Id::NetworkMin => &[
            Id::NetworkMin,
            Id::NetworkMax,
            Id::NetworkFraction,
            Id::NumberOfBuffers,
        ],
        _ => return !options.is_set(id),
    };
    !group.iter().any(|id| options.is_set(*id))
}

fn size(options: &Options<'_>, value: Value) -> Option<Bytes> {
    match value {
        Value::Size(bytes) => Some(bytes),
        Value::Fraction(_) => None,
        Value::SegmentsPerSlot(segments) => {
            let segment = options.segment_size();
            let count = segments.checked_mul(options.slots())?;
            let bytes = segment.get().checked_mul(count).map(Bytes);
            bytes.filter(|bytes| *bytes <= Bytes::MAX)
        }
    }
}

impl Options<'_> {
    /// The default of a size option: the profile's, or Flink's own.
    pub fn default_size(&self, id: Id) -> Option<Bytes> {
        value_of(self, id)
            .and_then(|value| size(self, value))
            // A profile gives more room than Flink does, never less.
            .max(id.default_size(self.version()))
    }

    /// The default of a fraction option: the profile's, or Flink's own.
    pub fn default_fraction(&self, id: Id) -> f32 {
        match value_of(self, id) {
            Some(Value::Fraction(fraction)) => fraction,
            _ => id.default_fraction(),
        }
    }

    /// The profile, where an option's value comes from it.
    pub fn profile_of(&self, id: Id) -> Option<Profile> {
        value_of(self, id).map(|_| self.request.profile)
    }
}

/// What the request's profile reserves where nothing was written.
pub(super) fn reserve(request: &Request, kind: ReserveKind) -> Option<Bytes> {
    if kind != ReserveKind::NativeOvershoot {
        return None;
    }
    let backend = request
        .profile
        .defaults()
        .iter()
        .find_map(|default| match default.target {
            Target::NativeOvershoot(backend) => Some(backend),
            Target::Option(..) => None,
        })?;
    native::overshoot(request, backend)
}
