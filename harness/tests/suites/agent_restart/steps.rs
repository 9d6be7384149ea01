//! A cut at each step of a turn that a scripted model can hold.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{Look, docker_test, secs, wait_until};
use serde_json::{Value, json};

use super::agent::{Agent, Cut, Exchange, KEY, post, said, turn};
use super::conversation::{Stored, last_question, sent_for, sent_in, stored};

/// The steps of a turn.
const STEPS: [Step; 5] = [
    Step::BeforeTheFirstByte,
    Step::InTheStream,
    Step::AfterTheEnd,
    Step::WhileARetryWaits,
    Step::WhileAMessageWaits,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The model has the request, and has sent nothing.
    BeforeTheFirstByte,
    /// A part of the answer has reached the client.
    InTheStream,
    /// The client has the whole answer.
    AfterTheEnd,
    /// The model refused the request, and the next try waits.
    WhileARetryWaits,
    /// The turn streams, and a second message waits for it.
    WhileAMessageWaits,
}

const LONG_ANSWER: &str = "This answer is long enough to stop in its middle, as the model server does.";
const HOUR_MS: u64 = 3_600_000;

impl Step {
    fn script(self) -> Value {
        match self {
            Self::BeforeTheFirstByte => json!([{"fault": "slow_first_byte", "wait_ms": HOUR_MS}]),
            Self::InTheStream | Self::WhileAMessageWaits => {
                json!([{"fault": "stall_after_bytes", "after_bytes": 900, "text": LONG_ANSWER}])
            }
            Self::AfterTheEnd => json!([{"text": LONG_ANSWER}]),
            Self::WhileARetryWaits => json!([{"fault": "status", "status": 429, "retry_after": 50}]),
        }
    }

    fn streams(self) -> bool {
        matches!(self, Self::InTheStream | Self::WhileAMessageWaits)
    }

    /// Begins a turn, and waits until it is at this step. Returns the messages that are stored now.
    async fn reach(self, agent: &Agent, session: &str, question: &str) -> Result<(Exchange, Vec<Stored>)> {
        agent.model.script(&self.script())?;
        let path = format!("/api/sessions/{session}/chat");
        let stream = post(&format!("{path}/stream"), KEY, &json!({ "message": question }));
        let mut turn = agent.send(&stream).await?;
        let mut messages = vec![of_user(question)];
        match self {
            Self::BeforeTheFirstByte => {
                let got_it = async || {
                    let requests = agent.model.requests();
                    let last = requests.last().map(last_question).transpose()?;
                    Ok(Look::holds(last.as_deref() == Some(question), || format!("{last:?}")))
                };
                wait_until("the model has the question", got_it, secs(10)).await?;
            }
            Self::InTheStream => turn.read_until("assistant.delta").await?,
            Self::AfterTheEnd => {
                turn.read_until("run.completed").await?;
                messages.push(of_agent(LONG_ANSWER));
            }
            Self::WhileARetryWaits => turn.read_until("run.retry").await?,
            Self::WhileAMessageWaits => {
                turn.read_until("assistant.delta").await?;
                let second = format!("{question} And more?");
                let answer = agent.ask(&post(&path, KEY, &json!({ "message": second }))).await?;
                ensure!(answer.status == 202 && answer.text().contains("steered"), "{answer:?}");
                messages.push(of_user(&second));
            }
        }
        Ok((turn, messages))
    }
}

fn of_user(text: &str) -> Stored {
    Stored { role: "user".to_owned(), text: text.to_owned(), interrupted: false }
}

fn of_agent(text: &str) -> Stored {
    Stored { role: "assistant".to_owned(), text: text.to_owned(), interrupted: false }
}

#[docker_test]
#[case::of_the_gateway(Cut::Gateway)]
#[case::by_docker_restart(Cut::Restart)]
#[case::by_docker_kill(Cut::KillAndStart)]
#[case::of_the_power(Cut::Power)]
async fn a_cut_loses_only_the_streamed_answer(#[case] cut: Cut) -> Result<()> {
    let mut agent = Agent::start().await?;
    let session = agent.new_session().await?;
    let mut expected = Vec::new();
    let (mut model_calls, mut stored_parts) = (0, 0);
    for step in STEPS {
        let question = format!("Question {step:?}?");
        let (held, messages) = step.reach(&agent, &session, &question).await?;
        expected.extend(messages);
        model_calls += 1;
        // Only a gateway that is asked to end can store the part that it has.
        stored_parts += usize::from(cut == Cut::Restart && step.streams());
        agent.cut(cut).await?;
        drop(held);
        // The next turn shows that the session is not blocked. It also takes the message that waited.
        let (next, answer) = (format!("After {step:?}?"), format!("Answer after {step:?}."));
        agent.model.script(&json!([{ "text": answer }]))?;
        let heard = agent.ask(&turn(KEY, &session, &next)).await?;
        let heard = said(Some(&heard)).with_context(|| format!("{cut:?}, {step:?}"))?;
        ensure!(heard.as_ref() == Some(&answer), "{cut:?}, {step:?}: {heard:?}");
        expected.extend([of_user(&next), of_agent(&answer)]);
        model_calls += 1;

        let stored = stored(&agent.container, "default", &session).await?;
        let (parts, whole): (Vec<_>, Vec<_>) =
            stored.iter().cloned().partition(|message| message.interrupted);
        ensure!(whole == expected, "{cut:?}, {step:?}: stored {stored:#?}, not {expected:#?}");
        let are_parts = parts.iter().all(|part| LONG_ANSWER.starts_with(&part.text));
        ensure!(are_parts && parts.len() == stored_parts, "{cut:?}, {step:?}: parts {parts:#?}");

        let requests = agent.model.requests();
        ensure!(requests.len() == model_calls, "{cut:?}, {step:?}: {} model calls", requests.len());
        let sent = sent_in(requests.last().context("a request")?)?;
        let should_be = sent_for(&stored[..stored.len() - 1]);
        ensure!(sent == should_be, "{cut:?}, {step:?}: sent {sent:#?}, not {should_be:#?}");
    }
    Ok(())
}
