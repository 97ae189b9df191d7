//! How managed memory is shared out inside a slot: the weights of its consumers, their shares, bytes and pages.
//!
//! Mirrors `ManagedMemoryUtils` and the sizes of `MemoryManager`. A slot owns an equal part of the TaskManager's
//! managed memory; what its tasks take of it is decided by the weights of the kinds of consumers that the slot has.

mod map_text;

use serde::Serialize;

use super::{
    decimal::java_double,
    infeasible::FlinkError,
    options::state_backend::MANAGED_CONSUMER_WEIGHTS,
    request::Configuration,
    typed_option::{TypedOptions, parse_integer},
    version::FlinkVersion,
};
use crate::bytes::Bytes;

/// What managed memory is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UseCase {
    /// Sorting, hashing and caching in built-in operators, mostly of batch jobs.
    Operator,
    /// A state backend with native memory: RocksDB or ForSt.
    StateBackend,
    /// Workers that run Python functions.
    Python,
}

/// Who shares the memory of a use case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SharingScope {
    /// Each operator has a part of its own, in pages.
    Operator,
    /// All operators of the slot share one amount, in bytes.
    Slot,
}

impl UseCase {
    /// Every use case, in the order in which Flink looks at their weights.
    pub const ALL: [UseCase; 3] = [Self::Operator, Self::StateBackend, Self::Python];

    /// Flink's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "OPERATOR",
            Self::StateBackend => "STATE_BACKEND",
            Self::Python => "PYTHON",
        }
    }

    /// Who shares the memory.
    #[must_use]
    pub const fn scope(self) -> SharingScope {
        match self {
            Self::Operator => SharingScope::Operator,
            Self::StateBackend | Self::Python => SharingScope::Slot,
        }
    }

    /// The names under which the weight may stand, the first that is there counts.
    fn names(self, version: FlinkVersion) -> &'static [&'static str] {
        if !version.weighs_operators_apart() {
            return match self {
                Self::Operator | Self::StateBackend => &["DATAPROC"],
                Self::Python => &["PYTHON"],
            };
        }
        match (self, version.falls_back_to_dataproc()) {
            (Self::Operator, true) => &["OPERATOR", "DATAPROC"],
            (Self::Operator, false) => &["OPERATOR"],
            (Self::StateBackend, true) => &["STATE_BACKEND", "DATAPROC"],
            (Self::StateBackend, false) => &["STATE_BACKEND"],
            (Self::Python, _) => &["PYTHON"],
        }
    }
}

/// The weights of the use cases.
///
/// Before 1.12 there are none, and each use case reckons with the whole slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerWeights {
    weights: Option<[i32; 3]>,
}

impl ConsumerWeights {
    /// Flink's defaults.
    #[must_use]
    pub fn default_of(version: FlinkVersion) -> Self {
        Self {
            weights: version.weighs_managed_consumers().then_some([70, 70, 30]),
        }
    }

    /// The weights in a configuration, or Flink's defaults.
    ///
    /// # Errors
    /// What Flink raises when a task asks for its share: a text that is no map, a weight that is no integer or
    /// negative, a name that 1.12 does not know. Later versions ignore other names.
    pub fn of(version: FlinkVersion, configuration: &Configuration) -> Result<Self, FlinkError> {
        if !version.weighs_managed_consumers() {
            return Ok(Self { weights: None });
        }
        let options = TypedOptions(configuration);
        let pairs = options.value(MANAGED_CONSUMER_WEIGHTS, |text| {
            map_text::parse(version, text)
        })?;
        // Without the key itself, the keys below it are the map: `….consumer-weights.PYTHON: 30`.
        let pairs = pairs.unwrap_or_else(|| options.below(MANAGED_CONSUMER_WEIGHTS));
        if pairs.is_empty() && configuration.setting(MANAGED_CONSUMER_WEIGHTS).is_none() {
            return Ok(Self::default_of(version));
        }
        Self::of_pairs(version, &pairs)
    }

    fn of_pairs(version: FlinkVersion, pairs: &[(String, String)]) -> Result<Self, FlinkError> {
        let negative = |name: &str, weight: i32| {
            FlinkError::configuration(format!(
                "Managed memory weight should not be negative. Configured weight for {name} is {weight}."
            ))
        };
        if !version.weighs_operators_apart() {
            // 1.12 goes through what was written instead of through what it knows.
            for (name, text) in pairs {
                let weight = parse_integer(text)?;
                if weight < 0 {
                    return Err(negative(name, weight));
                }
                if !["DATAPROC", "PYTHON"].contains(&name.as_str()) {
                    return Err(FlinkError::configuration(format!(
                        "Unknown managed memory consumer: {name}"
                    )));
                }
            }
        }
        let mut weights = [0; 3];
        for (weight, use_case) in weights.iter_mut().zip(UseCase::ALL) {
            let written = use_case.names(version).iter().find_map(|name| {
                let (_, text) = pairs.iter().find(|(written, _)| written == name)?;
                Some(text)
            });
            if let Some(text) = written {
                *weight = parse_integer(text)?;
                if *weight < 0 {
                    return Err(negative(use_case.as_str(), *weight));
                }
            }
        }
        Ok(Self {
            weights: Some(weights),
        })
    }

    /// The weight of a use case, 0 where none is listed; `None` before 1.12.
    #[must_use]
    pub fn weight(&self, use_case: UseCase) -> Option<i32> {
        self.weights.map(|weights| weights[use_case as usize])
    }
}

/// Which consumers a slot has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumers {
    present: [bool; 3],
    state_backend_is_managed: bool,
}

impl Consumers {
    /// The consumers of a slot: the use cases of the operators that share it, and whether the state backend takes
    /// managed memory, as RocksDB and ForSt do unless they are told otherwise.
    #[must_use]
    pub fn new(use_cases: &[UseCase], state_backend_is_managed: bool) -> Self {
        let mut consumers = Self {
            present: [false; 3],
            state_backend_is_managed,
        };
        for use_case in use_cases {
            consumers.present[*use_case as usize] = true;
        }
        consumers
    }

    /// Whether a use case takes part in the division.
    #[must_use]
    pub fn contains(&self, use_case: UseCase) -> bool {
        self.present[use_case as usize]
            && (use_case != UseCase::StateBackend || self.state_backend_is_managed)
    }
}

/// The share of a slot's managed memory that a consumer gets: at most 1, except where weights overflow 32 bits.
///
/// `of_use_case` is the consumer's part of what its use case gets: 1 for the scope of a slot, and
/// [`operator_share`] for the scope of an operator. A share of 0 makes the consumer fail when it asks for memory.
#[must_use]
pub fn share_of_slot(
    weights: &ConsumerWeights,
    consumers: &Consumers,
    use_case: UseCase,
    of_use_case: f64,
) -> f64 {
    if use_case == UseCase::StateBackend && !consumers.state_backend_is_managed {
        return 0.0;
    }
    let Some(weights) = weights.weights else {
        return of_use_case;
    };
    // Java's sum of integers wraps around.
    let total = UseCase::ALL
        .into_iter()
        .filter(|present| consumers.contains(*present))
        .fold(0_i32, |total, present| {
            total.wrapping_add(weights[present as usize])
        });
    let weight = weights[use_case as usize];
    match (u64::try_from(weight), u64::try_from(total)) {
        (Ok(weight), Ok(total)) if total > 0 => of_use_case * rounded_down(weight, total),
        _ => 0.0,
    }
}

/// The part that an operator has of what all operators of its slot sharing group get: its declared weight by the
/// sum of theirs; `None` where that sum is 0.
#[must_use]
pub fn operator_share(weight: u64, group_weight: u64) -> Option<f64> {
    (group_weight > 0).then(|| rounded_down(weight, group_weight))
}

/// The quotient cut off behind 16 decimals, `ManagedMemoryUtils.getFractionRoundedDown`.
fn rounded_down(dividend: u64, divisor: u64) -> f64 {
    let digits = u128::from(dividend) * 10_u128.pow(16) / u128::from(divisor);
    // The text of an integer and an exponent is always a float.
    format!("{digits}e-16").parse().unwrap_or(f64::NAN)
}

/// The managed memory of one slot, as its tasks ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotMemory {
    /// All of it.
    pub bytes: Bytes,
    /// Whole pages in it, at most 2^31 − 1.
    pub pages: u32,
}

impl SlotMemory {
    /// The memory of a slot in pages of this size.
    ///
    /// # Errors
    /// What Flink raises when the memory has more than 2^31 − 1 pages.
    pub fn new(bytes: Bytes, page_size: Bytes) -> Result<Self, FlinkError> {
        let pages = bytes.get() / page_size.get().max(1);
        match i32::try_from(pages) {
            Ok(pages) => Ok(Self {
                bytes,
                pages: pages.unsigned_abs(),
            }),
            Err(_) => Err(FlinkError::argument(format!(
                "The given number of memory bytes ({}) corresponds to more than MAX_INT pages ({pages} > {}).",
                bytes.get(),
                i32::MAX
            ))),
        }
    }

    /// The bytes of a share; state backends and Python take their memory so.
    ///
    /// # Errors
    /// What Flink raises for a share of 0 or outside (0, 1].
    pub fn bytes_of(&self, share: f64) -> Result<Bytes, FlinkError> {
        checked(share)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "Flink multiplies in double as well, and the product is not negative"
        )]
        let bytes = (self.bytes.get() as f64 * share).floor() as u64;
        // The double nearest to a large size may lie above it.
        Ok(Bytes(bytes.min(Bytes::MAX.get())))
    }

    /// The pages of a share; operators take their memory so.
    ///
    /// # Errors
    /// What Flink raises for a share of 0 or outside (0, 1].
    pub fn pages_of(&self, share: f64) -> Result<u32, FlinkError> {
        checked(share)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the product is not negative and not above the number of pages"
        )]
        let pages = (f64::from(self.pages) * share) as u32;
        Ok(pages)
    }
}

fn checked(share: f64) -> Result<(), FlinkError> {
    if share == 0.0 {
        return Err(FlinkError::argument(format!(
            "The fraction of memory to allocate should not be 0. Please make sure that all types of managed memory \
             consumers contained in the job are configured with a non-negative weight via \
             `{MANAGED_CONSUMER_WEIGHTS}`."
        )));
    }
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(FlinkError::argument(format!(
        "The fraction of memory to allocate must within (0, 1], was: {}.",
        java_double(share)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::request::Origin;

    fn weights(version: FlinkVersion, text: &str) -> Result<ConsumerWeights, FlinkError> {
        let configuration =
            Configuration::new().with(MANAGED_CONSUMER_WEIGHTS, text, Origin::FlinkConfiguration);
        ConsumerWeights::of(version, &configuration)
    }

    fn listed(version: FlinkVersion, text: &str) -> [Option<i32>; 3] {
        let weights = weights(version, text).unwrap();
        UseCase::ALL.map(|use_case| weights.weight(use_case))
    }

    #[test]
    fn dataproc_stands_in_where_the_version_lets_it() {
        let text = "DATAPROC:10,PYTHON:5";
        let both = [Some(10), Some(10), Some(5)];
        assert_eq!(listed(FlinkVersion::V1_12, text), both);
        assert_eq!(listed(FlinkVersion::V1_20, text), both);
        assert_eq!(
            listed(FlinkVersion::V2_0, text),
            [Some(0), Some(0), Some(5)]
        );
        assert_eq!(listed(FlinkVersion::V1_11, text), [None; 3]);
        let text = "DATAPROC:10,OPERATOR:30";
        assert_eq!(
            listed(FlinkVersion::V1_13, text),
            [Some(30), Some(10), Some(0)]
        );
    }

    #[test]
    fn the_map_may_be_written_as_keys_of_their_own() {
        let below = |name: &str| format!("{MANAGED_CONSUMER_WEIGHTS}.{name}");
        let configuration = Configuration::new()
            .with(below("PYTHON"), "5", Origin::FlinkConfiguration)
            .with(below("OPERATOR"), "1", Origin::FlinkConfiguration)
            .with(below("PYTHON"), "6", Origin::FlinkConfiguration);
        let of = |configuration: &Configuration| {
            let weights = ConsumerWeights::of(FlinkVersion::V2_1, configuration).unwrap();
            UseCase::ALL.map(|use_case| weights.weight(use_case))
        };
        assert_eq!(of(&configuration), [Some(1), Some(0), Some(6)]);
        let whole = configuration.with(
            MANAGED_CONSUMER_WEIGHTS,
            "STATE_BACKEND:9",
            Origin::FlinkConfiguration,
        );
        assert_eq!(of(&whole), [Some(0), Some(9), Some(0)]);
    }

    #[test]
    fn what_flink_refuses_is_refused_with_its_words() {
        let message = |version, text| weights(version, text).unwrap_err().message;
        assert_eq!(
            message(FlinkVersion::V1_12, "OPERATOR:1"),
            "Unknown managed memory consumer: OPERATOR"
        );
        assert_eq!(
            message(FlinkVersion::V1_12, "OPERATOR:-1"),
            "Managed memory weight should not be negative. Configured weight for OPERATOR is -1."
        );
        assert!(weights(FlinkVersion::V1_12, "DATAPROC:0,PYTHON:5").is_ok());
        assert_eq!(
            message(FlinkVersion::V1_20, "DATAPROC:-1"),
            "Managed memory weight should not be negative. Configured weight for OPERATOR is -1."
        );
        assert_eq!(
            message(FlinkVersion::V2_0, "PYTHON:"),
            "Could not parse value 'PYTHON:' for key \
             'taskmanager.memory.managed.consumer-weights'."
        );
        assert_eq!(
            message(FlinkVersion::V1_20, "PYTHON:1.5"),
            "For input string: \"1.5\""
        );
        // A name that is not known is nobody's weight, whatever stands behind it.
        assert!(weights(FlinkVersion::V1_20, "FOO:bar").is_ok());
    }

    #[test]
    fn a_share_depends_on_who_else_is_there() {
        let weights = ConsumerWeights::default_of(FlinkVersion::V2_1);
        let all = Consumers::new(&UseCase::ALL, true);
        let share =
            |consumers: &Consumers, use_case| share_of_slot(&weights, consumers, use_case, 1.0);
        assert_eq!(share(&all, UseCase::StateBackend), 0.411_764_705_882_352_9);
        let heap = Consumers::new(&UseCase::ALL, false);
        assert_eq!(share(&heap, UseCase::StateBackend), 0.0);
        assert_eq!(share(&heap, UseCase::Operator), 0.7);
        let alone = Consumers::new(&[UseCase::StateBackend], true);
        assert_eq!(share(&alone, UseCase::StateBackend), 1.0);
        assert_eq!(operator_share(2, 3), Some(0.666_666_666_666_666_6));
        assert_eq!(operator_share(2, 0), None);
    }

    #[test]
    fn weights_that_overflow_leave_nothing() {
        let weights = weights(
            FlinkVersion::V1_20,
            "OPERATOR:2147483647,STATE_BACKEND:2147483647",
        )
        .unwrap();
        let both = Consumers::new(&[UseCase::Operator, UseCase::StateBackend], true);
        assert_eq!(share_of_slot(&weights, &both, UseCase::Operator, 1.0), 0.0);
    }

    #[test]
    fn a_slot_has_no_more_pages_than_java_counts() {
        let page = Bytes(32 << 10);
        assert!(SlotMemory::new(Bytes(page.get() * 2_147_483_647), page).is_ok());
        let error = SlotMemory::new(Bytes(page.get() * 2_147_483_648), page).unwrap_err();
        assert!(
            error.message.ends_with("(2147483648 > 2147483647)."),
            "{error}"
        );
        let slot = SlotMemory::new(Bytes::GIBI, page).unwrap();
        assert!(
            slot.bytes_of(1.5)
                .unwrap_err()
                .message
                .ends_with("was: 1.5.")
        );
        assert!(
            slot.pages_of(0.0)
                .unwrap_err()
                .message
                .contains("should not be 0")
        );
    }
}
