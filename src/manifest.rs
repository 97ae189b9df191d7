//! A child object in the form in which it is applied: JSON, with the digest of its own content.
//!
//! The digest says whether the object that stands in the cluster was applied from the same content. It
//! does not depend on owner references, so that it is the same offline, where no uid is known.

use std::fmt::Write as _;

use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api::ANNOTATION_APPLIED_DIGEST;

/// Bytes of the SHA-256 that the annotation shows, two hexadecimal digits each.
const DIGEST_BYTES: usize = 8;

/// An object as it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the object.
    pub name: String,

    /// The object, with the digest as annotation [`ANNOTATION_APPLIED_DIGEST`].
    pub object: Value,

    /// Digest of the object without its owner references and without this annotation.
    pub digest: String,
}

impl Manifest {
    /// The applied form of `object`.
    ///
    /// # Errors
    /// If the object cannot be written as JSON, or is not a JSON object with metadata.
    pub fn new<K: Resource + Serialize>(object: &K) -> Result<Self, serde_json::Error> {
        use serde::ser::Error;

        let mut value = serde_json::to_value(object)?;
        let not_an_object = || serde_json::Error::custom("a child without metadata");
        let metadata = value
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .ok_or_else(not_an_object)?;
        let owners = metadata.remove("ownerReferences");
        let digest = digest(&value);

        let metadata = value
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .ok_or_else(not_an_object)?;
        if let Some(owners) = owners {
            metadata.insert("ownerReferences".to_owned(), owners);
        }
        metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or_else(not_an_object)?
            .insert(ANNOTATION_APPLIED_DIGEST.to_owned(), json!(digest));
        Ok(Self {
            name: object.meta().name.clone().unwrap_or_default(),
            object: value,
            digest,
        })
    }
}

fn digest(value: &Value) -> String {
    // serde_json keeps the members of an object sorted, so the text is canonical.
    let hash = Sha256::digest(value.to_string());
    let mut text = String::with_capacity(2 * DIGEST_BYTES);
    for byte in hash.iter().take(DIGEST_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ServiceAccount;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    fn account(name: &str, owner: Option<&str>) -> Manifest {
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(name.to_owned());
        account.metadata.owner_references = owner.map(|uid| {
            vec![OwnerReference {
                uid: uid.to_owned(),
                ..OwnerReference::default()
            }]
        });
        Manifest::new(&account).unwrap()
    }

    #[test]
    fn the_digest_follows_the_content_and_not_the_owner() {
        let base = account("a", Some("1"));
        assert_eq!(base.digest, account("a", Some("2")).digest);
        assert_eq!(base.digest, account("a", None).digest);
        assert_ne!(base.digest, account("b", Some("1")).digest);
        assert_eq!(base.object["metadata"]["ownerReferences"][0]["uid"], "1");
        assert_eq!(
            base.object["metadata"]["annotations"][ANNOTATION_APPLIED_DIGEST],
            json!(base.digest)
        );
        assert_eq!(base.object["kind"], "ServiceAccount");
        assert_eq!(base.object["apiVersion"], "v1");
    }
}
