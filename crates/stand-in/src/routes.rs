//! The routes of the server: two protocols and its own controls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::conversation;
use crate::error::Error;
use crate::fault;
use crate::http::Request;
use crate::journal::Journal;
use crate::protocol::Protocol;
use crate::replay::Replay;
use crate::response::{Outcome, Response};
use crate::script::Script;

/// The name of the model in the list of models.
const MODEL: &str = "stand-in";

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct State {
    script: Mutex<Script>,
    replay: Option<Mutex<Replay>>,
    journal: Mutex<Journal>,
}

/// Locks a state. A panic elsewhere does not make it useless.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(script: Script, replay: Option<Replay>, journal: Journal) -> Self {
        Self { script: Mutex::new(script), replay: replay.map(Mutex::new), journal: Mutex::new(journal) }
    }

    pub(crate) fn set_script(&self, script: Script) {
        *lock(&self.script) = script;
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        lock(&self.journal).entries()
    }

    pub(crate) fn clear_requests(&self) {
        lock(&self.journal).clear();
    }

    /// Notes how the answer to a request ended.
    pub(crate) fn end(&self, number: u64, outcome: Outcome) {
        lock(&self.journal).end(number, outcome);
    }

    /// Returns the answer, and the number of the request if it is recorded.
    pub(crate) fn answer(&self, request: &Request) -> (Response, Option<u64>) {
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            ("GET", "/requests") => return (Response::json(200, &self.requests().into()), None),
            ("DELETE", "/requests") => {
                self.clear_requests();
                return (Response::json(200, &json!({"cleared": true})), None);
            }
            ("POST", "/script") => return (self.replace_script(&request.body), None),
            ("GET" | "HEAD", "/") => return (Response::whole(200, "text/plain; charset=utf-8", ABOUT), None),
            _ => {}
        }
        let body = serde_json::from_slice(&request.body);
        let shown = body
            .as_ref()
            .map_or_else(|_| String::from_utf8_lossy(&request.body).into_owned().into(), Value::clone);
        let number = lock(&self.journal).add(request, shown);
        let response = match (request.method.as_str(), path) {
            ("GET", "/v1/models") => Response::json(200, &models()),
            ("POST", "/v1/chat/completions") => {
                self.complete(Protocol::ChatCompletions, path, body.ok(), number)
            }
            ("POST", "/v1/messages") if request.header("anthropic-version").is_none() => {
                let message = "anthropic-version: header is required";
                Response::json(400, &Protocol::Messages.error(400, message))
            }
            ("POST", "/v1/messages") => self.complete(Protocol::Messages, path, body.ok(), number),
            (method, path) => {
                let message = format!("The stand-in has no route {method} {path}.");
                let protocol =
                    if path == "/v1/messages" { Protocol::Messages } else { Protocol::ChatCompletions };
                Response::json(404, &protocol.error(404, &message))
            }
        };
        (response, Some(number))
    }

    fn complete(&self, protocol: Protocol, path: &str, body: Option<Value>, number: u64) -> Response {
        let refuse = |message: &str| Response::json(400, &protocol.error(400, message));
        let Some(body) = body else { return refuse("The body of the request is no JSON.") };
        let prompt = match protocol.prompt(&body) {
            Ok(prompt) => prompt,
            Err(message) => return refuse(&message),
        };
        let step = lock(&self.script).take(&prompt);
        if let Some(step) = step {
            let mut response = fault::respond(protocol, &prompt, &step.answer, number, step.fault.as_ref());
            for (name, value) in &step.headers {
                response.set_header(name, value);
            }
            return response;
        }
        if let Some(replay) = &self.replay {
            return lock(replay).answer(path, &body).unwrap_or_else(|message| refuse(&message));
        }
        fault::respond(protocol, &prompt, &conversation::answer(&prompt), number, None)
    }

    fn replace_script(&self, body: &[u8]) -> Response {
        match Script::parse(&String::from_utf8_lossy(body)) {
            Ok(script) => {
                self.set_script(script);
                Response::json(200, &json!({"replaced": true}))
            }
            Err(error) => {
                let message = match &error {
                    Error::Script(cause) => format!("{error}: {cause}"),
                    _ => error.to_string(),
                };
                Response::json(400, &json!({"error": {"message": message}}))
            }
        }
    }
}

/// The page at `/`.
const ABOUT: &str = "This is a stand-in for a model server. It understands nothing.\n\
    POST /v1/chat/completions, POST /v1/messages, GET /v1/models\n\
    GET /requests, DELETE /requests, POST /script\n";

/// Returns the list of models. Both protocols read their own fields of it.
fn models() -> Value {
    json!({
        "object": "list",
        "data": [{
            "id": MODEL, "object": "model", "created": 0, "owned_by": "stand-in",
            "type": "model", "display_name": "Stand-in", "created_at": "1970-01-01T00:00:00Z",
        }],
        "has_more": false,
        "first_id": MODEL,
        "last_id": MODEL,
    })
}
