//! Waiting for a condition, never for a duration: a probe looks again and again until it has a value, knows that there
//! will never be one, or the deadline passes. The time-out says what was seen last.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{BoxError, Error, Result};

/// The result of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look<T> {
    /// The awaited value.
    Value(T),
    /// Not there yet; what is there instead.
    NotYet(String),
    /// It can no longer come; why.
    Never(String),
}

impl<T> Look<T> {
    /// `Value` if there is one, else `NotYet`.
    pub fn from_option(value: Option<T>, otherwise: impl FnOnce() -> String) -> Self {
        value.map_or_else(|| Look::NotYet(otherwise()), Look::Value)
    }

    /// Changes the value, if there is one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Look<U> {
        match self {
            Look::Value(value) => Look::Value(change(value)),
            Look::NotYet(seen) => Look::NotYet(seen),
            Look::Never(why) => Look::Never(why),
        }
    }
}

impl Look<()> {
    /// `Value(())` if it holds, else `NotYet`.
    pub fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Self {
        Look::from_option(condition.then_some(()), otherwise)
    }
}

/// The result of a probe. An error that is not in here, of whatever type, comes in with `?`.
pub type Looked<T> = std::result::Result<Look<T>, BoxError>;

/// The first pause between two looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Short for [`Duration::from_secs`].
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Looks until `probe` has a value; `what` names it in errors.
///
/// The deadline holds for a look that hangs, too.
pub async fn wait_until<T>(
    what: impl Into<String>,
    mut probe: impl AsyncFnMut() -> Looked<T>,
    deadline: Duration,
) -> Result<T> {
    let waiting_for = what.into();
    let until = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut last_seen = "nothing: the first look did not come back".to_owned();
    loop {
        match tokio::time::timeout_at(until, probe()).await {
            Ok(Ok(Look::Value(value))) => return Ok(value),
            Ok(Ok(Look::NotYet(seen))) => last_seen = seen,
            Ok(Ok(Look::Never(why))) => return Err(Error::Never { waiting_for, why }),
            Ok(Err(source)) => return Err(Error::Probe { waiting_for, source }),
            Err(_) => return Err(Error::Deadline { waiting_for, after: deadline, last_seen }),
        }
        if tokio::time::timeout_at(until, tokio::time::sleep(pause)).await.is_err() {
            return Err(Error::Deadline { waiting_for, after: deadline, last_seen });
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_value_ends_the_wait() {
        let mut looks = 0;
        let probe = async || {
            looks += 1;
            Ok(Look::from_option((looks == 3).then_some("here"), || format!("look {looks}")))
        };
        assert_eq!(wait_until("it", probe, secs(5)).await.unwrap(), "here");
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_says_what_was_seen_last() {
        let mut looks = 0;
        let probe = async || {
            looks += 1;
            Ok(Look::<()>::NotYet(format!("look {looks}")))
        };
        let error = wait_until("the gateway", probe, Duration::from_millis(12)).await.unwrap_err();
        assert_eq!(error.to_string(), "the gateway: not within 12 ms; last seen: look 2");
    }

    #[tokio::test(start_paused = true)]
    async fn never_ends_the_wait_at_once() {
        let started = Instant::now();
        let error =
            wait_until("it", async || Ok(Look::<()>::Never("it died".into())), secs(60)).await.unwrap_err();
        assert_eq!(error.to_string(), "it: will never be: it died");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_ends_with_the_deadline() {
        let error =
            wait_until("it", async || std::future::pending::<Looked<()>>().await, secs(1)).await.unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_ends_the_wait() {
        let error =
            wait_until("it", async || Err::<Look<()>, _>("broken".into()), secs(1)).await.unwrap_err();
        assert_eq!(crate::error::chain(&error), "failed to look for it\ncaused by: broken");
    }
}
