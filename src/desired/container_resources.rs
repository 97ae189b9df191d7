//! The TaskManager container's requests and limits, read from the one place where they stand.

use std::collections::BTreeMap;

use crate::{
    api::v1alpha1::{self, Resources},
    budget::{Code, Conflict, MilliCpu},
    bytes::Bytes,
    quantity::{self, Quantity},
};

use super::conflict::{At, setting};

const PATH: &str = "spec.taskManager.resources";

/// Requests and limits by resource name, as the user wrote them; requests that were not written equal the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    /// What the scheduler reserves.
    pub requests: BTreeMap<&'static str, String>,
    /// What the container may use at most.
    pub limits: BTreeMap<&'static str, String>,
    /// The memory limit, which is what Flink plans for; `None` if it cannot be read.
    pub memory_limit: Option<Bytes>,
    /// The memory request, the limit where none was written; `None` if it cannot be read.
    pub memory_request: Option<Bytes>,
    /// The CPU limit; `None` if there is none or it cannot be read.
    pub cpu_limit: Option<MilliCpu>,
}

/// Reads the resources with the rules that the API server holds them to, and warns of units that were probably
/// not meant.
pub(super) fn read(resources: &Resources, conflicts: &mut Vec<Conflict>) -> ContainerResources {
    let requests = resources.requests.as_ref();
    let written = [
        (
            "requests",
            "cpu",
            requests.and_then(|requests| requests.cpu.as_ref()),
        ),
        (
            "requests",
            "memory",
            requests.and_then(|requests| requests.memory.as_ref()),
        ),
        ("limits", "cpu", resources.limits.cpu.as_ref()),
        ("limits", "memory", Some(&resources.limits.memory)),
    ];
    let mut read = ContainerResources::default();
    let mut amounts = BTreeMap::new();
    for (kind, name, text) in written {
        let Some(v1alpha1::Quantity(text)) = text else {
            continue;
        };
        match amount(kind, name, text) {
            Ok(amount) => {
                amounts.insert((kind, name), amount);
                let quantities = if kind == "limits" {
                    &mut read.limits
                } else {
                    &mut read.requests
                };
                quantities.insert(name, text.clone());
                if name == "memory" {
                    conflicts.extend(suspicion(kind, text));
                }
            }
            Err(conflict) => conflicts.push(*conflict),
        }
    }
    for name in ["cpu", "memory"] {
        if let (Some(request), Some(limit)) = (
            amounts.get(&("requests", name)),
            amounts.get(&("limits", name)),
        ) && request > limit
        {
            let (request, limit) = (&read.requests[name], &read.limits[name]);
            let path = format!("{PATH}.requests.{name}");
            let message = format!(
                "{path} is {request}, above {PATH}.limits.{name}, {limit}; lower the request or raise the limit"
            );
            let conflict = At::field(path, request).error(
                Code::RequestAboveLimit,
                format!("<= {limit}"),
                message,
            );
            conflicts.push(setting(conflict, limit));
        }
    }
    for (name, limit) in &read.limits {
        read.requests.entry(name).or_insert_with(|| limit.clone());
    }
    let memory = |kind| amounts.get(&(kind, "memory"))?.memory().ok();
    read.memory_limit = memory("limits");
    read.memory_request = match requests.and_then(|requests| requests.memory.as_ref()) {
        Some(_) => memory("requests"),
        None => read.memory_limit,
    };
    read.cpu_limit = amounts
        .get(&("limits", "cpu"))
        .and_then(|amount| amount.milli_cpu().ok())
        .map(MilliCpu);
    read
}

/// The amount, if the text is a quantity of an allowed sign: a limit is positive, a request at least zero.
fn amount(kind: &str, name: &str, text: &str) -> Result<Quantity, Box<Conflict>> {
    let path = format!("{PATH}.{kind}.{name}");
    let (bound, example) = match (kind, name) {
        ("limits", "cpu") => ("> 0", "2 or 500m"),
        ("limits", _) => ("> 0", "8Gi"),
        (_, "cpu") => (">= 0", "2 or 500m"),
        _ => (">= 0", "6Gi"),
    };
    let problem = match text.parse::<Quantity>() {
        Ok(amount) => match amount.memory() {
            Ok(Bytes::ZERO) if kind == "limits" => {
                format!("quantity {text:?} is zero, and a limit is not")
            }
            Ok(_) => return Ok(amount),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    let meant = quantity::probable_spelling(text);
    let way_out = if meant.is_some() {
        String::new()
    } else {
        format!("; write for example {example}")
    };
    let message = format!("{path}: {problem}{way_out}");
    let conflict = At::field(path, text).error(Code::QuantityInvalid, bound, message);
    Err(Box::new(match meant {
        Some(meant) => setting(conflict, meant),
        None => conflict,
    }))
}

fn suspicion(kind: &str, text: &str) -> Option<Conflict> {
    let suspicion = quantity::suspicious_memory(text)?;
    let path = format!("{PATH}.{kind}.memory");
    let likeliest = suspicion.meant.first().cloned();
    let meant = match &likeliest {
        Some(meant) => format!("; {meant} was probably meant"),
        None => String::new(),
    };
    let message = format!("{path} is {text}, {}{meant}", suspicion.reason);
    let bound = likeliest
        .clone()
        .unwrap_or_else(|| "a size of a process".to_owned());
    let conflict = At::field(path, text).warning(Code::SuspiciousQuantity, bound, message);
    Some(suspicion.meant.into_iter().fold(conflict, setting))
}
