//! Where TaskManagers listen and whom they register at: the options that the pool's other fields decide.
//!
//! Ports may be chosen in `flinkConfiguration`; the JobManager's address has its own field, and what differs from
//! pod to pod (address, identity) can have no value in a file that all pods share.

use std::collections::BTreeMap;

use crate::{
    api::v1alpha1::ClusterReference,
    budget::{Code, Conflict},
};

use super::{
    conflict::{At, beside, removing},
    flink_configuration::FlinkConfiguration,
};

/// `jobmanager.rpc.address`.
pub(super) const JOB_MANAGER_ADDRESS: &str = "jobmanager.rpc.address";
/// `jobmanager.rpc.port`.
pub(super) const JOB_MANAGER_PORT: &str = "jobmanager.rpc.port";
/// `taskmanager.host`, given to every pod as an argument.
pub(super) const HOST: &str = "taskmanager.host";
/// `taskmanager.resource-id`, given to every pod as an argument.
pub(super) const RESOURCE_ID: &str = "taskmanager.resource-id";
const RPC_PORT: &str = "taskmanager.rpc.port";
const DATA_PORT: &str = "taskmanager.data.port";

/// Flink's own choice is a random port; fixed ones can be named in network policies.
const DEFAULT_RPC_PORT: u16 = 6122;
const DEFAULT_DATA_PORT: u16 = 6121;

/// The ports of a TaskManager; `None` where the configuration lets Flink choose one at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Port of remote procedure calls.
    pub rpc: Option<u16>,
    /// Port of data exchange.
    pub data: Option<u16>,
}

/// Puts the addresses into `options`, and reports what in the free options repeats or cannot be honoured.
pub(super) fn decide(
    cluster: &ClusterReference,
    free: &FlinkConfiguration,
    options: &mut BTreeMap<String, String>,
    conflicts: &mut Vec<Conflict>,
) -> Ports {
    let typed = [
        (
            JOB_MANAGER_ADDRESS,
            "spec.clusterRef.name",
            cluster.name.clone(),
        ),
        (
            JOB_MANAGER_PORT,
            "spec.clusterRef.rpcPort",
            cluster.rpc_port.to_string(),
        ),
    ];
    for (key, path, value) in typed {
        if let Some(written) = free.value(key) {
            conflicts.push(repeated(key, written, path, &value));
        }
        options.insert(key.to_owned(), value);
    }
    for (key, value) in [(HOST, "the pod's address"), (RESOURCE_ID, "the pod's name")] {
        if let Some(written) = free.value(key) {
            let message = format!(
                "spec.flinkConfiguration[{key}] is {written:?}, but every TaskManager is started with {value} instead, \
                 because all pods share one file; remove it"
            );
            conflicts.push(removing(At::option(key, written).warning(
                Code::IneffectiveOption,
                value,
                message,
            )));
            options.remove(key);
        }
    }
    let rpc = port(RPC_PORT, DEFAULT_RPC_PORT, free, options);
    let data = port(DATA_PORT, DEFAULT_DATA_PORT, free, options);
    if let Some(same) = rpc.filter(|_| rpc == data) {
        let message = format!(
            "{RPC_PORT} and {DATA_PORT} are both {same}, and only one of them can listen; change one"
        );
        let conflict = At::option(RPC_PORT, same.to_string()).error(
            Code::ConfigurationInvalid,
            format!("another port than {DATA_PORT}"),
            message,
        );
        conflicts.push(beside(conflict, At::option(DATA_PORT, same.to_string())));
    }
    Ports { rpc, data }
}

fn repeated(key: &str, written: &str, path: &str, value: &str) -> Conflict {
    let at = At::option(key, written);
    let conflict = if written == value {
        let message = format!("spec.flinkConfiguration[{key}] repeats {path}, {value}; remove it");
        at.warning(Code::DuplicateSource, value, message)
    } else {
        let message = format!(
            "spec.flinkConfiguration[{key}] is {written:?} and {path} is {value:?}; remove the former"
        );
        at.error(Code::DuplicateSource, value, message)
    };
    removing(beside(conflict, At::field(path, value)))
}

fn port(
    key: &str,
    default: u16,
    free: &FlinkConfiguration,
    options: &mut BTreeMap<String, String>,
) -> Option<u16> {
    match free.value(key) {
        // A range or 0 leaves the choice to Flink.
        Some(written) => written.parse().ok().filter(|port| *port != 0),
        None => {
            options.insert(key.to_owned(), default.to_string());
            Some(default)
        }
    }
}
