//! The TaskManager container's size, in Kubernetes units.

use kube::KubeSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Requests and limits of the TaskManager's container.
#[derive(KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.requests) || !has(self.requests.memory) || !isQuantity(string(self.requests.memory)) || !isQuantity(string(self.limits.memory)) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0").message("requests.memory is above limits.memory; lower the request or raise the limit").field_path(".requests.memory"),
    validation = Rule::new("!has(self.requests) || !has(self.requests.cpu) || !has(self.limits.cpu) || !isQuantity(string(self.requests.cpu)) || !isQuantity(string(self.limits.cpu)) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0").message("requests.cpu is above limits.cpu; lower the request or raise the limit").field_path(".requests.cpu"),
)]
pub struct Resources {
    /// What the scheduler reserves. Memory: default the limit (quality of service Guaranteed when cpu
    /// is equal too). Never more than the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,

    /// What the container may use at most. The memory limit is what Flink's memory is planned for.
    pub limits: Limits,
}

/// Requests of the TaskManager's container.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Processors, as a Kubernetes quantity (`2`, `500m`). Default: the limit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && sign(quantity(string(self))) >= 0").message("not a Kubernetes quantity of processors; write for example 2 or 500m"))]
    pub cpu: Option<Quantity>,

    /// Memory, as a Kubernetes quantity (`6Gi`). Default: the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && sign(quantity(string(self))) >= 0").message("not a Kubernetes quantity of memory; write for example 6Gi"))]
    pub memory: Option<Quantity>,
}

/// Limits of the TaskManager's container.
#[derive(KubeSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Processors, as a Kubernetes quantity (`4`, `1500m`). Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && sign(quantity(string(self))) > 0").message("not a positive Kubernetes quantity of processors; write for example 2 or 500m"))]
    pub cpu: Option<Quantity>,

    /// Memory, as a Kubernetes quantity (`8Gi`). Required: every Flink memory component is derived
    /// from it, unless a total is set in `spec.memory` or `spec.flinkConfiguration`. Mind the unit:
    /// `8Gi` is 8 × 2^30 bytes, `8G` is 8 × 10^9, `8m` is eight thousandths of a byte.
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && sign(quantity(string(self))) > 0").message("not a positive Kubernetes quantity of memory; write for example 8Gi"))]
    pub memory: Quantity,
}

/// The text of a Kubernetes quantity, as the user wrote it; a bare number is accepted too.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Text {
            Number(serde_json::Number),
            String(String),
        }
        Ok(Self(match Text::deserialize(deserializer)? {
            Text::Number(number) => number.to_string(),
            Text::String(text) => text,
        }))
    }
}

impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // The length keeps the API server's estimate of the rules' cost finite.
        schemars::json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 64})
    }
}
