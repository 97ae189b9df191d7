//! Reads the API server's audit log: who asked for what, and what came of it.
//!
//! It is the judge of claims that nothing else can prove: no writes at rest, no request refused, no
//! right unused. It holds everybody's requests but those of Kubernetes' own components, kwok and the
//! health checks, and no bodies.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

use crate::{
    cluster::client_of,
    wait::{Seen, wait_for},
};

/// The audit log of one cluster.
#[derive(Clone, Debug)]
pub struct Audit {
    log: PathBuf,
    kubeconfig: PathBuf,
}

/// A place in the log: everything before it was asked before [`Audit::mark`] returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// The start of the log.
    pub const START: Self = Self(0);
}

/// One line of the log. A watch has two: one when it starts and one when it ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The same in all lines of one request.
    #[serde(rename = "auditID")]
    pub audit_id: String,

    /// `ResponseStarted` (watches only), `ResponseComplete` or `Panic`.
    pub stage: String,

    /// Path and query as they were asked for.
    #[serde(rename = "requestURI")]
    pub uri: String,

    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for what is
    /// not a resource, the HTTP method in lower case.
    pub verb: String,

    /// Who asked.
    pub user: User,

    /// The program that asked, in its own words.
    #[serde(default)]
    pub user_agent: String,

    /// What was asked for, unless it was not a resource.
    pub object_ref: Option<ObjectRef>,

    /// What came of it; absent in a line without a response.
    pub response_status: Option<ResponseStatus>,

    /// When the request came in.
    pub request_received_timestamp: MicroTime,

    /// When the line's stage was reached.
    pub stage_timestamp: MicroTime,

    /// Among others `authorization.k8s.io/reason`: which binding and role allowed it.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Such as `admin` or `system:serviceaccount:NAMESPACE:NAME`.
    #[serde(default)]
    pub username: String,

    /// The groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The plural, such as `deployments`.
    pub resource: String,

    /// The namespace, empty for all of them and for what has none.
    pub namespace: String,

    /// The name, empty for a list or a watch.
    pub name: String,

    /// The API group, empty for the core group.
    pub api_group: String,

    /// The version in the API group.
    pub api_version: String,

    /// Such as `status` or `scale`; empty for the object itself.
    pub subresource: String,
}

/// What came of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResponseStatus {
    /// The HTTP status code.
    pub code: u16,

    /// Why it failed.
    pub reason: String,

    /// The same as a sentence.
    pub message: String,
}

impl Request {
    /// The HTTP status code; 0 in a line without a response.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.response_status
            .as_ref()
            .map_or(0, |status| status.code)
    }

    /// Whether it asks for a change. Questions that are asked by `create`, such as "may I?" and
    /// "whose token is this?", and requests with `dryRun`, change nothing.
    #[must_use]
    pub fn is_write(&self) -> bool {
        const QUESTIONS: [&str; 2] = ["authorization.k8s.io", "authentication.k8s.io"];
        let changes = matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        );
        let dry = self
            .uri
            .split(['?', '&'])
            .any(|part| part.starts_with("dryRun="));
        let question = self
            .object_ref
            .as_ref()
            .is_some_and(|object| QUESTIONS.contains(&object.api_group.as_str()));
        changes && !dry && !question
    }

    /// Whether the API server refused it for want of rights.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.code(), 401 | 403)
    }

    /// Whether it was asked by that ServiceAccount.
    #[must_use]
    pub fn is_by_service_account(&self, namespace: &str, name: &str) -> bool {
        self.user.username == format!("system:serviceaccount:{namespace}:{name}")
    }

    /// The resource with its subresource, such as `deployments` or `taskmanagerpools/status`; empty
    /// for what is not a resource.
    #[must_use]
    pub fn resource(&self) -> String {
        match &self.object_ref {
            None => String::new(),
            Some(object) if object.subresource.is_empty() => object.resource.clone(),
            Some(object) => format!("{}/{}", object.resource, object.subresource),
        }
    }
}

impl Audit {
    pub(crate) fn new(log: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { log, kubeconfig }
    }

    /// The file itself: one JSON object per line.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.log
    }

    /// A place in the log after everything that was answered so far.
    ///
    /// The API server answers before it writes the line, so the end of the file says little. This
    /// asks it for something that nobody else asks for and waits until that is in the log.
    ///
    /// # Errors
    /// When the API server does not answer or the line does not appear.
    pub async fn mark(&self) -> Result<Mark> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let needle = format!("audit-mark={}-{count}", std::process::id());
        let start = self.length()?;
        let client = client_of(&self.kubeconfig).await?;
        let request = http::Request::get(format!("/version?{needle}")).body(Vec::new())?;
        client
            .request_text(request)
            .await
            .context("failed to ask for a mark in the audit log")?;
        wait_for(
            "a mark in the audit log",
            Duration::from_secs(10),
            || async {
                let text = self.text_since(Mark(start))?;
                Ok(
                    match text
                        .find(&needle)
                        .and_then(|at| Some(at + text.get(at..)?.find('\n')? + 1))
                    {
                        Some(end) => Seen::Done(Mark(start + end as u64)),
                        None => Seen::NotYet(format!("{} bytes without it", text.len())),
                    },
                )
            },
        )
        .await
    }

    /// All requests whose lines came after the mark and are in the log by now. Ask for a second
    /// [`Self::mark`] first, to be sure that what was answered is in it.
    ///
    /// # Errors
    /// When the log cannot be read or holds what is not an audit event.
    pub fn since(&self, mark: Mark) -> Result<Vec<Request>> {
        let text = self.text_since(mark)?;
        parse(&text).with_context(|| format!("failed to read {}", self.log.display()))
    }

    /// Everything that was answered between the mark and now, each request once; watches count when
    /// they start.
    ///
    /// # Errors
    /// As [`Self::mark`] and [`Self::since`].
    pub async fn requests_since(&self, mark: Mark) -> Result<Vec<Request>> {
        self.mark().await?;
        let mut seen = std::collections::HashSet::new();
        let mut requests = self.since(mark)?;
        requests.retain(|request| {
            !request.uri.contains("audit-mark=") && seen.insert(request.audit_id.clone())
        });
        Ok(requests)
    }

    /// Everything that changed something, or tried to, between the mark and now.
    ///
    /// # Errors
    /// As [`Self::requests_since`].
    pub async fn writes_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut requests = self.requests_since(mark).await?;
        requests.retain(Request::is_write);
        Ok(requests)
    }

    /// Everything that was refused for want of rights between the mark and now.
    ///
    /// # Errors
    /// As [`Self::requests_since`].
    pub async fn refused_since(&self, mark: Mark) -> Result<Vec<Request>> {
        let mut requests = self.requests_since(mark).await?;
        requests.retain(Request::is_refused);
        Ok(requests)
    }

    fn length(&self) -> Result<u64> {
        match std::fs::metadata(&self.log) {
            Ok(metadata) => Ok(metadata.len()),
            // The API server makes the file with its first line.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => {
                Err(error).with_context(|| format!("failed to look at {}", self.log.display()))
            }
        }
    }

    /// The whole lines after the mark.
    fn text_since(&self, mark: Mark) -> Result<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = match File::open(&self.log) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            file.seek(SeekFrom::Start(mark.0))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut bytes = read().with_context(|| format!("failed to read {}", self.log.display()))?;
        // The last line may be half written; it is read the next time.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        bytes.truncate(whole);
        String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", self.log.display()))
    }
}

fn parse(text: &str) -> Result<Vec<Request>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("not an audit event: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, uri: &str, group: &str, code: u16) -> String {
        serde_json::json!({
            "auditID": "1", "stage": "ResponseComplete", "requestURI": uri, "verb": verb,
            "user": {"username": "system:serviceaccount:a:b"}, "userAgent": "x",
            "objectRef": {"resource": "deployments", "apiGroup": group, "subresource": "status"},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000001Z", "stageTimestamp": "2026-01-01T00:00:00.000002Z",
        })
        .to_string()
    }

    fn audit(name: &str, content: &str) -> Audit {
        let log =
            std::env::temp_dir().join(format!("headroom-audit-{name}-{}", std::process::id()));
        std::fs::write(&log, content).expect("the temporary directory is writable");
        Audit::new(log, PathBuf::new())
    }

    #[test]
    fn a_half_written_last_line_is_left_for_the_next_time() {
        let whole = line("patch", "/x", "apps", 200);
        let audit = audit("half", &format!("{whole}\n{}", &whole[..20]));
        let requests = audit.since(Mark::START).expect("the whole line is read");
        assert_eq!(requests.len(), 1);
        std::fs::write(audit.path(), format!("{whole}\n{whole}\n")).expect("it is writable");
        assert_eq!(
            audit
                .since(Mark(whole.len() as u64 + 1))
                .expect("both are whole")
                .len(),
            1
        );
        std::fs::remove_file(audit.path()).expect("it can be removed");
        assert!(
            audit
                .since(Mark::START)
                .expect("no file is an empty log")
                .is_empty()
        );
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        let audit = audit("bad", "{\"auditID\": 1}\n");
        let error = format!(
            "{:#}",
            audit.since(Mark::START).expect_err("a number is no id")
        );
        assert!(error.contains("not an audit event"), "{error}");
        std::fs::remove_file(audit.path()).expect("it can be removed");
    }

    #[test]
    fn writes_and_refusals_are_told_apart() {
        let read = |verb, uri, group, code| {
            parse(&line(verb, uri, group, code))
                .expect("it parses")
                .remove(0)
        };
        assert!(read("patch", "/a?fieldManager=x&force=true", "apps", 200).is_write());
        assert!(!read("patch", "/a?fieldManager=x&dryRun=All", "apps", 200).is_write());
        assert!(!read("create", "/a", "authorization.k8s.io", 201).is_write());
        assert!(!read("watch", "/a", "apps", 200).is_write());
        assert!(read("get", "/a", "apps", 403).is_refused());
        assert!(!read("get", "/a", "apps", 404).is_refused());
        let request = read("get", "/a", "apps", 200);
        assert_eq!(request.resource(), "deployments/status");
        assert!(
            request.is_by_service_account("a", "b") && !request.is_by_service_account("a", "c")
        );
    }
}
