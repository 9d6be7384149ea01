//! `/api/profiles/{name}/log/events`: the end of a gateway's log, and then each new line.

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
use hermes_operations::Report;
use hermes_os::presence::if_present;
use serde_json::json;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::profile_files::{LINES, secrets_of, shown_line, unreadable};
use crate::refusal::Refusal;
use crate::site::{Identity, Site, profile_named};
use crate::sse::{self, event};

/// The part of a log that is read for one event, in bytes.
const PIECE: u64 = 32 * 1024;
/// The interval of the checks that a log exists and that the reader is still logged in.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// A step of a log that is followed.
pub(crate) enum LogEvent {
    /// The end of the log. It replaces the earlier lines.
    Tail(Vec<String>),
    /// Further lines.
    Lines(Vec<String>),
    /// The log can no longer be followed.
    Trouble(Report),
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
    _permit: OwnedSemaphorePermit,
}

/// Streams a log: `tail` (`lines`: they replace the earlier ones), `lines` (`lines`: they follow the earlier ones), `trouble` (a
/// failure), `logout`.
#[utoipa::path(get, operation_id = "logEvents", path = "/api/profiles/{name}/log/events", params(("name" = String, Path)), tag = "live", responses(
    (status = 200, content_type = "text/event-stream", description = "events `tail`, `lines`, `trouble`, `logout`, data in JSON", body = String),
    (status = 404, description = "no such profile", body = Report),
    (status = 503, description = "too many streams", body = Report)))]
pub(crate) async fn stream(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Path(name): Path<String>,
) -> Response {
    match Follower::new(site, identity, &name) {
        Ok(follower) => sse::response(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            let (event, is_last) = match follower.next().await {
                LogEvent::Tail(lines) => (event("tail", &json!({ "lines": lines })), false),
                LogEvent::Lines(lines) => (event("lines", &json!({ "lines": lines })), false),
                LogEvent::Trouble(failure) => (event("trouble", &failure), true),
                LogEvent::Logout => (event("logout", &()), true),
            };
            Some((event, (!is_last).then_some(follower)))
        })),
        Err(failure) => Refusal(failure).into_response(),
    }
}

impl Follower {
    /// Prepares to follow the log of a profile.
    ///
    /// # Errors
    /// There is no such profile, or too many logs are followed.
    pub(crate) fn new(site: Arc<Site>, identity: Identity, name: &str) -> Result<Self, Report> {
        let profile: ProfileName = profile_named(name)?;
        site.require_profile(&profile)?;
        let permit = sse::permit(&site.log_streams)?;
        Ok(Self {
            identity,
            current: site.home.gateway_log(&profile),
            secrets: secrets_of(&site, &profile),
            followed: None,
            unfinished: Vec::new(),
            has_more: false,
            checked: Instant::now(),
            site,
            _permit: permit,
        })
    }

    /// Waits for the next event. Dropping the future loses no line.
    pub(crate) async fn next(&mut self) -> LogEvent {
        self.step()
            .await
            .unwrap_or_else(|error| LogEvent::Trouble(unreadable("failed to follow the log", &error)))
    }

    async fn step(&mut self) -> io::Result<LogEvent> {
        loop {
            if self.checked.elapsed() >= CHECK_INTERVAL {
                self.checked = Instant::now();
                if !self.site.is_authorized(&self.identity) {
                    return Ok(LogEvent::Logout);
                }
            }
            let Some(followed) = &mut self.followed else {
                match self.begin()? {
                    Some(tail) => return Ok(LogEvent::Tail(tail)),
                    // The log does not exist yet.
                    None => {
                        tokio::time::timeout(CHECK_INTERVAL, std::future::pending::<()>())
                            .await
                            .unwrap_or_default();
                        continue;
                    }
                }
            };
            if !self.has_more {
                match tokio::time::timeout(CHECK_INTERVAL, followed.readable()).await {
                    Err(_) => continue,
                    Ok(ready) => {
                        let mut ready = ready?;
                        let is_there = ready.get_inner().take_notices()?;
                        ready.clear_ready();
                        if !is_there {
                            // The log's directory is gone. A new profile of this name may get another one.
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

    /// Begins to follow the log. Returns its end, or `None` if there is no log yet.
    fn begin(&mut self) -> io::Result<Option<Vec<String>>> {
        // Listening comes before the read of the end, so no line in between is missed.
        let Some(mut followed) = if_present(Followed::listen(&self.current))? else { return Ok(None) };
        let tail = gateway_log::tail(&self.current, LINES)?;
        if let Some((file, position)) = tail.current {
            followed.go_on(file, position)?;
        }
        #[expect(unsafe_code, reason = "AsyncFd::register_with_interest")]
        // SAFETY: `followed` owns the descriptor, and closes it only when it is dropped.
        let followed = unsafe { AsyncFd::register_with_interest(followed, Interest::READABLE)? };
        self.followed = Some(followed);
        Ok(Some(tail.lines.iter().map(|line| shown_line(line, &self.secrets)).collect()))
    }

    fn finished_lines(&mut self) -> Vec<String> {
        let Some(end) = self.unfinished.iter().rposition(|&byte| byte == b'\n') else {
            // A line without an end is not kept beyond this length.
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
