//! What can be told of a request whether it solves or not: the sizes that are known, and the options that count.
//!
//! Pictures of conflicts and comparisons of configurations are made of this; nothing here decides a size.

use super::{
    Component,
    effective::Options,
    infeasible::OptionReference,
    options::{self, Id},
    request::{Origin, Request, Role},
    source,
    statement::reference,
    trial::violations,
};

/// The components whose size is known, by their names in the JSON of a budget, although the request may not solve.
///
/// A component that would be the rest of sizes which do not fit, or that follows from an option that cannot be
/// read, is absent. For a request that solves these are the components of its budget.
#[must_use]
pub fn known_components(request: &Request) -> Vec<(&'static str, Component)> {
    let options = Options::new(request);
    let Some(derived) = violations(&options).0 else {
        return Vec::new();
    };
    derived
        .amounts()
        .into_iter()
        .filter(|(_, amount)| amount.known)
        .map(|(name, amount)| {
            let component = Component {
                bytes: amount.bytes,
                source: source(&options, amount),
            };
            (name, component)
        })
        .collect()
}

/// The value that counts for every option which the derivation reads: the one that was written, or the default.
/// Options that are neither written nor have a default are absent.
#[must_use]
pub fn options_in_effect(request: &Request) -> Vec<OptionReference> {
    let options = Options::new(request);
    let mut found: Vec<OptionReference> = of_role(request.role)
        .filter_map(|id| reference(&options, id))
        .collect();
    if let Some(value) = &request.legacy_heap_environment
        && options.version().reads_legacy_options()
    {
        let variable = heap_environment(request.role);
        found.push(OptionReference {
            key: variable.to_owned(),
            origin: Some(Origin::Environment),
            path: Origin::Environment.path(variable),
            value: value.clone(),
            is_default: false,
        });
    }
    found
}

/// Whether the options alone say how large the process is, without a container's limit. A JobManager of Flink 1.10
/// always has a size.
#[must_use]
pub fn determines_total(request: &Request) -> bool {
    let options = Options::new(request);
    options.uses_cutoff() || options.determines_total()
}

/// The options that there are for a process.
fn of_role(role: Role) -> impl Iterator<Item = Id> {
    Id::ALL
        .into_iter()
        .filter(move |id| options::lookup(role, id.key(role)).is_some())
}

/// The proper key of an option that the derivation reads, whichever spelling is given; `None` for any other key.
#[must_use]
pub fn proper_key(role: Role, key: &str) -> Option<&'static str> {
    options::lookup(role, key).map(|(id, _)| id.key(role))
}

/// The proper key of the option that a typed field of a `TaskManagerPool` becomes, by the field's path.
#[must_use]
pub fn key_of_field(path: &str) -> Option<&'static str> {
    let role = Role::TaskManager;
    of_role(role)
        .find(|id| id.field_path(role) == Some(path))
        .map(|id| id.key(role))
}

/// The proper keys of all options that the derivation of a process reads.
pub fn option_keys(role: Role) -> impl Iterator<Item = &'static str> {
    of_role(role).map(move |id| id.key(role))
}

/// The environment variable that a process's legacy heap size is read from first, up to Flink 1.20.
#[must_use]
pub const fn heap_environment(role: Role) -> &'static str {
    match role {
        Role::TaskManager => options::HEAP_ENVIRONMENT,
        Role::JobManager => options::JOBMANAGER_HEAP_ENVIRONMENT,
    }
}

impl Request {
    /// The same request with one option as it is in another request: every spelling of it is taken out, and what the
    /// other has of it is written last. `key` is a proper key, or the name of the environment variable.
    #[must_use]
    pub fn with_option_of(&self, other: &Request, key: &str) -> Request {
        let mut changed = self.clone();
        if [
            options::HEAP_ENVIRONMENT,
            options::JOBMANAGER_HEAP_ENVIRONMENT,
        ]
        .contains(&key)
        {
            changed
                .legacy_heap_environment
                .clone_from(&other.legacy_heap_environment);
            return changed;
        }
        let is_meant = |written: &str| proper_key(self.role, written) == Some(key);
        let kept = self
            .configuration
            .iter()
            .filter(|setting| !is_meant(&setting.key));
        let taken = other
            .configuration
            .iter()
            .filter(|setting| is_meant(&setting.key));
        changed.configuration = kept.chain(taken).cloned().collect();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        budget::{Configuration, FlinkVersion, solve},
        bytes::Bytes,
    };

    fn request(settings: &[(&str, &str)]) -> Request {
        let configuration = settings
            .iter()
            .fold(Configuration::new(), |configuration, (key, value)| {
                configuration.with(*key, *value, Origin::CommandLine)
            });
        Request::new(FlinkVersion::V1_20, configuration)
    }

    #[test]
    fn what_solves_is_known_as_a_whole() {
        let request = request(&[(options::PROCESS_SIZE, "4g")]);
        let budget = solve(&request).expect("4 GiB are enough");
        let known = known_components(&request);
        let expected: Vec<_> = budget
            .components()
            .into_iter()
            .map(|(name, component)| (name, component.clone()))
            .collect();
        assert_eq!(known, expected);
    }

    #[test]
    fn a_rest_of_what_does_not_fit_is_not_known() {
        let request = request(&[(options::PROCESS_SIZE, "4g"), (options::MANAGED_SIZE, "5g")]);
        assert!(solve(&request).is_err());
        let known = known_components(&request);
        let size = |name: &str| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.map(|(_, component)| component.bytes)
        };
        assert_eq!(size("managed"), Some(Bytes(5 << 30)));
        assert_eq!(size("totalFlink"), Some(Bytes(3_597_035_104)));
        assert_eq!(size("taskHeap"), None);
    }

    #[test]
    fn an_option_is_taken_over_whatever_its_spelling() {
        let one = request(&[
            ("taskmanager.memory.size", "1g"),
            (options::FLINK_SIZE, "2g"),
        ]);
        let other = request(&[(options::MANAGED_SIZE, "512m")]);
        let changed = one.with_option_of(&other, options::MANAGED_SIZE);
        let written: Vec<_> = changed
            .configuration
            .iter()
            .map(|setting| (setting.key.as_str(), setting.value.as_str()))
            .collect();
        assert_eq!(
            written,
            [(options::FLINK_SIZE, "2g"), (options::MANAGED_SIZE, "512m")]
        );
        let removed = one.with_option_of(&request(&[]), options::MANAGED_SIZE);
        assert_eq!(removed.configuration.iter().count(), 1);
    }

    #[test]
    fn options_in_effect_name_their_place_or_their_default() {
        let found = options_in_effect(&request(&[(options::NETWORK_MAX, "1g")]));
        let of = |key: &str| found.iter().find(|option| option.key == key);
        let maximum = of(options::NETWORK_MAX).expect("it is written");
        assert_eq!((maximum.value.as_str(), maximum.is_default), ("1g", false));
        let minimum = of(options::NETWORK_MIN).expect("it has a default");
        assert_eq!((minimum.value.as_str(), minimum.is_default), ("64m", true));
        assert!(of(options::FLINK_SIZE).is_none());
    }
}
