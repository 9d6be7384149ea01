//! Faults of a server, and the answers that they make.

use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::prompt::Prompt;
use crate::protocol::Protocol;
use crate::response::{Piece, Response, Stop};
use crate::words;

/// The media type of a stream.
const EVENT_STREAM: &str = "text/event-stream";

/// The page of a proxy.
const PAGE: &str = "<!doctype html>\n<html><head><title>Sign in</title></head>\n\
                    <body><h1>Sign in to the network</h1></body></html>\n";

/// A fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Sends each byte in a segment of its own.
    CutEveryByte,
    /// Stalls or resets after this number of bytes of the body.
    Stop(usize, Stop),
    /// Ends the body in the middle of a line.
    HalfLine,
    /// Sends a line with this number of bytes of text.
    LongLine(usize),
    /// Names another media type.
    ContentType(String),
    /// Sends the page of a proxy.
    Html,
    /// Sends an error. `None` for a message is the usual one, and for a body the usual form.
    Status { status: u16, retry_after: Option<String>, message: Option<String>, body: Option<Value> },
    /// Refuses the prompt with the words of a server.
    ContextTooLong(words::Server),
    /// Sends an error after the text.
    ErrorInStream(Option<String>),
    /// Waits before the head.
    SlowFirstByte(Duration),
    /// Sends one object although a stream was asked for.
    JsonInsteadOfSse,
    /// Leaves out the last event.
    NoDone,
    /// Begins the body with a byte order mark.
    Bom,
    /// Ends lines with CR and LF.
    Crlf,
    /// Refuses `stream_options`.
    UsageRefused,
}

/// Returns the answer to a request, with its fault.
pub(crate) fn respond(
    protocol: Protocol,
    prompt: &Prompt,
    answer: &Answer,
    number: u64,
    fault: Option<&Fault>,
) -> Response {
    match fault {
        Some(Fault::Html) => return Response::whole(200, "text/html; charset=utf-8", PAGE),
        Some(Fault::Status { status, retry_after, message, body }) => {
            let message = message.as_deref().unwrap_or_else(|| words::message(*status));
            let body = body.clone().unwrap_or_else(|| protocol.error(*status, message));
            let mut response = Response::json(*status, &body);
            if let Some(value) = retry_after {
                response.set_header("retry-after", value);
            }
            return response;
        }
        Some(Fault::ContextTooLong(server)) => return Response::json(400, &words::context_too_long(*server)),
        Some(Fault::UsageRefused) => {
            let message = "Unrecognized request argument supplied: stream_options";
            return Response::json(400, &protocol.error(400, message));
        }
        _ => {}
    }
    let mut answer = answer.clone();
    if let Some(Fault::LongLine(bytes)) = fault {
        answer.text = "x".repeat(*bytes);
        answer.chunk_bytes = Some(*bytes);
    }
    let mut response = if prompt.is_streamed && fault != Some(&Fault::JsonInsteadOfSse) {
        stream(protocol, prompt, &answer, number, fault)
    } else {
        Response::json(200, &protocol.whole(&answer, prompt, number))
    };
    match fault {
        Some(Fault::CutEveryByte) => response.cuts_every_byte = true,
        Some(Fault::Stop(after, stop)) => response.stop = Some((*after, *stop)),
        Some(Fault::HalfLine) => response.stop = Some((middle(&response.pieces), Stop::End)),
        Some(Fault::ContentType(value)) => response.set_header("content-type", value),
        Some(Fault::SlowFirstByte(pause)) => response.pause = *pause,
        Some(Fault::Bom) => {
            let bytes = "\u{feff}".as_bytes().to_vec();
            response.pieces.insert(0, Piece { bytes, ..Piece::default() });
        }
        Some(Fault::Crlf) => {
            for piece in &mut response.pieces {
                let lines = piece.bytes.split(|byte| *byte == b'\n');
                piece.bytes = lines.collect::<Vec<_>>().join(&b"\r\n"[..]);
            }
        }
        _ => {}
    }
    response
}

fn stream(
    protocol: Protocol,
    prompt: &Prompt,
    answer: &Answer,
    number: u64,
    fault: Option<&Fault>,
) -> Response {
    let mut events = protocol.events(answer, prompt, number);
    match fault {
        Some(Fault::NoDone) => events.truncate(events.len().saturating_sub(1)),
        Some(Fault::ErrorInStream(message)) => {
            let after_output = events.iter().rposition(|event| event.is_output).map_or(1, |index| index + 1);
            events.truncate(after_output);
            events.push(protocol.error_event(message.as_deref().unwrap_or("Overloaded")));
        }
        _ => {}
    }
    let pieces = events.iter().map(|event| event.piece(answer)).collect();
    Response::stream(EVENT_STREAM, pieces)
}

/// Returns a position in the middle of a line, in the second half of the body.
fn middle(pieces: &[Piece]) -> usize {
    let place = pieces.len() / 2;
    let before: usize = pieces.iter().take(place).map(|piece| piece.bytes.len()).sum();
    before + pieces.get(place).map_or(0, |piece| piece.bytes.len() / 2)
}
