//! The other question: not whether a request solves, but what next to it does.

use super::{
    Budget, decimal,
    derivation::Derived,
    effective::Options,
    fraction,
    infeasible::Suggestion,
    joint::joint,
    options::Id,
    request::{Request, Role},
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
    smallest_limit(request, Bytes::ZERO)
}

/// The smallest whole-MiB container limit with which Flink starts comfortably: these options solve, and the heap is
/// no smaller than with the configuration that Flink ships. That is [`COMFORTABLE_TASK_HEAP`] of a TaskManager's task
/// heap (1728 MiB in all), and [`COMFORTABLE_JOBMANAGER_HEAP`] of a JobManager's heap (1600 MiB in all).
///
/// `None` where no limit helps: the options themselves hold the heap smaller, or solve with no limit.
///
/// # Guarantees
/// Never less than [`minimum_container_limit`]. With the limit [`solve`] gives a budget whose heap is at least as
/// large as said; one mebibyte less does not.
#[must_use]
pub fn comfortable_container_limit(request: &Request) -> Option<Bytes> {
    let heap = match request.role {
        Role::TaskManager => COMFORTABLE_TASK_HEAP,
        Role::JobManager => COMFORTABLE_JOBMANAGER_HEAP,
    };
    smallest_limit(request, heap)
}

/// The task heap of a TaskManager with `taskmanager.memory.process.size: 1728m`, as in the file that Flink ships since
/// 1.10.
pub const COMFORTABLE_TASK_HEAP: Bytes = Bytes(402_653_174);

/// The heap of a JobManager with `jobmanager.memory.process.size: 1600m`, as in the file that Flink ships since 1.11.
pub const COMFORTABLE_JOBMANAGER_HEAP: Bytes = Bytes::from_mebibytes(1024);

/// What a container limit leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// More would help.
    TooSmall,
    /// It solves, with the heap that is asked for.
    Fits,
    /// Something else is in the way.
    Refused,
}

/// What the limit of this request leads to, where the heap is to be no smaller than this.
fn fit(request: &Request, heap: Bytes) -> Fit {
    let (derived, violations, _) = violations(&Options::new(request));
    let has_heap = match &derived {
        Some(Derived::TaskManager(derivation)) => derivation.task_heap.bytes >= heap,
        Some(Derived::JobManager(derivation)) => derivation.heap().bytes >= heap,
        None => false,
    };
    if violations.is_empty() && has_heap {
        Fit::Fits
    } else if violations.is_empty()
        || violations
            .iter()
            .any(|violation| asks_for_more(&violation.kind))
    {
        Fit::TooSmall
    } else {
        Fit::Refused
    }
}

/// The smallest whole-MiB limit that solves and leaves this heap.
fn smallest_limit(request: &Request, heap: Bytes) -> Option<Bytes> {
    let mut trial = Trial::new(request);
    // The largest limit tells whether the options have a total of their own.
    trial.request.container_limit = Some(Bytes::MAX);
    let options = Options::new(&trial.request);
    if options.room_as_process_size.is_none() {
        let (derived, _, _) = violations(&options);
        let process = derived?.total_process();
        let limit = process.bytes.saturating_add(options.reserved());
        trial.request.container_limit = Some(limit.round_up_to_mebibyte());
        let fits = fit(&trial.request, heap) == Fit::Fits;
        return fits.then_some(limit.round_up_to_mebibyte());
    }
    let points = breakpoints(&trial);
    let mut fit = |mebibytes: u64| {
        trial.request.container_limit = Some(Bytes::from_mebibytes(mebibytes));
        fit(&trial.request, heap)
    };
    // The breakpoint before, where it was too small.
    let mut below: Option<u64> = None;
    for point in points {
        let at_point = fit(point);
        let (mut limit, mut at_limit) = (point, at_point);
        if let Some(mut below) = below.filter(|_| at_point != Fit::TooSmall) {
            while below + 1 < limit {
                let middle = below.midpoint(limit);
                match fit(middle) {
                    Fit::TooSmall => below = middle,
                    at_middle => (limit, at_limit) = (middle, at_middle),
                }
            }
        }
        if at_limit == Fit::Fits {
            return Some(Bytes::from_mebibytes(limit));
        }
        below = (at_point == Fit::TooSmall).then_some(point);
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
    use crate::budget::{Change, Configuration, FlinkVersion, Origin, options, violation::Parts};

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
    fn a_larger_total_helps_what_is_too_small() {
        let parts = Parts {
            framework_heap: None,
            framework_off_heap: None,
            task_heap: None,
            task_off_heap: None,
            managed: None,
            network: None,
        };
        let out_of_range = |network, minimum| Kind::NetworkOutOfRange {
            parts,
            network: Bytes(network),
            minimum: Bytes(minimum),
            maximum: Bytes(9),
            total_flink: Bytes(9),
        };
        assert!(asks_for_more(&out_of_range(1, 2)));
        assert!(!asks_for_more(&out_of_range(2, 2)));
        assert!(!asks_for_more(&out_of_range(10, 2)));
        let differs = |network, buffers| Kind::NetworkDiffersFromBuffers {
            parts,
            network: Bytes(network),
            buffers: Bytes(buffers),
            total_flink: Bytes(9),
        };
        assert!(asks_for_more(&differs(1, 2)));
        assert!(!asks_for_more(&differs(2, 2)));
        assert!(!asks_for_more(&differs(3, 2)));
    }

    #[test]
    fn the_slope_changes_where_a_fraction_meets_a_bound() {
        let request = request(&[
            (options::NETWORK_FRACTION, "0.25"),
            (options::NETWORK_MIN, "100m"),
            (options::NETWORK_MAX, "200m"),
            (options::JVM_OVERHEAD_FRACTION, "0.5"),
            (options::JVM_OVERHEAD_MIN, "300m"),
            (options::JVM_OVERHEAD_MAX, "600m"),
            (options::JVM_METASPACE_SIZE, "64m"),
        ]);
        // A process of twice the overhead; four times the network, the metaspace and an overhead of 300 MiB, of 600 MiB
        // or as large as the rest: 464 and 864 MiB doubled.
        let around = |mebibytes: u64| [mebibytes - 1, mebibytes, mebibytes + 1];
        let expected = [600, 764, 928, 1064, 1164, 1200, 1464, 1728].map(around);
        assert_eq!(
            breakpoints(&Trial::new(&request)),
            [&[1], expected.as_flattened(), &[LARGEST_LIMIT]].concat()
        );
    }

    #[test]
    fn a_comfortable_container_has_the_heap_that_flink_ships() {
        let comfortable = |settings: &[(&str, &str)]| {
            comfortable_container_limit(&request(settings)).map(Bytes::whole_mebibytes)
        };
        // What Flink ships is comfortable, to the mebibyte.
        assert_eq!(comfortable(&[]), Some(1728));
        assert_eq!(comfortable(&[(options::PROCESS_SIZE, "1728m")]), Some(1728));
        assert_eq!(comfortable(&[(options::PROCESS_SIZE, "1727m")]), None);
        // Without managed memory the same heap needs a smaller container.
        assert_eq!(comfortable(&[(options::MANAGED_SIZE, "0")]), Some(1160));
        // The options themselves keep the heap small.
        assert_eq!(comfortable(&[(options::TASK_HEAP_SIZE, "100m")]), None);
        let jobmanager = request(&[]).with_role(Role::JobManager);
        assert_eq!(
            comfortable_container_limit(&jobmanager),
            Some(Bytes::from_mebibytes(1600))
        );
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
