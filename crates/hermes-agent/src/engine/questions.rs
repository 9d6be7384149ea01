//! The questions of a turn to its person. One is shown at a time, and the next message answers it.

use std::future::pending;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::waits::until;
use crate::message::{Block, Message};
use crate::protocol::Event;
use crate::question::{Asker, Person, Question, Reply};

/// The questions of one turn.
pub(super) struct Questions {
    person: Person,
    sender: mpsc::UnboundedSender<Question>,
    /// The questions that nobody has seen.
    asked: mpsc::UnboundedReceiver<Question>,
    shown: Option<Shown>,
    /// The number of approvals that wait.
    approvals: usize,
}

/// A question that waits for its answer.
struct Shown {
    question: Question,
    /// `None`: no clock reaches the end of its time.
    deadline: Option<Instant>,
}

impl Questions {
    pub(super) fn new(person: Person) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        Self { person, sender, asked, shown: None, approvals: 0 }
    }

    /// Returns the way to ask for a call. Returns `None` if nobody can answer.
    pub(super) fn asker(&self, call_id: &str) -> Option<Asker> {
        let can_reply = self.person == Person::CanReply;
        can_reply.then(|| Asker::new(call_id.to_owned(), self.sender.clone()))
    }

    /// Counts an approval that waits. No question is shown meanwhile: a text for the one must not answer the other.
    pub(super) fn approval_begins(&mut self) {
        self.approvals += 1;
    }

    /// Counts an approval that waits no longer.
    pub(super) fn approval_ends(&mut self) {
        self.approvals = self.approvals.saturating_sub(1);
    }

    /// Waits until a question is to be shown, or its time is over. It may be dropped at any time.
    pub(super) async fn next(&mut self) -> Event {
        if let Some(Shown { deadline, .. }) = &self.shown {
            until(*deadline).await;
        }
        if let Some(Shown { question, .. }) = self.shown.take() {
            return unanswered(question);
        }
        if self.approvals > 0 {
            return pending().await;
        }
        // `self` holds a sender.
        let Some(question) = self.asked.recv().await else { return pending().await };
        let event = Event::QuestionAsked {
            call_id: question.call_id.clone(),
            question: question.question.clone(),
            choices: question.choices.clone(),
        };
        let deadline = Instant::now().checked_add(question.time_limit);
        self.shown = Some(Shown { question, deadline });
        event
    }

    /// Takes a message of the person. Returns the end of the question that it answers, and the message if it goes into the conversation.
    pub(super) fn answer(&mut self, message: Message) -> (Option<Event>, Option<Message>) {
        let Some(Shown { question, .. }) = self.shown.take() else { return (None, Some(message)) };
        let text = message.plain_text();
        let is_text = message.blocks.iter().all(|block| matches!(block, Block::Text { .. }));
        let (reply, rest) = match is_text && !text.trim().is_empty() {
            true => (Reply::Text(text), None),
            false => (Reply::NextMessage, Some(message)),
        };
        (Some(answered(question, reply)), rest)
    }

    /// Drops the question, since its call is dropped. Returns its end.
    pub(super) fn stop(&mut self) -> Option<Event> {
        self.shown.take().map(|shown| unanswered(shown.question))
    }
}

fn answered(question: Question, reply: Reply) -> Event {
    let Question { call_id, reply: way, .. } = question;
    // The call waits until the turn drops both.
    let _ = way.send(reply);
    Event::QuestionEnded { call_id, answered: true }
}

/// Drops the way back, which tells the call that nobody answers.
fn unanswered(question: Question) -> Event {
    Event::QuestionEnded { call_id: question.call_id, answered: false }
}
