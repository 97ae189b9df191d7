//! The other question: not whether a request solves, but what next to it does.

use super::{
    Budget, decimal,
    effective::Options,
    fraction,
    infeasible::Suggestion,
    joint::joint,
    options::Id,
    request::Request,
    solve,
    trial::{Trial, violations},
    violation::Kind,
};
use crate::bytes::Bytes;

/// The smallest whole-MiB container limit with which these options solve; `None` where no limit helps.
///
/// The options' own total is honoured: where they determine the process size, the limit is that size rounded up.
#[must_use]
pub fn minimum_container_limit(request: &Request) -> Option<Bytes> {
    let mut trial = Trial::new(request);
    // The largest limit tells whether the options have a total of their own.
    trial.request.container_limit = Some(Bytes::MAX);
    let options = Options::new(&trial.request);
    if options.room_as_process_size.is_none() {
        let (derived, _, _) = violations(&options);
        let process = derived?.total_process();
        let limit = process.bytes.saturating_add(options.reserved());
        trial.request.container_limit = Some(limit.round_up_to_mebibyte());
        return trial.solves().then_some(limit.round_up_to_mebibyte());
    }
    let points = breakpoints(&trial);
    let mut too_small = |mebibytes: u64| {
        trial.request.container_limit = Some(Bytes::from_mebibytes(mebibytes));
        let (_, violations, _) = violations(&Options::new(&trial.request));
        let too_small = violations
            .iter()
            .any(|violation| asks_for_more(&violation.kind));
        (too_small, violations.is_empty())
    };
    for pair in points.windows(2) {
        let (mut below, mut enough) = (pair[0], pair[1]);
        match (too_small(below), too_small(enough)) {
            ((false, true), _) => return Some(Bytes::from_mebibytes(below)),
            ((true, _), (false, _)) => {
                while below + 1 < enough {
                    let middle = below.midpoint(enough);
                    if too_small(middle).0 {
                        below = middle;
                    } else {
                        enough = middle;
                    }
                }
                if too_small(enough).1 {
                    return Some(Bytes::from_mebibytes(enough));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a larger total would lead out of the violation.
fn asks_for_more(kind: &Kind) -> bool {
    match kind {
        Kind::ComponentsExceedFlink { .. }
        | Kind::JvmExceedsProcess { .. }
        | Kind::ProcessBelowFlink { .. }
        | Kind::ProcessExceedsLimit { .. }
        | Kind::HeapExceedsFlink { .. }
        | Kind::OffHeapTakesAll { .. }
        | Kind::NetworkTooSmall { .. }
        | Kind::HeapTooSmall { .. } => true,
        Kind::NetworkOutOfRange {
            network, minimum, ..
        } => network < minimum,
        Kind::NetworkDiffersFromBuffers {
            network, buffers, ..
        } => network < buffers,
        _ => false,
    }
}

/// The budget nearest to what was asked, and the changes that lead to it: no changes where the request solves as
/// it is, `None` where taking out everything that clashes does not help either.
///
/// Changes are those that the conflicts suggest, with two differences: the container is never enlarged, and where
/// no single change helps, options are taken out, the largest first.
///
/// # Guarantees
/// The budget is what [`solve`] gives for the request with exactly these changes.
#[must_use]
pub fn nearest_feasible(request: &Request) -> Option<(Budget, Vec<Suggestion>)> {
    let changes = joint(request, false)?;
    let changed = changes.iter().fold(request.clone(), |request, change| {
        request.with_suggestion(change)
    });
    solve(&changed).ok().map(|budget| (budget, changes))
}

/// Sizes at which the terms of the model change their slope, as container limits in mebibytes: between two of
/// them, more memory either always helps or always hurts.
fn breakpoints(trial: &Trial) -> Vec<u64> {
    let size = |id| trial.size(id).unwrap_or(Bytes::ZERO);
    let options = Options::new(&trial.request);
    let fraction = |id: Id| {
        let written = options
            .setting(id)
            .and_then(|setting| decimal::parse_java_float(&setting.value).ok());
        written
            .filter(|fraction| fraction::is_valid(*fraction))
            .unwrap_or(options.default_fraction(id))
    };
    // The size whose fraction is `part`; only the neighbourhood matters, so a float's own rounding does not.
    let whole_of = |part: Bytes, fraction: f32| {
        let millionths = (f64::from(fraction) * 1e6) as u128;
        let whole = u128::from(part.get()) * 1_000_000 / millionths.max(1);
        Bytes(
            u64::try_from(whole)
                .unwrap_or(u64::MAX)
                .min(Bytes::MAX.get()),
        )
    };
    let overhead = fraction(Id::JvmOverheadFraction);
    let bounds = [size(Id::JvmOverheadMin), size(Id::JvmOverheadMax)];
    let mut points: Vec<Bytes> = bounds
        .iter()
        .map(|bound| whole_of(*bound, overhead))
        .collect();
    for network in [size(Id::NetworkMin), size(Id::NetworkMax)] {
        let total_flink = whole_of(network, fraction(Id::NetworkFraction));
        let base = total_flink.saturating_add(size(Id::JvmMetaspaceSize));
        points.extend(bounds.iter().map(|bound| base.saturating_add(*bound)));
        points.push(base.saturating_add(fraction::inverse(base, overhead).unwrap_or(Bytes::MAX)));
    }
    let mut mebibytes: Vec<u64> = points
        .iter()
        .map(|point| point.saturating_add(options.reserved()).whole_mebibytes())
        .flat_map(|point| [point.saturating_sub(1), point, point + 1])
        .chain([1, LARGEST_LIMIT])
        .filter(|point| (1..=LARGEST_LIMIT).contains(point))
        .collect();
    mebibytes.sort_unstable();
    mebibytes.dedup();
    mebibytes
}

/// An exbibyte in mebibytes: more than any container has.
const LARGEST_LIMIT: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Change, Configuration, FlinkVersion, Origin, options};

    fn request(settings: &[(&str, &str)]) -> Request {
        let configuration =
            settings
                .iter()
                .fold(Configuration::new(), |configuration, (key, value)| {
                    configuration.with(*key, *value, Origin::FlinkConfiguration)
                });
        Request::new(FlinkVersion::V2_1, configuration)
    }

    fn assert_smallest(request: &Request, expected_mebibytes: u64) {
        let limit = minimum_container_limit(request).expect("some limit solves");
        assert_eq!(limit, Bytes::from_mebibytes(expected_mebibytes));
        assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let less = limit.saturating_sub(Bytes::MEBI);
        assert!(solve(&request.clone().with_container_limit(less)).is_err());
    }

    #[test]
    fn smallest_limit_solves_and_one_less_does_not() {
        assert_smallest(&request(&[]), 982);
        assert_smallest(&request(&[(options::PROCESS_SIZE, "1728m")]), 1728);
        assert_smallest(&request(&[(options::FLINK_SIZE, "1g")]), 1472);
        assert_smallest(&request(&[(options::TASK_HEAP_SIZE, "1g")]), 2774);
    }

    #[test]
    fn smallest_limit_is_found_inside_a_window() {
        // Network memory is the rest and must lie within one mebibyte, so few limits solve.
        let request = request(&[
            (options::TASK_HEAP_SIZE, "1g"),
            (options::NETWORK_MIN, "100m"),
            (options::NETWORK_MAX, "101m"),
        ]);
        let limit = minimum_container_limit(&request).expect("a limit inside the window solves");
        assert!(solve(&request.clone().with_container_limit(limit)).is_ok());
        let more = limit.saturating_add(Bytes::from_mebibytes(3));
        assert!(solve(&request.with_container_limit(more)).is_err());
    }

    #[test]
    fn no_limit_helps_where_the_options_are_unreadable() {
        assert_eq!(
            minimum_container_limit(&request(&[(options::MANAGED_SIZE, "many")])),
            None
        );
    }

    #[test]
    fn nearest_lowers_what_asks_too_much() {
        let request = request(&[(options::MANAGED_SIZE, "4g")])
            .with_container_limit(Bytes::from_mebibytes(2048));
        let (budget, changes) =
            nearest_feasible(&request).expect("lowering managed memory is enough");
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].key, options::MANAGED_SIZE);
        assert_eq!(budget.total_process.bytes, Bytes::from_mebibytes(2048));
        // One mebibyte more of managed memory would not fit.
        let Change::Set(value) = &changes[0].change else {
            panic!("{changes:?}")
        };
        assert_eq!(
            value,
            &crate::budget::memory_size::text(budget.managed.bytes)
        );
        assert!(budget.task_heap.bytes < Bytes::MEBI);
    }

    #[test]
    fn nearest_takes_out_what_no_single_change_mends() {
        let request = request(&[
            (options::MANAGED_SIZE, "4g"),
            (options::TASK_OFF_HEAP_SIZE, "5g"),
        ])
        .with_container_limit(Bytes::from_mebibytes(2048));
        let (_, changes) = nearest_feasible(&request).expect("both can be changed");
        assert_eq!(changes.len(), 2);
    }
}
