//! Runs the programs that people use with a cluster: kubectl, helm, kubeconform.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    cluster::Cluster,
    tools::{self, Tool},
};

/// What a program printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: String,

    /// Standard error.
    pub stderr: String,

    /// The exit code; nothing when a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// Standard output, when the program succeeded.
    ///
    /// # Errors
    /// When the exit code is not 0, with everything it printed.
    pub fn success(self) -> Result<String> {
        ensure!(
            self.code == Some(0),
            "exit code {:?}\n{}{}",
            self.code,
            self.stderr,
            self.stdout
        );
        Ok(self.stdout)
    }
}

/// Runs a program to its end, with `input` on its standard input.
///
/// # Errors
/// When it cannot be started. That it fails is no error here.
pub async fn run(mut command: Command, input: &str) -> Result<Output> {
    let name = format!("{:?}", command.as_std().get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let mut stdin = child
        .stdin
        .take()
        .context("the child has no standard input")?;
    let feed = async {
        // A program that does not read its input closes it; that is its own affair.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.with_context(|| format!("failed to wait for {name}"))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output {
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        code: output.status.code(),
    })
}

/// A SARIF log against the schema that OASIS publishes.
///
/// # Errors
/// When the checker cannot be built. That the log departs from the schema is in the output.
pub async fn check_sarif(log: &str) -> Result<Output> {
    run(Command::new(build(Tool::Sarif).await?), log).await
}

impl Cluster {
    /// kubectl against this cluster, with all rights.
    ///
    /// # Errors
    /// When there is no kubectl and none can be built.
    pub async fn kubectl<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Result<Output> {
        self.kubectl_with_input(arguments, "").await
    }

    /// kubectl with something on its standard input, for `-f -`.
    ///
    /// # Errors
    /// As [`Self::kubectl`].
    pub async fn kubectl_with_input<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
        input: &str,
    ) -> Result<Output> {
        let (program, first) = tools::kubectl()?;
        let mut command = Command::new(program);
        command
            .args(first)
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            // Discovery is cached under the home directory by host and port, and ports come again.
            .env("KUBECACHEDIR", self.directory().join("kubectl-cache"));
        run(command, input).await
    }

    /// helm against this cluster, with all rights. Its own files lie in the run directory.
    ///
    /// # Errors
    /// When helm cannot be built.
    pub async fn helm<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Result<Output> {
        let mut command = Command::new(build(Tool::Helm).await?);
        let home = self.directory().join("helm");
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("HELM_CACHE_HOME", home.join("cache"))
            .env("HELM_CONFIG_HOME", home.join("config"))
            .env("HELM_DATA_HOME", home.join("data"));
        run(command, "").await
    }

    /// kubeconform on manifests, against the schemas of everything that this cluster serves,
    /// custom resources included. What is not in them is an error, and so is an unknown field.
    ///
    /// # Errors
    /// When kubeconform cannot be built or the schemas cannot be read. That a manifest is wrong is
    /// in the output.
    pub async fn kubeconform(&self, manifests: &str) -> Result<Output> {
        let schemas = self.write_schemas().await?;
        let mut command = Command::new(build(Tool::Kubeconform).await?);
        command
            .args(["-strict", "-summary", "-output", "text"])
            .arg("-schema-location")
            .arg(schemas.join("{{.ResourceKind}}{{.KindSuffix}}.json"))
            .arg("-");
        run(command, manifests).await
    }

    /// Writes a JSON schema per kind, made of the OpenAPI document that the API server publishes.
    async fn write_schemas(&self) -> Result<PathBuf> {
        let client = self.client().await?;
        let request = http::Request::get("/openapi/v2").body(Vec::new())?;
        let document: Value = client
            .request(request)
            .await
            .context("failed to get the OpenAPI document")?;
        let definitions = document
            .get("definitions")
            .and_then(Value::as_object)
            .context("the OpenAPI document has no definitions")?;
        let directory = self.directory().join("schemas");
        write_schemas(&directory, definitions)?;
        Ok(directory)
    }
}

async fn build(tool: Tool) -> Result<PathBuf> {
    tokio::task::spawn_blocking(move || tool.path())
        .await
        .context("the build panicked")?
}

/// Writes all definitions to one file, strictly, and a file per kind that refers to its definition.
fn write_schemas(directory: &Path, definitions: &Map<String, Value>) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("failed to create {}", directory.display()))?;
    let write = |name: &str, value: &Value| {
        let path = directory.join(name);
        fs::write(&path, serde_json::to_vec(value)?)
            .with_context(|| format!("failed to write {}", path.display()))
    };
    let mut count = 0;
    for (name, definition) in definitions {
        let kinds = definition
            .get("x-kubernetes-group-version-kind")
            .and_then(Value::as_array);
        for kind in kinds.into_iter().flatten() {
            let text = |field: &str| {
                kind.get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_lowercase()
            };
            // The form that kubeconform's {{.KindSuffix}} takes: the first part of the group only.
            let group = text("group");
            let group = group
                .split('.')
                .next()
                .filter(|group| !group.is_empty())
                .map(|group| format!("-{group}"));
            let file = format!(
                "{}{}-{}.json",
                text("kind"),
                group.unwrap_or_default(),
                text("version")
            );
            write(
                &file,
                &json!({ "$ref": format!("definitions.json#/definitions/{name}") }),
            )?;
            count += 1;
        }
    }
    if count == 0 {
        bail!("the OpenAPI document names no kinds");
    }
    let strict: Map<String, Value> = definitions
        .iter()
        .map(|(name, definition)| (name.clone(), strict_schema(name, definition)))
        .collect();
    write("definitions.json", &json!({ "definitions": strict }))
}

/// Turns an OpenAPI definition into a JSON schema that refuses unknown fields and accepts what
/// Kubernetes accepts: null for absent, and numbers where its own types take both.
fn strict_schema(name: &str, definition: &Value) -> Value {
    const NUMBER_OR_STRING: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
    if name == NUMBER_OR_STRING {
        return json!({ "type": ["string", "number", "null"] });
    }
    strict(definition)
}

fn strict(schema: &Value) -> Value {
    let Value::Object(fields) = schema else {
        return schema.clone();
    };
    if fields.get("format").and_then(Value::as_str) == Some("int-or-string")
        || fields
            .get("x-kubernetes-int-or-string")
            .and_then(Value::as_bool)
            == Some(true)
    {
        return json!({ "type": ["string", "integer", "null"] });
    }
    let mut result = Map::new();
    for (key, value) in fields {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, schema)| (name.clone(), strict(schema)))
                .collect(),
            ("items" | "additionalProperties", value) => strict(value),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().map(strict).collect()
            }
            ("type", Value::String(one)) => json!([one, "null"]),
            // References stay within the one file of definitions. Formats are Kubernetes' own, and
            // examples, defaults and extensions say nothing about validity.
            (
                "$ref" | "required" | "enum" | "pattern" | "minimum" | "maximum" | "minLength"
                | "maxLength",
                value,
            ) => value.clone(),
            _ => continue,
        };
        result.insert(key.clone(), value);
    }
    let open = fields
        .get("x-kubernetes-preserve-unknown-fields")
        .and_then(Value::as_bool)
        == Some(true);
    if fields.contains_key("properties") && !fields.contains_key("additionalProperties") && !open {
        result.insert(String::from("additionalProperties"), Value::Bool(false));
    }
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_strict_about_fields_and_open_where_kubernetes_is() {
        let strict = strict(&json!({
            "type": "object",
            "description": "x",
            "properties": {
                "port": { "format": "int-or-string", "type": "string" },
                "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {} },
                "list": { "type": "array", "items": { "$ref": "#/definitions/x" } },
            },
        }));
        assert_eq!(
            strict,
            json!({
                "type": ["object", "null"],
                "additionalProperties": false,
                "properties": {
                    "port": { "type": ["string", "integer", "null"] },
                    "any": { "type": ["object", "null"], "properties": {} },
                    "list": { "type": ["array", "null"], "items": { "$ref": "#/definitions/x" } },
                },
            })
        );
    }
}
