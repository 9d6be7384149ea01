//! The tool `ask_agent`: a question to another agent, over the Unix socket of its gateway.
//!
//! The callee decides who may ask (`agents.allow`). It answers in a session of its own, with its own model, memory and tools. What it
//! uses counts in its budget and in the budget of the caller. If the call is dropped, the connection ends, and the callee interrupts its
//! turn.

use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use hermes_core::gateway::{agent_keys, socket};
use hermes_core::{Home, ProfileName, chain};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Effect, Invocation, Ledger, Tool, ToolOutput, ToolSchema};
use crate::protocol::StopReason;
use crate::provider::SseParser;
use crate::store::Store;

/// The path of the gateway's route.
pub const PATH: &str = "/api/ask";

/// The header with the depth of the new session: 1 if the caller's session is one of a person.
pub const DEPTH: HeaderName = HeaderName::from_static("x-hermes-depth");

/// The greatest depth. It ends a circle of agents that ask each other.
pub const DEPTH_MAX: u32 = 3;

/// The name of the frame with a [`super::Spent`].
pub const SPENT: &str = "spent";

/// The name of the frame with an [`Answer`], the last one.
pub const ANSWER: &str = "answer";

/// The name of the frame with an error, the last one.
pub const ERROR: &str = "error";

/// The time for an answer.
const TIME: Duration = Duration::from_secs(30 * 60);

/// The longest error that is read, in bytes.
const ERROR_MAX: usize = 64 * 1024;

/// The answer of an agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// The reason why the turn ended.
    pub reason: StopReason,
}

/// The tool.
#[derive(Debug)]
pub struct AskAgentTool {
    home: Home,
    profile: ProfileName,
    /// The agents that this one may ask.
    agents: Vec<ProfileName>,
    store: Store,
}

#[derive(Deserialize)]
struct Arguments {
    profile: String,
    message: String,
}

impl AskAgentTool {
    /// Creates the tool. Returns `None` if no agent lets this one ask.
    pub fn new(home: &Home, profile: &ProfileName, store: Store) -> Option<Self> {
        let agents = agent_keys::callees(home, profile);
        (!agents.is_empty()).then(|| Self { home: home.clone(), profile: profile.clone(), agents, store })
    }

    /// Asks, and returns the answer. The error is for the model.
    async fn ask(&self, call: Invocation) -> Result<String, String> {
        let Arguments { profile, message } = serde_json::from_value(call.arguments)
            .map_err(|error| format!("failed to read the arguments: {error}"))?;
        let callee = ProfileName::new(&profile).map_err(|error| chain(&error))?;
        let depth = self.store.depth(&call.session).await.map_err(|error| chain(&error))? + 1;
        if depth > DEPTH_MAX {
            return Err(format!(
                "failed to ask {callee}: {DEPTH_MAX} agents have asked each other already. Answer without it."
            ));
        }
        let key = agent_keys::key(&self.home, &self.profile, &callee).map_err(|error| chain(&error))?;
        let key = key.ok_or_else(|| self.not_allowed(&callee))?;
        let path = socket::find(&self.home, &callee).ok_or_else(|| {
            format!("{callee} does not run. A person can start it: hermes -p {callee} gateway start")
        })?;
        let stream = connect(&path).await.map_err(|error| {
            format!("failed to connect to {callee}: {error}. It may be starting: try again.")
        })?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.reveal()))
            .map_err(|error| format!("failed to use the key of {callee}: {error}"))?;
        bearer.set_sensitive(true);
        let request = Request::post(PATH)
            .header(HOST, "agent")
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .header(DEPTH, depth)
            .body(Full::new(Bytes::from(json!({ "message": message }).to_string())))
            .map_err(|error| format!("failed to ask {callee}: {error}"))?;
        match answer_of(stream, request, &call.ledger).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Key) => {
                agent_keys::forget(&self.home, &self.profile, &callee, &key);
                Err(self.not_allowed(&callee))
            }
            Err(Failure::Other(cause)) => Err(format!("failed to ask {callee}: {cause}")),
        }
    }

    fn not_allowed(&self, callee: &ProfileName) -> String {
        format!(
            "{callee} does not let this agent ask. A person can change this: agents.allow: [{}] in the config.yaml of {callee}, then \
             hermes -p {callee} gateway restart",
            self.profile
        )
    }
}

/// The reason why there is no answer.
enum Failure {
    /// The callee does not accept the key.
    Key,
    /// A clause.
    Other(String),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Other(chain(&error))
    }
}

/// Connects to a socket. An address holds 107 bytes (unix(7)), and the path may be longer. The path through a descriptor is always short.
async fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::NotFound.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)).await
}

/// Sends the request, and reads the answer. Passes the spent tokens on as they are reported.
async fn answer_of(
    stream: UnixStream,
    request: Request<Full<Bytes>>,
    ledger: &Ledger,
) -> Result<String, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends with this future.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(request).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(Failure::Key),
        _ => return Err(Failure::Other(error_of(response).await)),
    }
    let (mut body, mut parser) = (response.into_body(), SseParser::default());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        for event in parser.push(&data).map_err(|error| Failure::Other(error.to_string()))? {
            let data = &event.data;
            match event.name.as_str() {
                SPENT => ledger.add(read(data)?),
                ANSWER => return Ok(shown(read(data)?)),
                ERROR => return Err(Failure::Other(message_of(data))),
                // A newer gateway may send more.
                _ => {}
            }
        }
    }
    let cause = "the connection ended before the answer. Its gateway may have stopped: try again later.";
    Err(Failure::Other(cause.to_owned()))
}

fn read<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(data)
        .map_err(|error| Failure::Other(format!("failed to read the answer: {error}")))
}

fn shown(answer: Answer) -> String {
    let Answer { text, reason } = answer;
    match reason {
        StopReason::EndTurn => text,
        StopReason::Refusal => format!("{text}\n\n[The agent refused.]"),
        _ => format!("{text}\n\n[The answer is incomplete: a limit or an interrupt ended it.]"),
    }
}

async fn error_of(response: Response<Incoming>) -> String {
    let status = response.status();
    match Limited::new(response.into_body(), ERROR_MAX).collect().await {
        Ok(body) => message_of(&body.to_bytes()),
        Err(_) => format!("its gateway answered {status}"),
    }
}

/// Returns the message of an error in OpenAI's form.
fn message_of(document: &[u8]) -> String {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    match document["error"]["message"].as_str() {
        Some(message) => message.to_owned(),
        None => "its gateway answered with an error without a message".to_owned(),
    }
}

impl Tool for AskAgentTool {
    fn schema(&self) -> ToolSchema {
        let names: Vec<_> = self.agents.iter().map(ProfileName::as_str).collect();
        ToolSchema {
            name: "ask_agent".to_owned(),
            description: "Asks another agent and returns its answer. It has its own memory, model and tools, and knows nothing of this \
                          conversation."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "profile": {"type": "string", "enum": names},
                    "message": {"type": "string", "description": "all that it needs to know"},
                },
                "required": ["profile", "message"],
            }),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Elsewhere
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            match timeout(TIME, self.ask(call)).await {
                Ok(Ok(answer)) => ToolOutput::done(answer),
                Ok(Err(cause)) => ToolOutput::failed(cause),
                Err(_) => ToolOutput::failed(format!(
                    "failed to get an answer within {} minutes. The other agent was interrupted.",
                    TIME.as_secs() / 60
                )),
            }
        })
    }
}
