//! The conversations of an agent, as its page shows them: sessions, messages, the running turn and its questions.

mod documents;
mod entries;
mod moment;
mod send;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind};
use hermes_os::printable::unambiguous;
use serde::Deserialize;
use tokio::time::timeout;

use crate::gateway_client::{GatewayClient, segment};
use crate::site::Site;
use documents::{ApprovalDocument, List, MessageDocument, RunDocument, SessionDocument};
pub(crate) use entries::{Entry, Question};
use moment::moment_of;
pub(crate) use send::{Sent, answer_approval, retry, say, stop, take_back, wait_for_pause};

/// The number of messages on a page.
pub(crate) const MESSAGES: usize = 200;
/// The number of sessions on a page.
const SESSIONS: usize = 50;
/// The longest wait of a page for its gateway.
const LOAD_TIME: Duration = Duration::from_secs(5);
/// The value of `session` that begins a session.
pub(crate) const NEW: &str = "new";
/// The longest name of a session on the page, in characters.
const NAME_MAX: usize = 60;

/// The part of the conversation that a page shows, from its URL.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    /// The session. Without one, the newest is shown. `new` begins one.
    #[serde(default)]
    pub(crate) session: String,
    /// The ID of a message. The messages before it are shown.
    #[serde(default)]
    pub(crate) before: String,
    /// A text in the title or in a message of a session.
    #[serde(default)]
    pub(crate) find: String,
}

/// The conversations of an agent.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) sessions: Vec<SessionLink>,
    pub(crate) shown: Option<Shown>,
}

/// A session in the list.
#[derive(Clone, Debug)]
pub(crate) struct SessionLink {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) is_busy: bool,
    pub(crate) is_shown: bool,
}

/// The chosen session.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) entries: Vec<Entry>,
    /// The ID of the first message, if there are older ones.
    pub(crate) older: Option<i64>,
    /// `true` if these are not the newest messages.
    pub(crate) is_old: bool,
    pub(crate) is_busy: bool,
    /// The run of this gateway that answers.
    pub(crate) run: Option<String>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) question: Option<Question>,
    /// The failure of the last turn.
    pub(crate) failure: Option<String>,
}

/// A call of a tool that waits for a person.
#[derive(Clone, Debug)]
pub(crate) struct Approval {
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) subject: String,
    pub(crate) message: String,
}

impl Shown {
    /// Tells whether a person can send the last message again.
    pub(crate) fn can_retry(&self) -> bool {
        !self.is_busy && !self.is_old && self.entries.iter().any(|entry| matches!(entry, Entry::Person(_)))
    }
}

/// Reads the conversations of an agent.
///
/// # Errors
/// The gateway is down, does not answer, or refuses the request.
pub(crate) async fn load(site: &Arc<Site>, profile: &ProfileName, wanted: &Wanted) -> Result<Talk, Report> {
    let client = GatewayClient::of(site, profile).await?;
    timeout(LOAD_TIME, read(&client, wanted)).await.unwrap_or_else(|_| Err(client.silent()))
}

async fn read(client: &GatewayClient, wanted: &Wanted) -> Result<Talk, Report> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("limit", &SESSIONS.to_string())
        .append_pair("search", wanted.find.trim())
        .finish();
    let listed: List<SessionDocument> =
        client.json(Method::GET, &format!("/api/sessions?{query}"), None).await?;
    let session = match wanted.session.as_str() {
        NEW => None,
        "" => listed.data.first().cloned(),
        id => match listed.data.iter().find(|session| session.id == id) {
            Some(session) => Some(session.clone()),
            None => Some(client.json(Method::GET, &format!("/api/sessions/{}", segment(id)?), None).await?),
        },
    };
    let id = session.as_ref().map(|session| session.id.clone());
    let link = |session: SessionDocument| SessionLink {
        name: name_of(&session),
        at: moment_of(session.active_at),
        is_busy: session.busy,
        is_shown: Some(&session.id) == id.as_ref(),
        id: session.id,
    };
    let sessions = listed.data.into_iter().map(link).collect();
    let shown = match session {
        Some(session) => Some(show(client, session, &wanted.before).await?),
        None => None,
    };
    Ok(Talk { sessions, shown })
}

async fn show(client: &GatewayClient, session: SessionDocument, before: &str) -> Result<Shown, Report> {
    let is_old = !before.is_empty();
    let before = if is_old { before.parse().map_err(|_| no_such_message())? } else { i64::MAX };
    let id = segment(&session.id)?;
    // One more message than the page shows tells that there are older ones.
    let path = format!("/api/sessions/{id}/messages?before={before}&limit={}", MESSAGES + 1);
    let mut messages: List<MessageDocument> = client.json(Method::GET, &path, None).await?;
    let surplus = messages.data.len().saturating_sub(MESSAGES);
    messages.data.drain(..surplus);
    let (entries, cut) = entries::of_messages(&messages.data);
    let runs: List<RunDocument> =
        client.json(Method::GET, &format!("/v1/runs?session_id={id}"), None).await?;
    let last_run = runs.data.into_iter().next();
    let run = last_run.as_ref().filter(|run| run.status == "running").map(|run| run.run_id.clone());
    let is_busy = session.busy || run.is_some();
    let approvals = if is_busy { approvals_of(client, id).await? } else { Vec::new() };
    let question = is_busy.then(|| entries::open_question(&messages.data)).flatten();
    let failure =
        last_run.filter(|_| !is_busy && !is_old).and_then(|run| run.error).map(|error| error.message);
    let first = cut.or_else(|| messages.data.first().filter(|_| surplus > 0).map(|message| message.id));
    Ok(Shown {
        name: name_of(&session),
        title: session.title.clone().unwrap_or_default(),
        entries,
        older: first,
        is_old,
        is_busy,
        run,
        approvals,
        question,
        failure,
        id: session.id,
    })
}

fn no_such_message() -> Report {
    Report::new(ReportKind::BadRequest, "the address names no message").hint("go back to the newest messages")
}

async fn approvals_of(client: &GatewayClient, session: &str) -> Result<Vec<Approval>, Report> {
    let waiting: List<ApprovalDocument> = client.json(Method::GET, "/api/approvals", None).await?;
    let of_session = waiting.data.into_iter().filter(|approval| approval.session_id == session);
    let shown = |approval: ApprovalDocument| Approval {
        id: approval.id,
        tool: approval.tool,
        // A person decides about it, so nothing of it may be left out.
        subject: approval.subject.split('\n').map(unambiguous).collect::<Vec<_>>().join("\n"),
        message: approval.message,
    };
    Ok(of_session.map(shown).collect())
}

/// Returns the name of a session for a person: its title, or the begin of its first message.
fn name_of(session: &SessionDocument) -> String {
    let text = session.title.as_ref().or(session.preview.as_ref()).unwrap_or(&session.id);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None if words.is_empty() => session.id.clone(),
        None => words,
    }
}
