//! What the operator was started to allow: the one thing besides the pool that validation depends on.
//!
//! Whoever may create pools need not be allowed to create pods. A pod template must therefore not carry what a
//! cluster's administrator grants with pods; each group of such fields has one name here, and is refused unless
//! the operator was started with that name.

use std::{collections::BTreeSet, fmt, str::FromStr};

macro_rules! allowances {
    ($($(#[doc = $doc:literal])+ $variant:ident),+ $(,)?) => {
        /// A group of pod template fields that is refused unless it is allowed.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Allowance {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Allowance {
            /// Every allowance there is.
            pub const ALL: &'static [Allowance] = &[$(Allowance::$variant),+];

            /// The name, as written behind [`FLAG`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Allowance::$variant => stringify!($variant)),+ }
            }
        }
    };
}

allowances! {
    /// Volumes of type `hostPath`.
    HostPath,
    /// `hostNetwork`, `hostPID`, `hostIPC`, host ports, and probes that name a host.
    HostNamespaces,
    /// Everything that weakens the isolation of a container: `privileged`, privilege escalation, root, an
    /// unconfined or foreign seccomp, AppArmor or SELinux profile, `procMount`, sysctls, Windows options,
    /// bidirectional mounts.
    Privileged,
    /// Linux capabilities added, or dropped less completely than `ALL`.
    Capabilities,
    /// Another service account than the pool's own, or a token of any service account.
    ServiceAccount,
    /// Secrets as volumes, environment or credentials for pulling images.
    Secrets,
    /// Existing PersistentVolumeClaims, whose data the pool's author may otherwise not read.
    PersistentVolumeClaims,
    /// Volume types besides those that the Pod Security level `restricted` knows.
    OtherVolumes,
    /// `nodeName`, `priority`, and priority classes of the system: fields that go past the scheduler's rules.
    Scheduling,
    /// Resource claims: devices that were reserved through the resource API.
    Devices,
}

/// The flag of the controller that allows groups of fields: `--allow-pod-template=HostPath,Secrets`.
pub const FLAG: &str = "--allow-pod-template";

impl fmt::Display for Allowance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no [`Allowance`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no group of pod template fields; there are {}", names())]
pub struct UnknownAllowance {
    /// The text.
    pub text: String,
}

fn names() -> String {
    Allowance::ALL
        .iter()
        .map(|allowance| allowance.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for Allowance {
    type Err = UnknownAllowance;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|allowance| allowance.as_str().eq_ignore_ascii_case(text.trim()));
        found.copied().ok_or_else(|| UnknownAllowance {
            text: text.to_owned(),
        })
    }
}

/// What the operator was started with, as far as validation depends on it. The default allows nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Groups of pod template fields that are allowed.
    pub pod_template_allowances: BTreeSet<Allowance>,
}

impl Settings {
    /// Settings that allow every group: for the command line, when only the memory is of interest.
    #[must_use]
    pub fn permissive() -> Self {
        Self {
            pod_template_allowances: Allowance::ALL.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_refused_with_the_list() {
        for allowance in Allowance::ALL {
            assert_eq!(allowance.to_string().parse(), Ok(*allowance));
        }
        assert_eq!("hostpath".parse(), Ok(Allowance::HostPath));
        let error = "Everything".parse::<Allowance>().unwrap_err().to_string();
        assert!(
            error.contains("Everything") && error.contains("HostPath, HostNamespaces"),
            "{error}"
        );
    }
}
