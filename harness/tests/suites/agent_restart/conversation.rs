//! A stored conversation, and the conversation that the model receives.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::Container;
use serde::Deserialize;
use serde_json::Value;

use crate::support::driving::hermes;

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) role: String,
    pub(super) text: String,
    pub(super) interrupted: bool,
}

/// The output of `hermes sessions show --json`.
#[derive(Deserialize)]
struct Shown {
    session: Session,
    messages: Vec<ShownMessage>,
}

#[derive(Deserialize)]
struct Session {
    busy: bool,
    messages: usize,
}

#[derive(Deserialize)]
struct ShownMessage {
    message: Message,
    interrupted: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    blocks: Vec<Value>,
}

/// Returns the messages of a session. Checks that no turn of it is open.
pub(super) async fn stored(container: &Container, profile: &str, session: &str) -> Result<Vec<Stored>> {
    let output = hermes(container, &format!("-p {profile} sessions show {session} --json")).await?.success();
    let shown: Shown = serde_json::from_str(&output.stdout()).with_context(|| output.report("a session"))?;
    ensure!(!shown.session.busy, "{}", output.report("a session without an open turn"));
    ensure!(shown.session.messages == shown.messages.len(), "{}", output.report("the counted messages"));
    let texts = |blocks: &[Value]| blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    Ok(shown
        .messages
        .into_iter()
        .map(|shown| Stored {
            text: texts(&shown.message.blocks),
            role: shown.message.role,
            interrupted: shown.interrupted,
        })
        .collect())
}

/// Returns the conversation that the next request has for these stored messages: role and text. Messages of the user
/// without an answer between them become one.
pub(super) fn sent_for(stored: &[Stored]) -> Vec<(String, String)> {
    let mut sent: Vec<(String, String)> = Vec::new();
    for message in stored {
        match sent.last_mut() {
            Some((role, text)) if *role == message.role && role == "user" => {
                text.push_str("\n\n");
                text.push_str(&message.text);
            }
            _ => sent.push((message.role.clone(), message.text.clone())),
        }
    }
    sent
}

/// Returns the conversation in a request to the model, without the system prompt. Checks that users and agents take
/// turns, and that the user has the last word.
pub(super) fn sent_in(request: &Value) -> Result<Vec<(String, String)>> {
    let messages = request["body"]["messages"].as_array().context("messages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sent: Vec<_> = messages
        .iter()
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .filter(|(role, _)| role != "system")
        .collect();
    let takes_turns = sent
        .iter()
        .enumerate()
        .all(|(index, (role, text))| *role == ["user", "assistant"][index % 2] && !text.is_empty());
    ensure!(takes_turns && sent.len() % 2 == 1, "no alternation: {sent:#?}");
    Ok(sent)
}

/// Returns the last message of the user in a request.
pub(super) fn last_question(request: &Value) -> Result<String> {
    let (_, joined) = sent_in(request)?.pop().context("a message")?;
    Ok(joined.rsplit("\n\n").next().unwrap_or_default().to_owned())
}

/// A question to an agent that may be cut off, and its whole answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: String,
    pub(super) answer: String,
    /// `true` if the client got the whole answer.
    pub(super) is_answered: bool,
}

/// Checks a session after random cuts, with the requests that the model got for it.
///
/// - Each question is stored once, in order. Only a question that the model never got may be missing.
/// - Each stored answer is whole, stands once behind its question, and each answer that the client got is stored.
/// - Each question was sent to the model at most once, with everything that was stored before it.
pub(super) fn check(asked: &[Asked], stored: &[Stored], requests: &[Value]) -> Result<()> {
    let mut rest = stored.iter().enumerate().peekable();
    for Asked { question, answer, is_answered } in asked {
        let of_question: Vec<_> = requests
            .iter()
            .map(|request| Ok((last_question(request)?, request)))
            .filter(|found: &Result<_>| found.as_ref().map_or(true, |(last, _)| last == question))
            .collect::<Result<_>>()?;
        ensure!(of_question.len() <= 1, "{question} was sent {} times", of_question.len());
        let is = |message: &Stored, role: &str, text: &str| {
            message.role == role && message.text == text && !message.interrupted
        };
        let Some((index, _)) = rest.next_if(|(_, message)| is(message, "user", question)) else {
            ensure!(!is_answered && of_question.is_empty(), "{question} is not in its place: {stored:#?}");
            continue;
        };
        if let [(_, request)] = &of_question[..] {
            let (sent, should_be) = (sent_in(request)?, sent_for(&stored[..=index]));
            ensure!(sent == should_be, "sent {sent:#?}, not {should_be:#?}");
        }
        let is_stored = rest.next_if(|(_, message)| is(message, "assistant", answer)).is_some();
        ensure!(is_stored || !is_answered, "the answer to {question} is lost: {stored:#?}");
        ensure!(!is_stored || of_question.len() == 1, "{question} has an answer, and was not sent");
    }
    ensure!(rest.peek().is_none(), "more than was asked: {:#?} of {stored:#?}", rest.peek());
    Ok(())
}
