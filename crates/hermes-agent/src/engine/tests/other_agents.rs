//! Calls that another agent works on: the budget, and the order of calls.

use super::*;
use crate::settings::Price;

fn ask(arguments: &'static str) -> Reply {
    Reply::Calls(Box::leak(Box::new([("c1", "ask", arguments)])))
}

#[tokio::test]
async fn tokens_of_another_agent_count_in_turn_and_day() {
    let price = Price { input: 1_000_000.0, cached: 0.0, output: 0.0 };
    let budget = Budget {
        tokens_per_day: Some(1_000_000),
        prices: [("other".to_owned(), price)].into_iter().collect(),
        ..Budget::default()
    };
    let bench = Bench::with_budget([ask(r#"{"spend":7}"#), Reply::Text("done")], budget).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!((end.reason, end.usage.total()), (StopReason::EndTurn, 2 * 15 + 7));
    let used = bench.engine.store.used(&spending::today()).await.unwrap();
    assert_eq!((used.tokens, used.reserved_tokens), (2 * 15 + 7, 0));
    assert!((used.usd - 7.0).abs() < 1e-9, "{used:?}");
}

#[tokio::test]
async fn another_agent_that_uses_up_the_day_is_stopped() {
    let budget = Budget { tokens_per_day: Some(100_000), ..Budget::default() };
    let replies = [ask(r#"{"spend":100000,"hang":true}"#)];
    let bench = Bench::with_budget(replies, budget).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::Budget);
    let conversation = bench.conversation().await;
    assert!(conversation[2].starts_with("Tool: failed to go on: the budget of the day"), "{conversation:?}");
}

#[tokio::test]
async fn another_agent_uses_the_budget_of_the_turn() {
    let budget = Budget { tokens_per_turn: Some(20_000), ..Budget::default() };
    let bench = Bench::with_budget([ask(r#"{"spend":20000}"#)], budget).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::Budget);
}

#[tokio::test]
async fn a_call_to_another_agent_holds_up_no_other_call() {
    let calls: &'static [_] = &[("c1", "ask", r#"{"hang":true}"#), ("c2", "write", r#"{"n":2}"#)];
    let bench = Bench::new([Reply::Calls(calls)]).await;
    let ended: fn(&Event) -> bool = |event| matches!(event, Event::ToolEnded { .. });
    let (end, events) = bench.turn(vec![(ended, Submission::Interrupt)]).await;
    assert_eq!(end.reason, StopReason::Cancelled);
    let first = events.iter().find_map(|event| match event {
        Event::ToolEnded { result, .. } => Some(result.call_id.as_str()),
        _ => None,
    });
    assert_eq!(first, Some("c2"));
}
