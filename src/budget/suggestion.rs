//! The ways out of a conflict: changes to options, each tried by solving again.

use super::{
    Budget,
    infeasible::{Change, Suggestion},
    request::Request,
    solve,
};
use crate::bytes::Bytes;

/// The smallest whole-MiB container limit with which these options solve; `None` where no limit helps.
///
/// The options' own total is honoured: where they determine the process size, the limit is that size rounded up.
#[must_use]
pub fn minimum_container_limit(request: &Request) -> Option<Bytes> {
    let mut trial = request.clone();
    let mut solves = |mebibytes: u64| {
        trial.container_limit = Some(Bytes::from_mebibytes(mebibytes));
        solve(&trial).is_ok()
    };
    // The first power of two that solves, then the smallest value between it and the one before.
    let largest = (0..43)
        .map(|power| 1_u64 << power)
        .find(|mebibytes| solves(*mebibytes))?;
    let (mut too_small, mut enough) = (largest / 2, largest);
    while too_small + 1 < enough {
        let middle = too_small.midpoint(enough);
        if solves(middle) {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    Some(Bytes::from_mebibytes(enough))
}

/// The budget nearest to what was asked, and the changes that lead to it; no changes where the request solves
/// as it is, `None` where taking out everything that clashes does not help.
#[must_use]
pub fn nearest_feasible(request: &Request) -> Option<(Budget, Vec<Suggestion>)> {
    let mut trial = request.clone();
    let mut changes = Vec::new();
    loop {
        let infeasible = match solve(&trial) {
            Ok(budget) => return Some((budget, changes)),
            Err(infeasible) => infeasible,
        };
        let written = infeasible
            .conflicts
            .iter()
            .flat_map(|conflict| &conflict.options)
            .find_map(|option| {
                let position = trial
                    .configuration
                    .settings()
                    .iter()
                    .position(|setting| setting.key == option.key)?;
                Some((position, option.clone()))
            });
        let (position, option) = written?;
        let setting = trial.configuration.settings_mut().remove(position);
        changes.push(Suggestion {
            key: setting.key,
            path: option.path,
            origin: Some(setting.origin),
            current: Some(setting.value),
            change: Change::Remove,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Configuration, FlinkVersion, Origin, options};

    fn request(settings: &[(&str, &str)]) -> Request {
        let configuration =
            settings
                .iter()
                .fold(Configuration::new(), |configuration, (key, value)| {
                    configuration.with(*key, *value, Origin::FlinkConfiguration)
                });
        Request::new(FlinkVersion::V2_1, configuration)
    }

    #[test]
    fn smallest_limit_solves_and_one_less_does_not() {
        let request = request(&[]);
        let limit = minimum_container_limit(&request).expect("defaults fit into some limit");
        assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let less = limit.saturating_sub(Bytes::MEBI);
        assert!(solve(&request.with_container_limit(less)).is_err());
    }

    #[test]
    fn nearest_feasible_solves() {
        let request = request(&[(options::PROCESS_SIZE, "1g"), (options::MANAGED_SIZE, "4g")]);
        let (budget, changes) =
            nearest_feasible(&request).expect("one option too large can be changed");
        assert_eq!(changes.len(), 1);
        assert_eq!(budget.total_process.bytes, Bytes::GIBI);
    }
}
