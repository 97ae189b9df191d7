//! Which consumers of managed memory a slot has, as its operators declare them, and the share that each gets.
//!
//! Mirrors the rules of `ManagedMemoryUtils`; the arithmetic is that of [`crate::budget::managed`].

use crate::budget::managed::{ConsumerWeights, Consumers, UseCase, share_of_slot};

/// The consumers of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotConsumers {
    weights: Option<ConsumerWeights>,
    use_cases: Vec<UseCase>,
    state_backend_is_managed: bool,
}

/// Operators of one slot give a use case different weights. `IllegalStateException` in Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "conflicting weights of managed memory for {}: {} and {}",
    use_case.as_str(),
    first.unwrap_or_default(),
    second.unwrap_or_default()
)]
pub struct ConflictingWeights {
    /// The use case.
    pub use_case: UseCase,
    /// The weight that was declared before; `None` where the Flink version knows no weights.
    pub first: Option<i32>,
    /// The weight that was declared now.
    pub second: Option<i32>,
}

impl SlotConsumers {
    /// A slot without consumers, whose state backend takes managed memory or does not.
    #[must_use]
    pub fn new(state_backend_is_managed: bool) -> Self {
        Self {
            weights: None,
            use_cases: Vec::new(),
            state_backend_is_managed,
        }
    }

    /// Adds an operator's use case, with the weights that the operator was configured with.
    ///
    /// # Errors
    /// Another operator was configured with other weights. Nothing is added then.
    pub fn declare(
        &mut self,
        use_case: UseCase,
        weights: ConsumerWeights,
    ) -> Result<(), ConflictingWeights> {
        let declared = *self.weights.get_or_insert(weights);
        for use_case in UseCase::ALL {
            let (first, second) = (declared.weight(use_case), weights.weight(use_case));
            if first != second {
                return Err(ConflictingWeights {
                    use_case,
                    first,
                    second,
                });
            }
        }
        self.use_cases.push(use_case);
        Ok(())
    }

    /// The share of the slot's managed memory of a consumer that gets this part of what its use case gets; 0 for a use
    /// case that nobody declared.
    #[must_use]
    pub fn share(&self, use_case: UseCase, of_use_case: f64) -> f64 {
        let consumers = Consumers::new(&self.use_cases, self.state_backend_is_managed);
        match self.weights {
            Some(weights) if consumers.contains(use_case) => {
                share_of_slot(&weights, &consumers, use_case, of_use_case)
            }
            _ => 0.0,
        }
    }
}
