//! A turn that a person steers: a message that is typed during the answer reaches it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hermes_agent::agent::{Agent, Steer};
use hermes_agent::approval::{Answer, ApprovalId};
use hermes_agent::message::{Message, Role};
use hermes_agent::protocol::{Event, StopReason};
use hermes_agent::question::Person;
use hermes_agent::store::{Answered, SessionId};
use hermes_operations::Report;
use hermes_server::StopRequests;

use super::console::Console;
use super::keys::Keys;
use super::{ask, open};
use hermes_terminal::slash::{self, Line, SlashCommand};

/// The texts that a person typed during a turn, and that the turn did not take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Lines to send or to obey next.
    pub(crate) queue: VecDeque<String>,
    /// The beginning of the next line.
    pub(crate) rest: String,
}

impl Left {
    /// Stops the queue: its lines go back to the person, who may send them.
    fn give_back(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        let lines = self.queue.drain(..).chain(Some(rest).filter(|rest| !rest.is_empty()));
        self.rest = lines.collect::<Vec<_>>().join("\n");
    }
}

/// The answers to an approval.
const APPROVAL_KEYS: &str = "[o]nce, [s]ession, [a]lways or [d]eny, then Enter";

/// The questions that wait for the person.
#[derive(Debug, Default)]
struct Waiting {
    approvals: VecDeque<ApprovalId>,
    /// A question of the model waits. The engine shows none while an approval waits. So it came first, and gets the next text.
    has_question: bool,
}

impl Waiting {
    /// Observes an event. Returns a line to show.
    fn observe(&mut self, event: Event) -> Option<&'static str> {
        match event {
            Event::ApprovalRequested { approval } => {
                self.approvals.push_back(approval.id);
                Some(if self.has_question { "first answer the question of the agent" } else { APPROVAL_KEYS })
            }
            Event::ApprovalEnded { id, .. } => {
                self.approvals.retain(|waiting| *waiting != id);
                None
            }
            Event::QuestionAsked { .. } => {
                self.has_question = true;
                None
            }
            Event::QuestionEnded { .. } => {
                self.has_question = false;
                (!self.approvals.is_empty()).then_some(APPROVAL_KEYS)
            }
            _ => None,
        }
    }

    /// Returns the approval that the next text answers.
    fn approval(&self) -> Option<ApprovalId> {
        if self.has_question { None } else { self.approvals.front().cloned() }
    }
}

/// Runs a turn. Typed messages go into it or answer its question, `/queue` waits for its end, and `/stop` and Ctrl+C interrupt it.
///
/// # Errors
/// No turn began, or the store failed.
pub(crate) async fn turn(
    agent: &Agent,
    session: &SessionId,
    message: Message,
    console: &mut Console,
    stop: &mut StopRequests,
    left: &mut Left,
) -> Result<(), Report> {
    // A terminal that cannot hide its keys shows them.
    let mut keys = Keys::of(io::stdin(), &left.rest).ok().flatten();
    let console = Mutex::new(console);
    let waiting = Mutex::new(Waiting::default());
    let can_answer = keys.is_some();
    let can_reply = can_answer && locked(&console).shows_questions();
    let person = if can_reply { Person::CanReply } else { Person::Absent };
    let mut show = |event| {
        let mut console = locked(&console);
        console.show(&event);
        if can_answer && let Some(line) = locked(&waiting).observe(event) {
            console.remark(line);
        }
    };
    let mut sent = Box::pin(agent.send(session, message, person, &mut show));
    let ended = loop {
        tokio::select! {
            submitted = &mut sent => break ask::end_of(submitted),
            () = stop.next() => drop(agent.interrupt(session)),
            text = next(&mut keys) => for text in inputs(&text) {
                let approval = locked(&waiting).approval();
                let remark = match approval {
                    Some(approval) => answer(agent, &approval, &text).await,
                    None => Some(obey(agent, session, &text, &mut left.queue)),
                };
                if let Some(remark) = remark {
                    locked(&console).remark(&remark);
                }
            },
        }
    };
    // A message that came after the last model call is the next turn's.
    let late = agent.store().withdraw_inputs(session).await.map_err(|error| open::store_failed(&error))?;
    left.queue.extend(late.iter().map(Message::plain_text));
    if let Some(keys) = keys {
        let (text, rest) = keys.end();
        left.queue.extend(inputs(&text.unwrap_or_default()));
        left.rest = rest;
    }
    if ended.as_ref().is_ok_and(|end| end.reason == StopReason::Cancelled) {
        left.give_back();
    }
    ended.map(drop)
}

fn locked<'a, T>(mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn next(keys: &mut Option<Keys>) -> String {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

/// Divides lines that came at one time: each command is one input, and the lines between commands are one message, as of a paste.
fn inputs(text: &str) -> Vec<String> {
    let mut inputs: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let is_message = slash::parse(line) == Line::Message;
        match inputs.last_mut().filter(|_| is_open && is_message) {
            Some(message) => *message += &format!("\n{line}"),
            None => inputs.push(line.to_owned()),
        }
        is_open = is_message;
    }
    inputs
}

/// Answers a question. Returns a line to show if the text is no answer.
async fn answer(agent: &Agent, question: &ApprovalId, text: &str) -> Option<String> {
    let Some(choice) = Answer::of_word(text) else {
        return Some("answer with o, s, a or d; Ctrl+C interrupts".to_owned());
    };
    match agent.answer(question, choice, "terminal").await {
        // The event of the answer tells it.
        Ok(Answered::Stored(_)) => None,
        Ok(Answered::Unknown | Answered::TooLate(_)) => {
            Some("the question was answered elsewhere, or its time is over".to_owned())
        }
        Err(error) => Some(open::store_failed(&error).one_line()),
    }
}

/// Obeys a line that was typed during the turn. Returns the line to show.
fn obey(agent: &Agent, session: &SessionId, text: &str, queue: &mut VecDeque<String>) -> String {
    match slash::parse(text) {
        Line::Message => match agent.steer(session, Message::text(Role::User, text)) {
            Steer::Taken => format!("› {text}"),
            Steer::Full | Steer::NoTurn(_) => {
                queue.push_back(text.to_owned());
                format!("› {text} (after this answer)")
            }
        },
        Line::Command(SlashCommand::Stop) => {
            agent.interrupt(session);
            "› /stop".to_owned()
        }
        Line::Command(SlashCommand::Queue(text)) => {
            let remark = format!("› {text} (after this answer)");
            queue.push_back(text);
            remark
        }
        Line::Command(_) => {
            let remark = format!("› {text} (after this answer)");
            queue.push_back(text.to_owned());
            remark
        }
        Line::Fault(fault) => format!("› {text}: {}", fault.report().one_line()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", &[])]
    #[case("one\ntwo", &["one\ntwo"])]
    #[case("/queue one\n/stop", &["/queue one", "/stop"])]
    #[case("one\n/stop\ntwo\n three", &["one", "/stop", "two\n three"])]
    fn each_command_is_an_input(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(inputs(text), expected);
    }

    #[test]
    fn the_question_that_came_first_gets_the_text() {
        let approval = |id: &str| {
            serde_json::from_value(serde_json::json!({
                "id": id, "session": "s", "turn": 1, "call_id": "c", "tool": "terminal", "asked_at": 0, "expires_at": 0,
                "subject": "curl x", "reason": "network", "state": "pending", "answered_by": null,
            }))
        };
        let call_id = || "c".to_owned();
        let mut waiting = Waiting::default();
        let asked =
            Event::QuestionAsked { call_id: call_id(), question: "Always?".to_owned(), choices: vec![] };
        assert_eq!(waiting.observe(asked), None);
        let requested = Event::ApprovalRequested { approval: approval("appr_1").unwrap() };
        assert_eq!(waiting.observe(requested), Some("first answer the question of the agent"));
        assert_eq!(waiting.approval(), None, "an `a` for the question must not approve the command");
        let ended = Event::QuestionEnded { call_id: call_id(), answered: true };
        assert_eq!(waiting.observe(ended), Some(APPROVAL_KEYS));
        assert_eq!(waiting.approval(), Some("appr_1".to_owned().into()));
    }

    #[test]
    fn an_interrupt_gives_the_queue_back() {
        let mut left = Left { queue: ["one".to_owned(), "two".to_owned()].into(), rest: "thr".to_owned() };
        left.give_back();
        assert_eq!(left, Left { queue: VecDeque::new(), rest: "one\ntwo\nthr".to_owned() });
    }
}
