//! `hermes sessions show`.

use std::process::ExitCode;

use hermes_agent::message::{Block, Role};
use hermes_agent::store::{Hidden, Session, Store, StoredMessage};
use hermes_operations::{Report, ReportKind};
use serde::Serialize;

use super::{find, shortened, store_failed, time};
use crate::output::{self, say};

/// The characters of a tool's output that a person sees.
const OUTPUT: usize = 200;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The session: its ID, the begin of its ID, or its title.
    session: String,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions show 20261128_160937_3f2a9c01   show a session
  hermes sessions show 'Trip to Rome' --json      print JSON for a program";

#[derive(Serialize)]
struct Shown<'a> {
    session: &'a Session,
    /// The parts of the system prompt.
    system: &'a [String],
    messages: &'a [StoredMessage],
}

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let id = find(store, &arguments.session).await?;
    let session = store.session(&id).await.map_err(store_failed)?;
    let session = session
        .ok_or_else(|| Report::new(ReportKind::NotFound, format!("session {id} was deleted meanwhile")))?;
    let messages = store.messages(&id, 0, u32::MAX).await.map_err(store_failed)?;
    if arguments.json {
        output::json(&Shown { session: &session, system: &session.system, messages: &messages });
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in facts(&session) {
        say!("{name:<10} {value}");
    }
    for message in messages.iter().filter(|message| !message.summary || message.hidden.is_none()) {
        say!();
        say!("{}", heading(message));
        message.message.blocks.iter().for_each(print);
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(session: &Session) -> Vec<(&'static str, String)> {
    let usage = &session.usage;
    let mut facts = vec![
        ("session", session.id.to_string()),
        ("title", session.title.clone().unwrap_or_else(|| "-".to_owned())),
        ("source", session.source.clone()),
        ("model", session.model.clone()),
        ("created", time(session.created_at)),
        ("active", time(session.active_at)),
        ("messages", session.messages.to_string()),
        ("tokens", format!("{} in, {} out, {} cached", usage.input, usage.output, usage.cached)),
    ];
    if let Some(parent) = &session.parent {
        facts.push(("continues", parent.to_string()));
    }
    if session.busy {
        facts.push(("turn", "open".to_owned()));
    }
    facts
}

fn heading(message: &StoredMessage) -> String {
    let role = match message.message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let marks = [
        (message.interrupted, "interrupted"),
        (message.summary, "of a compaction"),
        (message.hidden == Some(Hidden::Compacted), "compacted"),
        (message.hidden == Some(Hidden::Undone), "undone"),
    ];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| format!(", {mark}")).collect();
    format!("{role}, {}{marks}:", time(message.at))
}

fn print(block: &Block) {
    match block {
        Block::Text { text } => text.lines().for_each(|line| say!("  {line}")),
        Block::Image { media_type, .. } => say!("  [{media_type}]"),
        Block::ToolCall(call) => say!("  {}({})", call.name, shortened(&call.arguments, OUTPUT)),
        Block::ToolResult(result) => say!("  {}", shortened(&result.content, OUTPUT)),
        Block::Reasoning { .. } | Block::Opaque(_) => {}
    }
}
