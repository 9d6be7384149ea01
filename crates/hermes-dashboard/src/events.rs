//! `/api/events`: the changes of the overview and the lines of logs, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::{future, stream};
use hermes_operations::Report;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::board::{Change, RowView, Seen, Snapshot};
use crate::follow_log::{Follower, LogEvent};
use crate::refusal::Refusal;
use crate::site::{Identity, Site};
use crate::sse::{self, event, event_with_id};

/// The interval of the check that the reader is still logged in.
const AUTHORIZATION_INTERVAL: Duration = Duration::from_secs(2);
/// The delay before a browser connects again.
const RETRY: Duration = Duration::from_secs(2);

/// The start of a stream.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Since {
    /// The version of the page. Later changes are sent.
    #[serde(default)]
    since: u64,
    /// The profiles whose logs are followed too, separated by commas; 16 at most.
    #[serde(default)]
    logs: String,
    /// The profiles whose pages are open, separated by commas; 16 at most. Their events `row` have the changing part of the page too.
    #[serde(default)]
    pages: String,
}

/// The number of logs in one stream, and that of the agents' pages.
const LOGS_MAX: usize = 16;

struct RowStream {
    site: Arc<Site>,
    identity: Identity,
    latest: watch::Receiver<Arc<Snapshot>>,
    seen: Seen,
    /// The profiles whose pages are open.
    pages: Vec<String>,
    /// `true` if the failure of the last refresh was sent.
    in_trouble: bool,
    begun: bool,
    checked: Instant,
    _permit: OwnedSemaphorePermit,
}

/// All events of a browser in one stream, because a browser opens few connections to one host.
struct PageStream {
    rows: RowStream,
    logs: Vec<(String, Follower)>,
    /// Events of logs that cannot be followed.
    refused: Vec<Event>,
}

/// Streams the changes of agents: `row` (`name`, `html`, and `page` for the open page of an agent), `gone` (`name`), `all` (`names`: all
/// other profiles are gone; each row follows), `trouble` (a failure), `well`, `logout`.
///
/// Streams the changes of logs: `log-tail` (`name`, `lines`: they replace the earlier ones), `log-lines` (`name`, `lines`: they follow the
/// earlier ones), `log-trouble` (`name`, `failure`).
#[utoipa::path(get, operation_id = "events", path = "/api/events", params(Since), tag = "live", responses(
    (status = 200, content_type = "text/event-stream", description = "events `row`, `gone`, `all`, `trouble`, `well`, `logout`, `log-tail`, `log-lines`, `log-trouble`, data in JSON", body = String),
    (status = 503, description = "too many streams", body = Report)))]
pub(crate) async fn stream(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Response {
    let permit = match sse::permit(&site.streams) {
        Ok(permit) => permit,
        Err(failure) => return Refusal(failure).into_response(),
    };
    // A browser that connects again sends the last ID.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let latest = site.board.watch();
    let (mut logs, mut refused) = (Vec::new(), Vec::new());
    for name in since.logs.split(',').filter(|name| !name.is_empty()).take(LOGS_MAX) {
        match Follower::new(Arc::clone(&site), identity.clone(), name) {
            Ok(follower) => logs.push((name.to_owned(), follower)),
            Err(failure) => refused.push(event("log-trouble", &json!({ "name": name, "failure": failure }))),
        }
    }
    let rows = RowStream {
        identity,
        latest,
        seen: Seen::up_to(seen.unwrap_or(since.since)),
        pages: since
            .pages
            .split(',')
            .filter(|name| !name.is_empty())
            .take(LOGS_MAX)
            .map(str::to_owned)
            .collect(),
        in_trouble: false,
        begun: false,
        checked: Instant::now(),
        site,
        _permit: permit,
    };
    sse::response(stream::unfold(Some(PageStream { rows, logs, refused }), |page| async {
        let mut page = page?;
        let (event, is_last) = page.next().await?;
        Some((event, (!is_last).then_some(page)))
    }))
}

impl PageStream {
    /// Waits for the next event. Returns it with `true` if it is the last one. Returns `None` when the dashboard ends.
    async fn next(&mut self) -> Option<(Event, bool)> {
        if self.rows.begun
            && let Some(refused) = self.refused.pop()
        {
            return Some((refused, false));
        }
        if self.logs.is_empty() || !self.rows.begun {
            return self.rows.next().await;
        }
        let logs = self.logs.iter_mut().map(|(_, follower)| Box::pin(follower.next()));
        let (place, log_event) = tokio::select! {
            row_event = self.rows.next() => return row_event,
            (log_event, place, _) = future::select_all(logs) => (place, log_event),
        };
        let name = self.logs[place].0.clone();
        let sent = match log_event {
            LogEvent::Tail(lines) => event("log-tail", &json!({ "name": name, "lines": lines })),
            LogEvent::Lines(lines) => event("log-lines", &json!({ "name": name, "lines": lines })),
            LogEvent::Trouble(failure) => {
                self.logs.swap_remove(place);
                event("log-trouble", &json!({ "name": name, "failure": failure }))
            }
            LogEvent::Logout => return Some((event("logout", &()), true)),
        };
        Some((sent, false))
    }
}

impl RowStream {
    async fn next(&mut self) -> Option<(Event, bool)> {
        if !self.begun {
            self.begun = true;
            return Some((Event::default().retry(RETRY).comment("begin"), false));
        }
        loop {
            if self.checked.elapsed() >= AUTHORIZATION_INTERVAL {
                self.checked = Instant::now();
                if !self.site.is_authorized(&self.identity) {
                    return Some((event("logout", &()), true));
                }
            }
            // The borrow ends before the stream waits, so no old snapshot is kept for a slow reader.
            let (change, page, failure) = {
                let seen = self.latest.borrow_and_update();
                let change = seen.refreshed.is_some().then(|| seen.next_change(self.seen)).flatten();
                let page = match &change {
                    Some(Change::Row { name, .. }) if self.pages.contains(name) => seen.view(name),
                    _ => None,
                };
                (change, page.map(RowView::live_html), seen.failure.clone())
            };
            match (&failure, self.in_trouble) {
                (Some(failure), false) => {
                    self.in_trouble = true;
                    return Some((event("trouble", failure), false));
                }
                (None, true) => {
                    self.in_trouble = false;
                    return Some((event("well", &()), false));
                }
                _ => {}
            }
            if let Some(change) = change {
                self.seen = self.seen.with(&change);
                let sent = match &change {
                    Change::Row { version, name, html } => {
                        let row = json!({ "name": name, "html": **html, "page": page });
                        event_with_id(*version, "row", &row)
                    }
                    Change::Gone { version, name } => {
                        event_with_id(*version, "gone", &json!({ "name": name }))
                    }
                    // It has no ID: a browser that connects again before the rows have followed gets it again.
                    Change::All { names, .. } => event("all", &json!({ "names": names })),
                };
                return Some((sent, false));
            }
            // The sender is gone when the dashboard ends.
            if let Ok(Err(_)) = tokio::time::timeout(AUTHORIZATION_INTERVAL, self.latest.changed()).await {
                return None;
            }
        }
    }
}
