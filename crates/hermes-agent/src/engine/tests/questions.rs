//! Questions of the model to the person.

use std::time::Duration;

use super::*;
use crate::approval::Answer;

const ASK: &[(&str, &str, &str)] =
    &[("c1", "clarify", r#"{"question":"Which colour?","choices":["red","blue"]}"#)];

fn is_question(event: &Event) -> bool {
    matches!(event, Event::QuestionAsked { .. })
}

fn typed(text: &str) -> Submission {
    Submission::UserTurn { message: Message::text(Role::User, text) }
}

/// Returns the questions and their ends, in order.
fn questions(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::QuestionAsked { call_id, .. } => Some(format!("{call_id} asks")),
        Event::QuestionEnded { call_id, answered: true } => Some(format!("{call_id} answered")),
        Event::QuestionEnded { call_id, answered: false } => Some(format!("{call_id} unanswered")),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

#[rstest]
#[case::number("2", "blue")]
#[case::text("the colour of the sky", "the colour of the sky")]
#[tokio::test]
async fn the_next_message_is_the_result_of_a_question(#[case] answer: &str, #[case] result: &str) {
    let bench = Bench::new([Reply::Calls(ASK), Reply::Text("fine")]).await;
    let (end, events) = bench.turn(vec![(is_question, typed(answer))]).await;
    assert_eq!(end.reason, StopReason::EndTurn);
    let asked = Event::QuestionAsked {
        call_id: "c1".to_owned(),
        question: "Which colour?".to_owned(),
        choices: vec!["red".to_owned(), "blue".to_owned()],
    };
    assert!(events.contains(&asked), "{events:?}");
    assert_eq!(questions(&events), ["c1 asks", "c1 answered"]);
    let call = format!("Assistant: clarify({})", ASK[0].2);
    let expected = ["User: question", &call, &format!("Tool: {result}"), "Assistant: fine"];
    assert_eq!(bench.conversation().await, expected, "the answer is no message of its own");
    assert!(!events.iter().any(|event| matches!(event, Event::Steered { .. })), "{events:?}");
}

#[tokio::test]
async fn a_message_behind_the_answer_steers() {
    let bench = Bench::new([Reply::Calls(ASK), Reply::Text("fine")]).await;
    let has_ended = |event: &Event| matches!(event, Event::QuestionEnded { .. });
    bench.turn(vec![(is_question, typed("1")), (has_ended, typed("and quickly"))]).await;
    let lines = bench.conversation().await;
    assert_eq!(lines[2..4], ["Tool: red", "User: and quickly"], "{lines:?}");
}

#[tokio::test]
async fn an_answer_with_a_picture_follows_its_call() {
    let bench = Bench::new([Reply::Calls(ASK), Reply::Text("fine")]).await;
    let picture = Block::Image { media_type: "image/png".to_owned(), data: "aGk=".to_owned() };
    let message = Message { role: Role::User, blocks: vec![picture] };
    bench.turn(vec![(is_question, Submission::UserTurn { message })]).await;
    let lines = bench.conversation().await;
    assert_eq!(lines[2], "Tool: The answer is the next message of the person.");
    assert!(lines[3].starts_with("User: Image"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_ends_in_time() {
    let bench = Bench::new([Reply::Calls(ASK), Reply::Text("fine")]).await;
    let begin = tokio::time::Instant::now();
    let (end, events) = bench.turn(vec![]).await;
    assert_eq!((end.reason, begin.elapsed().as_secs()), (StopReason::EndTurn, 600));
    assert_eq!(questions(&events), ["c1 asks", "c1 unanswered"]);
    let result = &bench.conversation().await[2];
    assert!(result.contains("Go on with your best judgement, and say what you assumed."), "{result}");
}

#[tokio::test]
async fn an_interrupt_ends_a_question() {
    let bench = Bench::new([Reply::Calls(ASK)]).await;
    let (end, events) = bench.turn(vec![(is_question, Submission::Interrupt)]).await;
    assert_eq!(end.reason, StopReason::Cancelled);
    assert_eq!(questions(&events), ["c1 asks", "c1 unanswered"]);
    assert_eq!(bench.conversation().await[2], format!("Tool: {}", turn::INTERRUPTED_CALL));
}

#[tokio::test]
async fn nobody_is_asked_if_nobody_can_answer() {
    let mut bench = Bench::new([Reply::Calls(ASK), Reply::Text("Which colour?")]).await;
    bench.person = Person::Absent;
    let turn = tokio::time::timeout(Duration::from_secs(30), bench.turn(vec![]));
    let (end, events) = turn.await.expect("the turn does not wait");
    assert_eq!((end.reason, questions(&events).len()), (StopReason::EndTurn, 0));
    let expected =
        "Tool: Nobody can answer during this turn. Put the question into your answer and end the turn.";
    assert_eq!(bench.conversation().await[2], expected);
}

#[tokio::test(start_paused = true)]
async fn two_questions_are_asked_one_after_the_other() {
    const TWO: &[(&str, &str, &str)] =
        &[("c1", "clarify", r#"{"question":"One?"}"#), ("c2", "clarify", r#"{"question":"Two?"}"#)];
    let bench = Bench::new([Reply::Calls(TWO), Reply::Text("fine")]).await;
    let is_second = |event: &Event| matches!(event, Event::QuestionAsked { call_id, .. } if call_id == "c2");
    let begin = tokio::time::Instant::now();
    let (_, events) = bench.turn(vec![(is_second, typed("second"))]).await;
    assert_eq!(questions(&events), ["c1 asks", "c1 unanswered", "c2 asks", "c2 answered"]);
    assert_eq!(begin.elapsed().as_secs(), 600, "the time of a question begins when it is shown");
    let lines = bench.conversation().await;
    assert!(lines[2].starts_with("Tool: Nobody answered") && lines[3] == "Tool: second", "{lines:?}");
}

#[tokio::test]
async fn a_question_of_the_model_holds_up_no_other_call() {
    const BOTH: &[(&str, &str, &str)] = &[("c1", "clarify", r#"{"question":"One?"}"#), ("c2", "write", "{}")];
    let bench = Bench::new([Reply::Calls(BOTH), Reply::Text("fine")]).await;
    let has_written =
        |event: &Event| matches!(event, Event::ToolEnded { result, .. } if result.call_id == "c2");
    let plan: Vec<Step> = vec![(has_written, typed("yes"))];
    let turn = tokio::time::timeout(Duration::from_secs(30), bench.turn(plan));
    let (end, _) = turn.await.expect("the write does not wait");
    assert_eq!(end.reason, StopReason::EndTurn);
}

/// A text for a question must not approve a command. So no question is shown while an approval waits.
#[tokio::test]
async fn no_question_is_shown_while_an_approval_waits() {
    const CALLS: &[(&str, &str, &str)] = &[
        ("c1", "run", r#"{"command":"far"}"#),
        ("c2", "clarify", r#"{"question":"One?"}"#),
        ("c3", "clarify", r#"{"question":"Type a, then Enter."}"#),
    ];
    let bench = Arc::new(Bench::new([Reply::Calls(CALLS), Reply::Text("done")]).await);
    let (send, mut events) = mpsc::unbounded_channel();
    let (sender, mut inbox) = mpsc::channel(8);
    let person = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let (mut order, mut approval) = (Vec::new(), None);
            while let Some(event) = events.recv().await {
                order.extend(questions(std::slice::from_ref(&event)));
                match event {
                    Event::ApprovalRequested { approval: asked } => {
                        approval = Some(asked.id);
                        sender.send(typed("one")).await.unwrap();
                    }
                    Event::ToolEnded { result, .. } if result.call_id == "c2" => {
                        bench.engine.answer(&approval.take().unwrap(), Answer::Once, "test").await.unwrap();
                    }
                    Event::ApprovalEnded { .. } => order.push("approval ended".to_owned()),
                    Event::QuestionAsked { call_id, .. } if call_id == "c3" => {
                        sender.send(typed("a")).await.unwrap();
                    }
                    _ => {}
                }
            }
            order
        })
    };
    let mut note = move |event: Event| drop(send.send(event));
    let message = Message::text(Role::User, "question");
    let turn = bench.engine.run_turn(&bench.session, message, bench.person, &mut inbox, &mut note);
    let end = tokio::time::timeout(Duration::from_secs(30), turn).await.expect("the turn ends");
    assert_eq!(end.unwrap().reason, StopReason::EndTurn);
    drop(note);
    let expected = ["c2 asks", "c2 answered", "approval ended", "c3 asks", "c3 answered"];
    assert_eq!(person.await.unwrap(), expected);
}

#[tokio::test]
async fn a_cut_during_a_question_leaves_a_sendable_session() {
    let (sent, lines) = Bench::new([Reply::Calls(ASK)]).await.cut_and_go_on(is_question).await;
    assert_eq!(sent, sendable(sent.clone()));
    assert!(lines[2].contains("The process that ran the turn ended while this ran."), "{lines:?}");
}
