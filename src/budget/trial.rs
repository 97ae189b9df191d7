//! A request that is changed and solved again: how every suggestion is tried before anybody sees it.
//!
//! A trial carries only the options that the derivation reads, so that trying costs the same for a
//! configuration of a megabyte.

use std::mem::Discriminant;

use super::{
    decimal,
    derivation::{Derived, EveryViolation, derive},
    effective::Options,
    fraction,
    infeasible::{Change, Suggestion},
    kubernetes, memory_size,
    options::{self, Id},
    request::{Origin, Request, Setting},
    reserves::{Reserve, ReserveKind},
    startup,
    violation::{Kind, Step, Violation},
};
use crate::{bytes::Bytes, quantity};

/// One change to a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    /// Writes an option: over the setting that counts, or as a new one.
    Set(Id, String),
    /// Takes the setting that counts out.
    Remove(Id),
    /// Takes every setting of a key out of one kind of origin.
    RemoveFrom(Id, Origin),
    /// Takes a key out that is no option of the derivation's own.
    RemoveKey(String),
    /// Takes `FLINK_TM_HEAP` out of the environment.
    RemoveEnvironment,
    /// Writes `FLINK_TM_HEAP`.
    SetEnvironment(String),
    /// Gives the container this much memory.
    Limit(Bytes),
    /// Keeps this much of the container in reserve.
    Reserve(ReserveKind, Bytes),
}

/// What a violation is about, apart from its numbers: two violations of the same identity are one conflict seen
/// twice.
pub(super) type Identity = (Discriminant<Kind>, Option<Id>);

/// The identity of a violation.
pub(super) fn identity(kind: &Kind) -> Identity {
    let option = match kind {
        Kind::Size { option, .. }
        | Kind::Float { option, .. }
        | Kind::Integer { option }
        | Kind::Boolean { option }
        | Kind::LimitFactorBelowOne { option, .. }
        | Kind::DuplicateSource { option } => Some(*option),
        Kind::RangeInverted {
            fraction_option, ..
        }
        | Kind::FractionOutside {
            fraction_option, ..
        } => Some(*fraction_option),
        _ => None,
    };
    (std::mem::discriminant(kind), option)
}

/// Everything that is wrong with the options: what Flink refuses, in Flink's order, and then what the started
/// process would not survive. The second value tells how many of them are Flink's.
pub(super) fn violations(options: &Options<'_>) -> (Option<Derived>, Vec<Violation>, usize) {
    let mut every = EveryViolation::default();
    let derived = derive(options, &mut every).ok();
    let mut violations = every.0;
    if let Some(derived) = &derived {
        let mut of_pod = EveryViolation::default();
        // Where everything is kept, nothing ends the derivation.
        let _ = kubernetes::check(options, derived, &mut of_pod);
        let mut news = of_pod.0;
        news.retain(|new| {
            violations
                .iter()
                .all(|known| identity(&known.kind) != identity(&new.kind))
        });
        violations.extend(news);
    }
    let flinks = violations.len();
    let mut own = |kind: Kind| {
        // The number of slots stands in for the cores, and may have been refused as such.
        let known_as_cores = matches!(kind, Kind::SlotsInvalid { .. })
            && violations.iter().any(|known| {
                matches!(
                    known.kind,
                    Kind::CpuNotPositive {
                        option: Id::NumberOfTaskSlots
                    }
                )
            });
        if !known_as_cores
            && !violations
                .iter()
                .any(|known| identity(&known.kind) == identity(&kind))
        {
            violations.push(Violation {
                kind,
                step: Step::Afterwards,
            });
        }
    };
    if options.has_duplicates() {
        Id::ALL
            .into_iter()
            .filter(|id| options.is_duplicated(*id))
            .for_each(|option| own(Kind::DuplicateSource { option }));
    }
    if let Some(derived) = &derived {
        startup::check(options, derived, own);
    }
    (derived, violations, flinks)
}

/// A request to try changes on.
#[derive(Clone)]
pub(super) struct Trial {
    pub request: Request,
}

impl Trial {
    /// The request without the options that the derivation does not read.
    pub fn new(request: &Request) -> Trial {
        let relevant = |setting: &&Setting| {
            options::lookup(request.role, &setting.key).is_some()
                || setting.key.starts_with(options::EXTERNAL_RESOURCE_PREFIX)
                // What a profile keeps in reserve depends on the state backend.
                || setting.key.starts_with(options::state_backend::STATE_BACKEND)
        };
        Trial {
            request: Request {
                flink_version: request.flink_version,
                role: request.role,
                mode: request.mode,
                configuration: request
                    .configuration
                    .iter()
                    .filter(relevant)
                    .cloned()
                    .collect(),
                container_limit: request.container_limit,
                memory_request: request.memory_request,
                cpu_limit: request.cpu_limit,
                profile: request.profile,
                reserves: request.reserves.clone(),
                legacy_heap_environment: request.legacy_heap_environment.clone(),
            },
        }
    }

    /// What is wrong with it.
    pub fn findings(&self) -> Vec<Violation> {
        violations(&Options::new(&self.request)).1
    }

    /// Whether nothing is wrong with it.
    pub fn solves(&self) -> bool {
        self.findings().is_empty()
    }

    /// The size of an option now: written, or by default; `None` where it does not parse or there is none.
    pub fn size(&self, id: Id) -> Option<Bytes> {
        let options = Options::new(&self.request);
        match options.setting(id) {
            Some(setting) => memory_size::parse(&setting.value).ok(),
            None => options.default_size(id),
        }
    }

    /// The fraction of an option now: written, or by default; `None` where Flink does not take it.
    pub fn fraction(&self, id: Id) -> Option<f32> {
        let options = Options::new(&self.request);
        let fraction = match options.setting(id) {
            Some(setting) => decimal::parse_java_float(&setting.value).ok()?,
            None => options.default_fraction(id),
        };
        fraction::is_valid(fraction).then_some(fraction)
    }

    /// The request after a change.
    pub fn with(&self, edit: &Edit) -> Trial {
        Trial {
            request: self.request.with_suggestion(&self.suggestion(edit)),
        }
    }

    /// Where an option would be written that is not written yet: beside the others.
    pub fn place(&self, id: Id) -> Origin {
        let settings = self.request.configuration.settings();
        let typed = settings
            .iter()
            .any(|setting| matches!(setting.origin, Origin::Field(_)));
        let on_command_line = settings
            .iter()
            .any(|setting| setting.origin == Origin::CommandLine);
        // Beside the last line of a file, because the last one of a file is the one that counts.
        let file = settings
            .iter()
            .rev()
            .find_map(|setting| match &setting.origin {
                Origin::File { file, .. } => Some(file),
                _ => None,
            });
        if let Some(file) = file {
            return Origin::File {
                file: file.clone(),
                line: None,
                column: None,
            };
        }
        match id.field_path(self.request.role) {
            Some(path) if typed || (self.request.container_limit.is_some() && !on_command_line) => {
                Origin::field(path)
            }
            _ if on_command_line => Origin::CommandLine,
            _ => Origin::FlinkConfiguration,
        }
    }

    /// A change, as it is shown to people.
    pub fn suggestion(&self, edit: &Edit) -> Suggestion {
        let written = |key: String, setting: Option<&Setting>, change: Change| Suggestion {
            exact: None,
            path: setting.map_or_else(String::new, |setting| setting.origin.path(&setting.key)),
            origin: setting.map(|setting| setting.origin.clone()),
            current: setting.map(|setting| setting.value.clone()),
            key,
            change,
        };
        let options = Options::new(&self.request);
        let settings = self.request.configuration.settings();
        match edit {
            Edit::Set(id, value) => match options.setting(*id) {
                Some(setting) => written(
                    setting.key.clone(),
                    Some(setting),
                    Change::Set(value.clone()),
                ),
                None => {
                    let origin = self.place(*id);
                    Suggestion {
                        key: options.key(*id).to_owned(),
                        path: origin.path(options.key(*id)),
                        origin: Some(origin),
                        current: None,
                        change: Change::Set(value.clone()),
                        exact: None,
                    }
                }
            },
            Edit::Remove(id) => {
                let setting = options.setting(*id);
                let key = setting
                    .map_or(options.key(*id), |setting| &setting.key)
                    .to_owned();
                written(key, setting, Change::Remove)
            }
            Edit::RemoveFrom(id, origin) => {
                let kind = std::mem::discriminant(origin);
                let setting = settings.iter().find(|setting| {
                    std::mem::discriminant(&setting.origin) == kind
                        && options::lookup(options.role(), &setting.key)
                            .is_some_and(|(other, _)| other == *id)
                });
                let key = setting
                    .map_or(options.key(*id), |setting| &setting.key)
                    .to_owned();
                written(key, setting, Change::Remove)
            }
            Edit::RemoveKey(key) => written(
                key.clone(),
                settings.iter().find(|setting| setting.key == *key),
                Change::Remove,
            ),
            Edit::RemoveEnvironment | Edit::SetEnvironment(_) => Suggestion {
                key: options.heap_environment().to_owned(),
                path: Origin::Environment.path(options.heap_environment()),
                origin: Some(Origin::Environment),
                current: self.request.legacy_heap_environment.clone(),
                change: match edit {
                    Edit::SetEnvironment(value) => Change::Set(value.clone()),
                    _ => Change::Remove,
                },
                exact: None,
            },
            Edit::Reserve(kind, bytes) => {
                let in_effect = options
                    .reserves
                    .iter()
                    .find(|reserve| reserve.kind == *kind);
                let written = in_effect.filter(|reserve| reserve.is_written());
                let origin = in_effect.map_or(Origin::field(kind.field_path()), Reserve::place);
                Suggestion {
                    key: kind.as_str().to_owned(),
                    path: written.map_or(kind.field_path().to_owned(), Reserve::path),
                    origin: Some(origin),
                    current: written.map(|reserve| memory_size::text(reserve.bytes)),
                    change: Change::Set(memory_size::text(*bytes)),
                    exact: None,
                }
            }
            Edit::Limit(limit) => Suggestion {
                key: options.key(Id::ProcessSize).to_owned(),
                path: Origin::ContainerLimit.path(options.key(Id::ProcessSize)),
                origin: Some(Origin::ContainerLimit),
                current: self.request.container_limit.map(quantity::memory_text),
                change: Change::Set(quantity::memory_text(*limit)),
                exact: None,
            },
        }
    }
}

/// One option of a request, its container's limit or its environment, at one value after the other: what each
/// leads to.
///
/// The request is copied once, however many values are tried.
pub(super) struct Probe {
    request: Request,
    /// Where the option stands; `None` for what is no option.
    index: Option<usize>,
}

impl Probe {
    /// An option where it stands, or where it would be written; without an option, what is none.
    pub fn new(trial: &Trial, option: Option<Id>) -> Probe {
        let mut request = trial.request.clone();
        let index = option.map(|id| {
            let settings = trial.request.configuration.settings();
            let chosen = Options::new(&trial.request).setting(id);
            chosen
                .and_then(|chosen| {
                    settings
                        .iter()
                        .position(|setting| std::ptr::eq(setting, chosen))
                })
                .unwrap_or_else(|| {
                    let origin = trial.place(id);
                    let key = id.key(request.role);
                    request.configuration.push(key, String::new(), origin);
                    settings.len()
                })
        });
        Probe { request, index }
    }

    /// What is wrong after a change of this option, or of what is none; any other change changes nothing.
    pub fn findings_after(&mut self, edit: Edit) -> Vec<Violation> {
        match (edit, self.index) {
            (Edit::Set(_, value), Some(index)) => {
                self.request.configuration.settings_mut()[index].value = value;
            }
            (Edit::Limit(limit), None) => self.request.container_limit = Some(limit),
            (Edit::Reserve(kind, bytes), None) => {
                let origin = Origin::field(kind.field_path());
                self.request.set_reserve(kind, bytes, &origin);
            }
            (Edit::SetEnvironment(value), None) => {
                self.request.legacy_heap_environment = Some(value);
            }
            _ => {}
        }
        violations(&Options::new(&self.request)).1
    }
}
