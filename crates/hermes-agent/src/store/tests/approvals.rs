//! Questions and answers.

use std::time::Duration;

use super::*;
use crate::approval::{Answer, Approval, ApprovalId, ApprovalState, Reason};

async fn question(bench: &Bench, session: &SessionId, turn: TurnId, limit: Duration) -> Approval {
    let new = NewApproval {
        session: session.clone(),
        turn,
        call_id: "a".into(),
        tool: "terminal".into(),
        subject: "ping host".into(),
        reason: Reason::Network,
        time_limit: limit,
    };
    bench.store.ask(new).await.unwrap()
}

async fn turn_of(bench: &Bench) -> (SessionId, TurnId, Owner) {
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    (session, turn, owner)
}

#[tokio::test]
async fn a_question_takes_one_answer() {
    let bench = Bench::new();
    let (session, turn, _owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::from_secs(60)).await;
    assert_eq!(bench.store.pending_approvals(Some(&session)).await.unwrap(), vec![asked.clone()]);
    let unknown = bench.store.answer(&ApprovalId("appr_x".into()), Answer::Once, "api").await.unwrap();
    assert_eq!(unknown, Answered::Unknown);
    let first = bench.store.answer(&asked.id, Answer::Deny, "api").await.unwrap();
    assert!(matches!(first, Answered::Stored(Approval { state: ApprovalState::Deny, .. })), "{first:?}");
    let second = bench.store.answer(&asked.id, Answer::Always, "terminal").await.unwrap();
    assert!(matches!(second, Answered::TooLate(Approval { state: ApprovalState::Deny, .. })), "{second:?}");
    assert_eq!(bench.store.pending_approvals(None).await.unwrap(), vec![]);
    assert_eq!(bench.store.expire(&asked.id).await.unwrap(), ApprovalState::Deny);
}

#[tokio::test]
async fn the_record_of_a_turn_has_its_questions_and_compactions() {
    let bench = Bench::new();
    let (session, turn, _owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::from_secs(60)).await;
    bench.store.answer(&asked.id, Answer::Once, "api").await.unwrap();
    let usage = Usage { input: 9, output: 1, ..Usage::default() };
    bench.store.compact(&session, vec![user("a summary")], Some(("small".into(), usage))).await.unwrap();
    let record = bench.store.turn(turn).await.unwrap().unwrap();
    let answers: Vec<_> = record.approvals.iter().map(|approval| (&approval.id, approval.state)).collect();
    assert_eq!(answers, [(&asked.id, ApprovalState::Once)]);
    assert_eq!(record.model_calls.iter().map(|call| call.compaction).collect::<Vec<_>>(), [true]);
}

#[tokio::test]
async fn an_answer_after_the_time_is_too_late() {
    let bench = Bench::new();
    let (session, turn, _owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::ZERO).await;
    let answered = bench.store.answer(&asked.id, Answer::Once, "api").await.unwrap();
    assert!(matches!(answered, Answered::TooLate(_)), "{answered:?}");
    assert_eq!(bench.store.pending_approvals(None).await.unwrap(), vec![]);
    assert_eq!(bench.store.expire(&asked.id).await.unwrap(), ApprovalState::Expired);
    assert!(bench.store.was_denied(turn, "terminal", Reason::Network).await.unwrap());
}

#[tokio::test]
async fn a_denial_is_for_the_turn_an_approval_may_last() {
    let bench = Bench::new();
    let (session, turn, owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::from_secs(60)).await;
    bench.store.answer(&asked.id, Answer::Deny, "api").await.unwrap();
    assert!(bench.store.was_denied(turn, "terminal", Reason::Network).await.unwrap());
    assert!(!bench.store.was_denied(turn, "terminal", Reason::Files).await.unwrap());
    bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    let next = bench.store.begin_turn(&session, &owner, user("again")).await.unwrap();
    assert!(!bench.store.was_denied(next, "terminal", Reason::Network).await.unwrap());
    let asked = question(&bench, &session, next, Duration::from_secs(60)).await;
    bench.store.answer(&asked.id, Answer::Session, "api").await.unwrap();
    let approved = async |subject| {
        let store = &bench.store;
        store.is_approved(&session, "terminal", subject, Reason::Network).await.unwrap()
    };
    assert!(approved("ping host").await);
    assert!(!approved("ping host; cat .env").await);
}

#[tokio::test]
async fn the_end_of_a_turn_ends_its_questions() {
    let bench = Bench::new();
    let (session, turn, owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::from_secs(60)).await;
    // The owner dies.
    drop(owner);
    assert_eq!(bench.store.fold_dead_turns(None).await.unwrap().len(), 1);
    let state = bench.store.approval(&asked.id).await.unwrap().unwrap().state;
    assert_eq!(state, ApprovalState::Expired);
    let answered = bench.store.answer(&asked.id, Answer::Once, "api").await.unwrap();
    assert!(matches!(answered, Answered::TooLate(_)), "{answered:?}");
}

#[tokio::test]
async fn an_approval_for_good_can_be_taken_back() {
    let bench = Bench::new();
    let (session, turn, _owner) = turn_of(&bench).await;
    let asked = question(&bench, &session, turn, Duration::from_secs(60)).await;
    bench.store.answer(&asked.id, Answer::Always, "api").await.unwrap();
    bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    bench.store.delete(&session).await.unwrap();
    let other = bench.session().await;
    let approved =
        async || bench.store.is_approved(&other, "terminal", "ping host", Reason::Network).await.unwrap();
    assert!(approved().await);
    let calls = bench.store.allowed_calls().await.unwrap();
    assert_eq!(calls.iter().map(|call| call.subject.as_str()).collect::<Vec<_>>(), ["ping host"]);
    assert!(bench.store.forget_allowed_call("ping host").await.unwrap());
    assert!(!approved().await);
    assert!(!bench.store.forget_allowed_call("ping host").await.unwrap());
}
