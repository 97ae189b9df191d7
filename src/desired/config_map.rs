//! The ConfigMap that holds the Flink configuration file.

use k8s_openapi::api::core::v1::ConfigMap;

use super::{ValidatedPool, metadata};

/// Name of the ConfigMap of the pool of this name.
#[must_use]
pub fn config_map_name(pool: &str) -> String {
    format!("{pool}-configuration")
}

pub(super) fn build_config_map(pool: &ValidatedPool) -> ConfigMap {
    let file = &pool.configuration_file;
    ConfigMap {
        metadata: metadata(pool, &config_map_name(&pool.name)),
        data: Some([(file.name.to_owned(), file.text.clone())].into()),
        ..ConfigMap::default()
    }
}
