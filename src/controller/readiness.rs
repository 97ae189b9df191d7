//! Whether the controller can do its work: a closed set of gates, the one source of `/readyz`.

use std::sync::atomic::{AtomicU8, Ordering};

/// Something that must have happened before the first reconcile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Gate {
    /// All pools are known; so the definition of the resource is, too.
    Pools,
    /// All ServiceAccounts of pools are known.
    ServiceAccounts,
    /// All ConfigMaps of pools are known.
    ConfigMaps,
    /// All PodDisruptionBudgets of pools are known.
    PodDisruptionBudgets,
    /// All Deployments of pools are known.
    Deployments,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 5] = [
        Self::Pools,
        Self::ServiceAccounts,
        Self::ConfigMaps,
        Self::PodDisruptionBudgets,
        Self::Deployments,
    ];

    /// What is listed, by Kubernetes' name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pools => "taskmanagerpools",
            Self::ServiceAccounts => "serviceaccounts",
            Self::ConfigMaps => "configmaps",
            Self::PodDisruptionBudgets => "poddisruptionbudgets",
            Self::Deployments => "deployments",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The gates that are open. A gate never closes again: a cache that was complete once is kept up to date
/// by its watch, and a broken watch is not cured by taking the pod out of service.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Opens a gate.
    pub fn open(&self, gate: Gate) {
        self.0.fetch_or(gate.bit(), Ordering::AcqRel);
    }

    /// The gates that are still closed.
    pub fn closed(&self) -> impl Iterator<Item = Gate> {
        let open = self.0.load(Ordering::Acquire);
        Gate::ALL
            .into_iter()
            .filter(move |gate| open & gate.bit() == 0)
    }

    /// Whether every gate is open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.closed().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_gate_was_opened() {
        let readiness = Readiness::default();
        for (opened, gate) in Gate::ALL.into_iter().enumerate() {
            assert!(!readiness.is_ready());
            assert_eq!(readiness.closed().count(), Gate::ALL.len() - opened);
            readiness.open(gate);
            assert!(readiness.closed().all(|closed| closed != gate));
        }
        assert!(readiness.is_ready());
    }
}
