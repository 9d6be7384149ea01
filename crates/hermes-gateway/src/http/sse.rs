//! Server-sent events (HTML Living Standard 9.2) of a turn.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::mem;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use hermes_agent::protocol::{Event, TurnEnd};
use tokio::time::{self, Instant};

use super::idempotency::{Stored, Ticket};
use super::problem::Problem;
use crate::turns::{Running, Step};

/// The media type.
pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// The interval of comments in a quiet stream. Proxies close a connection that is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The longest wait for the first visible event. Until then, a failure still gets its own status.
const HEAD_WAIT: Duration = Duration::from_secs(3);

/// The form of a turn's events in one API.
pub(crate) trait Translate: Send + 'static {
    /// Writes the frames of an event.
    fn event(&mut self, event: &Event, frames: &mut Frames);

    /// Writes the frames of the end.
    fn end(&mut self, end: Result<&TurnEnd, &Problem>, frames: &mut Frames);
}

/// Frames of a stream.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    text: String,
}

impl Frames {
    /// Adds a frame without a name.
    pub(crate) fn data(&mut self, data: &impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "data: {data}\n\n");
    }

    /// Adds a frame with a name.
    pub(crate) fn named(&mut self, name: &str, data: &impl std::fmt::Display) {
        let _ = write!(self.text, "event: {name}\ndata: {data}\n\n");
    }

    fn comment(&mut self) {
        self.text.push_str(": keep-alive\n\n");
    }

    pub(crate) fn take(&mut self) -> String {
        mem::take(&mut self.text)
    }
}

/// A stream that is being sent. If the client goes away, it is dropped, and the turn is interrupted.
struct Sending<T> {
    running: Running,
    translate: T,
    frames: Frames,
    ticket: Option<Ticket>,
    /// The frames so far, for a repetition of the request.
    sent: String,
    is_over: bool,
}

impl<T: Translate> Sending<T> {
    /// Waits for the next step, and writes its frames.
    async fn step(&mut self) {
        match self.running.next().await {
            Some(Step::Event(event)) => self.translate.event(&event, &mut self.frames),
            Some(Step::End(end)) => {
                self.translate.end(end.as_ref(), &mut self.frames);
                self.is_over = true;
                let Some(ticket) = self.ticket.take() else { return };
                // A turn that failed leaves its ticket, so that a repetition runs again.
                if end.is_ok() {
                    let body = format!("{}{}", self.sent, self.frames.text);
                    ticket.finish(&Stored::stream(body)).await;
                }
            }
            None => self.is_over = true,
        }
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        while self.frames.text.is_empty() && !self.is_over {
            if time::timeout(KEEP_ALIVE, self.step()).await.is_err() {
                self.frames.comment();
            }
        }
        let text = self.frames.take();
        if text.is_empty() {
            return None;
        }
        if self.ticket.is_some() {
            self.sent.push_str(&text);
        }
        Some((Ok(Bytes::from(text)), self))
    }
}

/// Answers with the events of a turn.
///
/// # Errors
/// The turn failed before anything was visible.
pub(crate) async fn respond<T: Translate>(
    running: Running,
    translate: T,
    ticket: Option<Ticket>,
) -> Result<Response, Problem> {
    let frames = Frames::default();
    let mut sending = Sending { running, translate, frames, ticket, sent: String::new(), is_over: false };
    let give_up = Instant::now() + HEAD_WAIT;
    loop {
        match time::timeout_at(give_up, sending.running.next()).await {
            Ok(Some(Step::End(Err(problem)))) => return Err(problem),
            Ok(Some(Step::End(Ok(end)))) => {
                sending.translate.end(Ok(&end), &mut sending.frames);
                sending.is_over = true;
                if let Some(ticket) = sending.ticket.take() {
                    ticket.finish(&Stored::stream(sending.frames.text.clone())).await;
                }
                break;
            }
            Ok(Some(Step::Event(event))) => {
                sending.translate.event(&event, &mut sending.frames);
                if is_visible(&event) {
                    break;
                }
            }
            Ok(None) | Err(_) => break,
        }
    }
    Ok(response(Body::from_stream(stream::unfold(sending, Sending::next))))
}

fn is_visible(event: &Event) -> bool {
    matches!(event, Event::TextDelta { .. } | Event::ReasoningDelta { .. } | Event::ToolStarted { .. })
}

/// Returns an answer with a stream as its body.
pub(crate) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
