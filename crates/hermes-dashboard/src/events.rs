//! `/api/events`: the rows of the overview, each when it changes (server-sent events, HTML Living Standard 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::{future, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::agents::{Failure, FailureKind};
use crate::board::{Change, Seen, Snapshot};
use crate::follow_log::{Follower, LogEvent};
use crate::refusal::Refusal;
use crate::site::{Identity, Site};

/// Nothing was sent for so long: the stream says that it is alive. The page takes twice as long without a word for a lost connection.
pub(crate) const PULSE: Duration = Duration::from_secs(10);
/// How often it is looked whether who reads is still logged in.
const STILL_KNOWN: Duration = Duration::from_secs(2);

/// Where to go on.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Since {
    /// The version of the page; what changed after it is sent.
    #[serde(default)]
    since: u64,
    /// The profiles whose logs are followed as well, with commas between them; 16 at most.
    #[serde(default)]
    logs: String,
}

/// Logs in one stream.
const LOGS_MAX: usize = 16;

struct Stream {
    site: Arc<Site>,
    identity: Identity,
    latest: watch::Receiver<Arc<Snapshot>>,
    seen: Seen,
    /// The failure of the last look was told.
    in_trouble: bool,
    begun: bool,
    checked: Instant,
    _place: OwnedSemaphorePermit,
}

/// All that a browser shows, in one stream: a browser has few connections for one host.
struct Both {
    rows: Stream,
    logs: Vec<(String, Follower)>,
    /// Events of logs that cannot be followed.
    refused: Vec<Bytes>,
}

/// Lines of one log.
#[derive(Serialize)]
struct LogLines<'c> {
    name: &'c str,
    lines: &'c [String],
}

/// A log that cannot be followed.
#[derive(Serialize)]
struct LogTrouble<'c> {
    name: &'c str,
    failure: &'c Failure,
}

/// A change, as the page takes it.
#[derive(Serialize)]
struct RowChanged<'c> {
    name: &'c str,
    html: &'c str,
}

#[derive(Serialize)]
struct RowGone<'c> {
    name: &'c str,
}

#[derive(Serialize)]
struct AllThereIs<'c> {
    names: &'c [String],
}

/// Streams what changes: `row` (`name`, `html`), `gone` (`name`), `all` (`names`: whatever else was seen is gone; each row follows),
/// `trouble` (a failure), `well`, `logout`; of the logs `log-tail` (`name`, `lines`, in place of what was there), `log-lines` (`name`,
/// `lines`, behind it), `log-trouble` (`name`, `failure`).
#[utoipa::path(get, operation_id = "events", path = "/api/events", params(Since), tag = "live", responses(
    (status = 200, content_type = "text/event-stream", description = "events `row`, `gone`, `all`, `trouble`, `well`, `logout`, `log-tail`, `log-lines`, `log-trouble`, data in JSON", body = String),
    (status = 503, description = "too many streams", body = Failure)))]
pub(crate) async fn stream(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Response {
    let place = match place(&site.streams) {
        Ok(place) => place,
        Err(failure) => return Refusal(failure).into_response(),
    };
    // A browser that comes back tells what it saw last.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let latest = site.board.watch();
    let (mut logs, mut refused) = (Vec::new(), Vec::new());
    for name in since.logs.split(',').filter(|name| !name.is_empty()).take(LOGS_MAX) {
        match Follower::new(Arc::clone(&site), identity.clone(), name) {
            Ok(follower) => logs.push((name.to_owned(), follower)),
            Err(failure) => refused.push(event(None, "log-trouble", &LogTrouble { name, failure: &failure })),
        }
    }
    let rows = Stream {
        identity,
        latest,
        seen: Seen::up_to(seen.unwrap_or(since.since)),
        in_trouble: false,
        begun: false,
        checked: Instant::now(),
        site,
        _place: place,
    };
    answer(stream::unfold(Some(Both { rows, logs, refused }), |both| async {
        let mut both = both?;
        let (bytes, goes_on) = both.next().await;
        Some((Ok::<_, Infallible>(bytes), goes_on.then_some(both)))
    }))
}

impl Both {
    async fn next(&mut self) -> (Bytes, bool) {
        if self.rows.begun
            && let Some(refused) = self.refused.pop()
        {
            return (refused, true);
        }
        if self.logs.is_empty() || !self.rows.begun {
            return self.rows.next().await;
        }
        let logs = self.logs.iter_mut().map(|(_, follower)| Box::pin(follower.next()));
        let (place, log_event) = tokio::select! {
            told = self.rows.next() => return told,
            (log_event, place, _) = future::select_all(logs) => (place, log_event),
        };
        let name = self.logs[place].0.clone();
        let told = match log_event {
            LogEvent::Tail(lines) => event(None, "log-tail", &LogLines { name: &name, lines: &lines }),
            LogEvent::Lines(lines) => event(None, "log-lines", &LogLines { name: &name, lines: &lines }),
            LogEvent::Pulse => event(None, "pulse", &()),
            LogEvent::Trouble(failure) => {
                self.logs.swap_remove(place);
                event(None, "log-trouble", &LogTrouble { name: &name, failure: &failure })
            }
            LogEvent::Logout => return (event(None, "logout", &()), false),
        };
        (told, true)
    }
}

impl Stream {
    async fn next(&mut self) -> (Bytes, bool) {
        if !self.begun {
            self.begun = true;
            return (Bytes::from_static(b"retry: 2000\n: begin\n\n"), true);
        }
        let quiet_since = Instant::now();
        loop {
            if self.checked.elapsed() >= STILL_KNOWN {
                self.checked = Instant::now();
                if !self.site.still_knows(&self.identity) {
                    return (event(None, "logout", &()), false);
                }
            }
            // The borrow is not held while anybody waits: nothing old is kept for a slow reader.
            let (change, failure) = {
                let seen = self.latest.borrow_and_update();
                let change = seen.looked.is_some().then(|| seen.change_after(self.seen)).flatten();
                (change, seen.failure.clone())
            };
            match (&failure, self.in_trouble) {
                (Some(failure), false) => {
                    self.in_trouble = true;
                    return (event(None, "trouble", failure), true);
                }
                (None, true) => {
                    self.in_trouble = false;
                    return (event(None, "well", &()), true);
                }
                _ => {}
            }
            if let Some(change) = change {
                self.seen = self.seen.and(&change);
                let told = match &change {
                    Change::Row { version, name, html } => {
                        event(Some(*version), "row", &RowChanged { name, html })
                    }
                    Change::Gone { version, name } => event(Some(*version), "gone", &RowGone { name }),
                    // Without an id: whoever comes back before the rows have followed is told once more.
                    Change::All { names, .. } => event(None, "all", &AllThereIs { names }),
                };
                return (told, true);
            }
            if quiet_since.elapsed() >= PULSE {
                return (event(None, "pulse", &()), true);
            }
            // Nothing is sent any more when the dashboard ends.
            if let Ok(Err(_)) = tokio::time::timeout(STILL_KNOWN, self.latest.changed()).await {
                return (Bytes::new(), false);
            }
        }
    }
}

/// A place for another stream.
///
/// # Errors
/// There are as many as there may be.
pub(crate) fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        Failure::new(FailureKind::TryAgain, "too many pages are open")
            .hint("close some, or reload this one now and then")
    })
}

/// The answer whose body is this stream.
pub(crate) fn answer(
    stream: impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // nginx would collect the events otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(stream)).into_response()
}

/// One event. Its data is JSON, which is one line.
pub(crate) fn event(id: Option<u64>, name: &str, data: &impl Serialize) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}
