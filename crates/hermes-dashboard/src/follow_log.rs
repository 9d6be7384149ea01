//! `/api/profiles/{name}/log/events`: the end of a gateway's log, and then each line when it is written.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hermes_core::ProfileName;
use hermes_core::gateway::log as gateway_log;
use hermes_core::gateway::log::Followed;
use hermes_core::secrets::Secrets;
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::agents::Failure;
use crate::events::{PULSE, answer, event, place};
use crate::profile_files::{LINES, secrets_of, shown_line, unreadable};
use crate::refusal::Refusal;
use crate::site::{Identity, Site, profile_named};

/// How much of a log is read for one event, in bytes.
const PIECE: u64 = 32 * 1024;
/// Between two looks whether a log has begun, and whether who reads is still logged in.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Lines {
    lines: Vec<String>,
}

/// A step of a log that is followed.
pub(crate) enum LogEvent {
    /// The end of the log, in place of what was there.
    Tail(Vec<String>),
    /// Further lines.
    Lines(Vec<String>),
    /// Nothing happened.
    Pulse,
    /// The log cannot be followed any more.
    Trouble(Failure),
    /// The reader is no longer logged in.
    Logout,
}

/// A log that is followed.
pub(crate) struct Follower {
    site: Arc<Site>,
    identity: Identity,
    current: PathBuf,
    secrets: Secrets,
    followed: Option<AsyncFd<Followed>>,
    /// The beginning of a line whose end is not written yet.
    unfinished: Vec<u8>,
    has_more: bool,
    checked: Instant,
    _place: OwnedSemaphorePermit,
}

/// Streams a log: `tail` (`lines`, in place of what was there), `lines` (`lines`, behind it), `trouble` (a failure), `logout`.
#[utoipa::path(get, operation_id = "logEvents", path = "/api/profiles/{name}/log/events", params(("name" = String, Path)), tag = "live", responses(
    (status = 200, content_type = "text/event-stream", description = "events `tail`, `lines`, `trouble`, `logout`, data in JSON", body = String),
    (status = 404, description = "no such profile", body = Failure),
    (status = 503, description = "too many streams", body = Failure)))]
pub(crate) async fn stream(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
) -> Response {
    match Follower::new(site, identity, &name) {
        Ok(follower) => answer(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            let (bytes, goes_on) = match follower.next().await {
                LogEvent::Tail(lines) => (event(None, "tail", &Lines { lines }), true),
                LogEvent::Lines(lines) => (event(None, "lines", &Lines { lines }), true),
                LogEvent::Pulse => (event(None, "pulse", &()), true),
                LogEvent::Trouble(failure) => (event(None, "trouble", &failure), false),
                LogEvent::Logout => (event(None, "logout", &()), false),
            };
            Some((Ok::<_, Infallible>(bytes), goes_on.then_some(follower)))
        })),
        Err(failure) => Refusal(failure).into_response(),
    }
}

impl Follower {
    /// # Errors
    /// There is no such profile, or too many logs are followed.
    pub(crate) fn new(site: Arc<Site>, identity: Identity, name: &str) -> Result<Self, Failure> {
        let profile: ProfileName = profile_named(name)?;
        site.must_have(&profile)?;
        let place = place(&site.log_streams)?;
        Ok(Self {
            identity,
            current: site.home.gateway_log(&profile),
            secrets: secrets_of(&site, &profile),
            followed: None,
            unfinished: Vec::new(),
            has_more: false,
            checked: Instant::now(),
            site,
            _place: place,
        })
    }

    /// Waits for the next event. To drop the wait loses nothing.
    pub(crate) async fn next(&mut self) -> LogEvent {
        self.step()
            .await
            .unwrap_or_else(|error| LogEvent::Trouble(unreadable("cannot follow the log", &error)))
    }

    async fn step(&mut self) -> io::Result<LogEvent> {
        let quiet_since = Instant::now();
        loop {
            if self.checked.elapsed() >= LOOK {
                self.checked = Instant::now();
                if !self.site.still_knows(&self.identity) {
                    return Ok(LogEvent::Logout);
                }
            }
            if quiet_since.elapsed() >= PULSE {
                return Ok(LogEvent::Pulse);
            }
            let Some(followed) = &mut self.followed else {
                match self.begin()? {
                    Some(tail) => return Ok(LogEvent::Tail(tail)),
                    // Nothing was logged yet.
                    None => {
                        tokio::time::timeout(LOOK, std::future::pending::<()>()).await.unwrap_or_default();
                        continue;
                    }
                }
            };
            if !self.has_more {
                match tokio::time::timeout(LOOK, followed.readable()).await {
                    Err(_) => continue,
                    Ok(ready) => {
                        let mut ready = ready?;
                        let is_there = ready.get_inner().take_notices()?;
                        ready.clear_ready();
                        if !is_there {
                            // The log's directory is gone: with it the profile, or another one of that name follows.
                            self.followed = None;
                            self.unfinished.clear();
                            continue;
                        }
                    }
                }
            }
            self.has_more = followed.get_mut().catch_up_at_most(&mut self.unfinished, PIECE)?;
            let lines = self.finished_lines();
            if !lines.is_empty() {
                return Ok(LogEvent::Lines(lines));
            }
        }
    }

    /// Begins to follow; gives the end of what is there. Nothing where there is no log yet.
    fn begin(&mut self) -> io::Result<Option<Vec<String>>> {
        // Listening comes first: what is written while the end is read is not to be missed.
        let mut followed = match Followed::listen(&self.current) {
            Ok(followed) => followed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let tail = gateway_log::tail(&self.current, LINES)?;
        if let Some((file, position)) = tail.current {
            followed.go_on(file, position)?;
        }
        #[expect(unsafe_code, reason = "AsyncFd::register_with_interest")]
        // SAFETY: the descriptor is the one that `followed` owns, and it closes it only when it is dropped itself.
        let followed = unsafe { AsyncFd::register_with_interest(followed, Interest::READABLE)? };
        self.followed = Some(followed);
        Ok(Some(tail.lines.iter().map(|line| shown_line(line, &self.secrets)).collect()))
    }

    fn finished_lines(&mut self) -> Vec<String> {
        let Some(end) = self.unfinished.iter().rposition(|&byte| byte == b'\n') else {
            // A line without an end is not kept for ever.
            if self.unfinished.len() as u64 > PIECE {
                let line = std::mem::take(&mut self.unfinished);
                return vec![shown_line(&line, &self.secrets)];
            }
            return Vec::new();
        };
        let rest = self.unfinished.split_off(end + 1);
        let whole = std::mem::replace(&mut self.unfinished, rest);
        let whole = whole.strip_suffix(b"\n").unwrap_or(&whole);
        whole.split(|&byte| byte == b'\n').map(|line| shown_line(line, &self.secrets)).collect()
    }
}
