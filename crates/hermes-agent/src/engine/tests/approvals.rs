//! Calls that need the approval of a person.

use std::sync::Arc;

use super::*;
use crate::approval::{Answer, Approval, ApprovalState, Reason};
use crate::store::Answered;

/// A tool that needs the machine if its command begins with `far`.
pub(super) struct Fenced;

impl Tool for Fenced {
    fn schema(&self) -> ToolSchema {
        ToolSchema { name: "run".to_owned(), description: "runs".to_owned(), parameters: json!({}) }
    }

    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn subject(&self, arguments: &serde_json::Value) -> Option<String> {
        Some(arguments["command"].as_str().unwrap_or_default().to_owned())
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        Box::pin(async move {
            let command = call.arguments["command"].as_str().unwrap_or_default().to_owned();
            if command.starts_with("far") && call.reach == Reach::Sandbox {
                return ToolOutput { refused: Some(Reason::Files), ..ToolOutput::failed("refused") };
            }
            ToolOutput::done(format!("{:?}: {command}", call.reach))
        })
    }
}

/// Runs a turn with these commands, one after the other. Each question gets the next answer; `None` leaves it.
async fn results(commands: &[&str], answers: &[Option<Answer>]) -> (Vec<String>, Vec<Approval>) {
    let bench = Arc::new(bench_of(commands).await);
    let (send, mut asked) = mpsc::unbounded_channel::<Approval>();
    let answering = {
        let (bench, answers) = (Arc::clone(&bench), answers.to_vec());
        tokio::spawn(async move {
            let mut questions = Vec::new();
            while let Some(approval) = asked.recv().await {
                if let Some(Some(answer)) = answers.get(questions.len()) {
                    let stored = bench.engine.answer(&approval.id, *answer, "test").await.unwrap();
                    assert!(matches!(stored, Answered::Stored(_)), "{stored:?}");
                }
                questions.push(approval);
            }
            questions
        })
    };
    let (_inbox, mut inbox) = mpsc::channel(1);
    let mut note = move |event: Event| {
        if let Event::ApprovalRequested { approval } = event {
            send.send(approval).unwrap();
        }
    };
    let message = Message::text(Role::User, "question");
    let end =
        bench.engine.run_turn(&bench.session, message, bench.person, &mut inbox, &mut note).await.unwrap();
    drop(note);
    assert_eq!(end.reason, StopReason::EndTurn);
    let lines = bench.conversation().await;
    let results = lines.iter().filter_map(|line| line.strip_prefix("Tool: ")).map(str::to_owned).collect();
    (results, answering.await.unwrap())
}

async fn bench_of(commands: &[&str]) -> Bench {
    let calls = commands.iter().enumerate().map(|(number, command)| {
        let arguments = json!({"command": command}).to_string();
        let call = (format!("c{number}"), "run".to_owned(), arguments);
        let leaked: &'static (String, String, String) = Box::leak(Box::new(call));
        let call: &'static [_] =
            Box::leak(Box::new([(leaked.0.as_str(), leaked.1.as_str(), leaked.2.as_str())]));
        Reply::Calls(call)
    });
    Bench::new(calls.chain([Reply::Text("done")])).await
}

#[tokio::test]
async fn a_call_in_the_sandbox_asks_nothing() {
    let (results, questions) = results(&["near"], &[]).await;
    assert_eq!((results, questions.len()), (vec!["Sandbox: near".to_owned()], 0));
}

#[tokio::test]
async fn an_approved_call_runs_again_with_a_wider_reach() {
    let (results, questions) = results(&["far"], &[Some(Answer::Once)]).await;
    assert!(results[0].starts_with("Machine: far"), "{results:?}");
    let question = &questions[0];
    assert_eq!((question.subject.as_str(), question.reason), ("far", Reason::Files));
    assert_eq!(question.state, ApprovalState::Pending);
}

#[tokio::test]
async fn a_denied_call_keeps_its_output_and_stays_denied() {
    let (results, questions) = results(&["far", "far, in other words"], &[Some(Answer::Deny)]).await;
    assert!(results[0].starts_with("refused") && results[0].contains("A person denied this"), "{results:?}");
    assert!(results[1].contains("earlier in this turn"), "{results:?}");
    assert_eq!(questions.len(), 1);
}

#[tokio::test]
async fn an_approval_for_the_session_counts_for_the_same_call() {
    let answers = [Some(Answer::Session), Some(Answer::Deny)];
    let (results, questions) = results(&["far a", "far a", "far b"], &answers).await;
    assert!(results[..2].iter().all(|result| result.starts_with("Machine: far a")), "{results:?}");
    assert!(results[2].contains("A person denied this"), "{results:?}");
    assert_eq!(questions.len(), 2);
}

#[tokio::test]
async fn a_forbidden_command_is_refused_without_a_question() {
    let (results, questions) = results(&["cd / && rm -rf x"], &[]).await;
    assert!(results[0].starts_with("The operator forbids this: it matches \"rm *\""), "{results:?}");
    assert_eq!(questions.len(), 0);
}

#[tokio::test]
async fn a_question_of_a_turn_that_is_interrupted_ends() {
    let bench = bench_of(&["far"]).await;
    let is_question = |event: &Event| matches!(event, Event::ApprovalRequested { .. });
    let (end, events) = bench.turn(vec![(is_question, Submission::Interrupt)]).await;
    assert_eq!(end.reason, StopReason::Cancelled);
    let asked = events.iter().find_map(|event| match event {
        Event::ApprovalRequested { approval } => Some(approval.id.clone()),
        _ => None,
    });
    let state = bench.engine.store.approval(&asked.unwrap()).await.unwrap().unwrap().state;
    assert_eq!(state, ApprovalState::Expired);
    assert_eq!(bench.engine.store.pending_approvals(None).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_question_holds_up_no_other_call() {
    let calls = &[("c0", "run", r#"{"command":"far"}"#), ("c1", "write", "{}")];
    let bench = Arc::new(Bench::new([Reply::Calls(calls), Reply::Text("done")]).await);
    let (send, mut events) = mpsc::unbounded_channel();
    let answering = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let (mut asked, mut has_other_ended) = (None, false);
            while asked.is_none() || !has_other_ended {
                match events.recv().await.expect("the turn waits for the answer") {
                    Event::ApprovalRequested { approval } => asked = Some(approval.id),
                    Event::ToolEnded { result, .. } => has_other_ended = result.call_id == "c1",
                    _ => {}
                }
            }
            bench.engine.answer(&asked.expect("a question"), Answer::Once, "test").await.unwrap();
        })
    };
    let (_inbox, mut inbox) = mpsc::channel(1);
    // The receiver goes with its last event.
    let mut note = |event: Event| drop(send.send(event));
    let message = Message::text(Role::User, "question");
    let turn = bench.engine.run_turn(&bench.session, message, bench.person, &mut inbox, &mut note);
    let end = tokio::time::timeout(std::time::Duration::from_secs(30), turn).await.expect("no call waits");
    assert_eq!(end.unwrap().reason, StopReason::EndTurn);
    answering.await.unwrap();
}
