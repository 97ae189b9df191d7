//! Waits for something to become true, and says what was seen instead when it does not.
//!
//! No test sleeps for a fixed time: it names what it waits for, asks again and again, and fails at
//! its deadline with the last thing it saw, which is what a person needs to find the reason.

use std::{
    fmt::{Debug, Display},
    future::Future,
    time::Duration,
};

use anyhow::{Result, bail};
use kube::{Api, Resource};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

/// How long to wait between two looks. Short against every wait in the tests, long against the
/// cost of one request.
const INTERVAL: Duration = Duration::from_millis(40);

/// What one look saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// The wait is over, with this result.
    Done(T),
    /// Not there yet; this is what was there instead, for the failure message.
    NotYet(String),
    /// It will never be there, so there is nothing to wait for.
    Never(anyhow::Error),
}

impl Seen<()> {
    /// Done when `holds`; otherwise `seen` goes into the failure message.
    pub fn when(holds: bool, seen: impl Debug) -> Self {
        if holds {
            Self::Done(())
        } else {
            Self::NotYet(format!("{seen:?}"))
        }
    }
}

/// Looks with `probe` until it is done and returns its result.
///
/// An error of the probe counts as "not yet": a request may fail while a server starts or before an
/// object exists. The last error is then part of the failure message.
///
/// # Errors
/// After `within`, with `what`, the time, and the last thing seen; a probe that hangs is given up at
/// the same deadline. At once when the probe says that it will never be.
pub async fn wait_for<T, F, Fut>(what: impl Display, within: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Seen<T>>>,
{
    let deadline = Instant::now() + within;
    let mut last = String::from("nothing: the first look did not return");
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(seen))) => last = seen,
            Ok(Ok(Seen::Never(error))) => {
                return Err(error.context(format!("{what}: will not come")));
            }
            Ok(Err(error)) => last = format!("error: {error:#}"),
            Err(_) => bail!(
                "{what}: not within {within:?}; the last look hung; before it was seen: {last}"
            ),
        }
        if Instant::now() + INTERVAL >= deadline {
            bail!("{what}: not within {within:?}; last seen: {last}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Waits until the named object exists and `holds` for it, and returns it.
///
/// # Errors
/// After `within`, with the whole object as it was last seen.
pub async fn wait_for_object<K>(
    api: &Api<K>,
    name: &str,
    what: impl Display,
    within: Duration,
    holds: impl Fn(&K) -> bool,
) -> Result<K>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    let holds = &holds;
    wait_for(format!("{name}: {what}"), within, || async move {
        Ok(match api.get_opt(name).await? {
            Some(object) if holds(&object) => Seen::Done(object),
            Some(object) => Seen::NotYet(serde_json::to_string_pretty(&object)?),
            None => Seen::NotYet(String::from("no such object")),
        })
    })
    .await
}

/// Waits until the named object is gone.
///
/// # Errors
/// After `within`, with the object that is still there.
pub async fn wait_for_absence<K>(api: &Api<K>, name: &str, within: Duration) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    wait_for(format!("{name}: gone"), within, || async move {
        Ok(match api.get_opt(name).await? {
            Some(object) => Seen::NotYet(serde_json::to_string_pretty(&object)?),
            None => Seen::Done(()),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failure_names_what_and_the_last_seen_value() {
        let mut looks = 0;
        let error =
            wait_for("three sheep", Duration::from_secs(1), || {
                looks += 1;
                let looks = looks;
                async move {
                    Ok::<Seen<()>, anyhow::Error>(Seen::NotYet(format!("{looks} sheep of wood")))
                }
            })
            .await
            .expect_err("it never becomes true");
        let text = error.to_string();
        assert!(
            text.starts_with("three sheep: not within 1s; last seen: "),
            "{text}"
        );
        assert!(text.ends_with("sheep of wood"), "{text}");
        assert!(looks > 2, "it looked {looks} times");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_not_yet_and_a_later_success_counts() {
        let mut looks = 0;
        let value = wait_for("a server", Duration::from_secs(1), || {
            looks += 1;
            let looks = looks;
            async move {
                if looks < 3 {
                    bail!("connection refused")
                }
                Ok(Seen::Done(looks))
            }
        })
        .await
        .expect("the third look succeeds");
        assert_eq!(value, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_look_ends_at_the_deadline() {
        let error = wait_for(
            "an answer",
            Duration::from_secs(5),
            std::future::pending::<Result<Seen<()>>>,
        )
        .await
        .expect_err("it hangs");
        assert!(error.to_string().contains("the last look hung"), "{error}");
    }
}
