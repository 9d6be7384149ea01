//! Server-sent events (HTML Living Standard 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use hermes_operations::{Report, ReportKind};

/// The interval after which a quiet stream sends the event `pulse`. The page takes twice this time of silence for a lost connection.
const PULSE: Duration = Duration::from_secs(10);

/// Takes a permit for another stream.
///
/// # Errors
/// All permits are taken.
pub(crate) fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Report> {
    Arc::clone(permits).try_acquire_owned().map_err(|_| {
        Report::new(ReportKind::TryAgain, "too many pages are open")
            .hint("close some of them, or reload this one from time to time")
    })
}

/// Returns an event whose data is JSON.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Event {
    event_of(Event::default(), name, data)
}

/// Returns an event with an ID. A browser that connects again sends the last ID.
pub(crate) fn event_with_id(id: u64, name: &str, data: &impl Serialize) -> Event {
    event_of(Event::default().id(id.to_string()), name, data)
}

fn event_of(event: Event, name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    event.event(name).data(data)
}

/// Returns the response with these events.
pub(crate) fn response(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // Otherwise nginx collects the events.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let keep_alive = KeepAlive::new().interval(PULSE).event(event("pulse", &()));
    (headers, Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(keep_alive)).into_response()
}
