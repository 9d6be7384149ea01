//! Questions of a model to the person of its session. The answer is the person's next message.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// The person of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// The person sees questions, and can send a message during the turn.
    CanReply,
    /// Nobody can send a message before the end of the turn.
    Absent,
}

/// A question of a call. It waits until the questions before it have ended.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) call_id: String,
    pub(crate) question: String,
    pub(crate) choices: Vec<String>,
    /// The time for the answer, from the moment at which the person sees the question.
    pub(crate) time_limit: Duration,
    /// The way back. It is dropped if nobody answers in time.
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// The answer of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The text of the message. The conversation has it as the result of the call alone.
    Text(String),
    /// The message is more than a text. It follows the result in the conversation.
    NextMessage,
}

/// Asks the person of a turn, for one call.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    call_id: String,
    questions: mpsc::UnboundedSender<Question>,
}

impl Asker {
    pub(crate) fn new(call_id: String, questions: mpsc::UnboundedSender<Question>) -> Self {
        Self { call_id, questions }
    }

    /// Asks, and waits for the answer. Returns `None` if nobody answers in time.
    pub(crate) async fn ask(
        &self,
        question: String,
        choices: Vec<String>,
        time_limit: Duration,
    ) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        let call_id = self.call_id.clone();
        self.questions.send(Question { call_id, question, choices, time_limit, reply }).ok()?;
        answer.await.ok()
    }
}
