//! Writes kubeconfigs.
//!
//! Each holds everything it needs, so that it can be moved and kept apart from the run directory.

use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::pki::{Identity, write_private};

/// How a kubeconfig's user proves who it is.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// By a client certificate.
    Certificate(&'a Identity),
    /// By a bearer token.
    Token(&'a str),
}

/// Writes a kubeconfig with one cluster, one user and one context, all named `name`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    name: &str,
    server: &str,
    authority: &str,
    namespace: &str,
    credential: Credential<'_>,
) -> Result<()> {
    let user: Value = match credential {
        Credential::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        }),
        Credential::Token(token) => json!({ "token": token }),
    };
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": name,
            "cluster": { "server": server, "certificate-authority-data": STANDARD.encode(authority) },
        }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": namespace } }],
        "current-context": name,
    });
    let text =
        serde_saphyr::to_string(&document).context("failed to write a kubeconfig as YAML")?;
    write_private(path, &text)
}
