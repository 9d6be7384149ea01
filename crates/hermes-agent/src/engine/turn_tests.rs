//! The state machine of a turn: effects of its events.

use rstest::rstest;

use super::*;
use crate::message::{Block, Role};

const LIMITS: Limits = Limits { model_calls: 3, models: 2 };

fn error(class: ErrorClass) -> ProviderError {
    ProviderError { class, message: "it failed".to_owned(), status: None, retry_after: None, hint: None }
}

fn call(id: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: "{}".to_owned(), extra: None }
}

fn answer(calls: &[&str]) -> TurnEvent {
    answer_that_ends(Finish::Complete, calls, false)
}

fn answer_that_ends(finish: Finish, calls: &[&str], compaction_due: bool) -> TurnEvent {
    let text = Block::Text { text: "yes".to_owned() };
    let blocks = std::iter::once(text).chain(calls.iter().map(|id| Block::ToolCall(call(id)))).collect();
    let message = Message { role: Role::Assistant, blocks };
    TurnEvent::Answered { message, finish, usage: None, compaction_due }
}

fn tool_ended(id: &str) -> TurnEvent {
    TurnEvent::ToolEnded { result: result(id), stop: None }
}

fn result(id: &str) -> ToolResult {
    ToolResult { call_id: id.to_owned(), content: "done".to_owned(), is_error: false }
}

fn input() -> TurnEvent {
    TurnEvent::Input(Message::text(Role::User, "and this"))
}

const STARTED: TurnEvent = TurnEvent::Started { compaction_due: false };

/// Returns the turn after these events, and the effects of the last one.
fn after(events: impl IntoIterator<Item = TurnEvent>) -> (Turn, Vec<Effect>) {
    let mut turn = Turn::new(LIMITS);
    let effects = events.into_iter().map(|event| turn.on(event)).last().unwrap_or_default();
    (turn, effects)
}

/// Names the effects, without their contents.
fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::CallModel { model, attempt, without_reasoning } => {
            let bare = if *without_reasoning { " bare" } else { "" };
            format!("call {model}.{attempt}{bare}")
        }
        Effect::StopModel => "stop model".to_owned(),
        Effect::StoreAnswer { .. } => "store".to_owned(),
        Effect::RunTools(calls) => format!("run {}", calls.len()),
        Effect::StopTools => "stop tools".to_owned(),
        Effect::StoreResult(result) => format!("result {}", result.call_id),
        Effect::Wait { at_least, jitter, .. } => {
            format!("wait {}{}", at_least.as_secs(), if *jitter { "~" } else { "" })
        }
        Effect::FallBack { .. } => "fall back".to_owned(),
        Effect::QueueInput(_) => "queue".to_owned(),
        Effect::TakeInputs => "take".to_owned(),
        Effect::Compact { .. } => "compact".to_owned(),
        Effect::StopCompaction => "stop compaction".to_owned(),
        Effect::End { reason, .. } => format!("end {reason:?}"),
    };
    effects.iter().map(name).collect()
}

/// The states, each with the events that lead to it.
fn states() -> Vec<(&'static str, Vec<TurnEvent>)> {
    vec![
        ("new", vec![]),
        ("calling", vec![STARTED]),
        ("visible", vec![STARTED, TurnEvent::Visible]),
        ("waiting", vec![STARTED, TurnEvent::Failed(error(ErrorClass::Transient))]),
        ("tools", vec![STARTED, answer(&["a", "b"])]),
        ("compacting", vec![TurnEvent::Started { compaction_due: true }]),
        ("too long", vec![STARTED, TurnEvent::Failed(error(ErrorClass::ContextTooLong))]),
        ("ended", vec![STARTED, answer(&[])]),
    ]
}

#[rstest]
// The rows of a state: the effects of each event, in the order of `events`.
#[case("new", [
    "call 0.1", "", "", "", "", "", "", "", "", "", "", "", "queue", "end Cancelled",
])]
#[case("calling", [
    "", "", "store, end EndTurn", "store, run 1", "wait 1~", "end Failed", "compact", "end Budget", "", "", "", "",
    "queue", "stop model, end Cancelled",
])]
#[case("visible", [
    "", "", "store, end EndTurn", "store, run 1", "stop model, end Failed", "stop model, end Failed",
    "stop model, end Failed", "end Budget", "", "", "", "", "queue", "stop model, end Cancelled",
])]
#[case("waiting", [
    "", "", "", "", "", "", "", "", "call 0.2", "", "", "", "queue", "end Cancelled",
])]
#[case("tools", [
    "", "", "", "", "", "", "", "", "", "result a", "", "", "queue",
    "stop tools, result a, result b, end Cancelled",
])]
#[case("compacting", [
    "", "", "", "", "", "", "", "", "", "", "call 0.1", "call 0.1", "queue", "stop compaction, end Cancelled",
])]
#[case("too long", [
    "", "", "", "", "", "", "", "", "", "", "end Failed", "end Failed", "queue", "stop compaction, end Cancelled",
])]
#[case("ended", ["", "", "", "", "", "", "", "", "", "", "", "", "", ""])]
fn each_event_has_its_effects_in_each_state(#[case] state: &str, #[case] expected: [&str; 14]) {
    let events = [
        STARTED,
        TurnEvent::Visible,
        answer(&[]),
        answer(&["c"]),
        TurnEvent::Failed(error(ErrorClass::Transient)),
        TurnEvent::Failed(error(ErrorClass::Authentication)),
        TurnEvent::Failed(error(ErrorClass::ContextTooLong)),
        TurnEvent::OverBudget { message: "no".to_owned() },
        TurnEvent::WaitOver,
        tool_ended("a"),
        TurnEvent::Compacted { gained: false },
        TurnEvent::CompactionFailed(error(ErrorClass::Transient)),
        input(),
        TurnEvent::Interrupt,
    ];
    let (_, path) = states().into_iter().find(|(name, _)| *name == state).unwrap();
    for (event, expected) in events.into_iter().zip(expected) {
        let (_, effects) = after(path.iter().cloned().chain([event.clone()]));
        assert_eq!(names(&effects).join(", "), expected, "{state}: {event:?}");
    }
}

#[test]
fn calls_end_before_the_model_is_called_again() {
    let (_, effects) = after([STARTED, answer(&["a", "b"]), tool_ended("b"), tool_ended("a")]);
    assert_eq!(names(&effects), ["result a", "call 0.1"]);
}

#[test]
fn result_of_an_unknown_call_is_ignored() {
    let (mut turn, effects) = after([STARTED, answer(&["a"]), tool_ended("x")]);
    assert_eq!(effects, []);
    assert_eq!(names(&turn.on(tool_ended("a"))), ["result a", "call 0.1"]);
}

#[test]
fn the_limit_of_model_calls_ends_the_turn() {
    let round = |id: &'static str| [answer(&[id]), tool_ended(id)];
    let rounds = [round("a"), round("b"), round("c")].into_iter().flatten();
    let (turn, effects) = after([STARTED].into_iter().chain(rounds));
    assert_eq!(names(&effects), ["result c", "end MaxTurnRequests"]);
    assert!(turn.is_ended());
}

#[test]
fn message_during_tools_goes_in_before_the_next_call() {
    let (_, effects) = after([STARTED, answer(&["a"]), input(), tool_ended("a")]);
    assert_eq!(names(&effects), ["result a", "take", "call 0.1"]);
}

#[test]
fn message_during_the_last_answer_continues_the_turn() {
    let (_, effects) = after([STARTED, input(), answer(&[])]);
    assert_eq!(names(&effects), ["store", "take", "call 0.1"]);
}

#[test]
fn compaction_waits_for_the_results_of_calls() {
    let due = answer_that_ends(Finish::Complete, &["a"], true);
    let (mut turn, effects) = after([STARTED, due, tool_ended("a")]);
    assert_eq!(names(&effects), ["result a", "compact"]);
    assert_eq!(names(&turn.on(TurnEvent::Compacted { gained: true })), ["call 0.1"]);
}

#[test]
fn too_long_a_context_is_compacted_once() {
    let too_long = || TurnEvent::Failed(error(ErrorClass::ContextTooLong));
    let (mut turn, effects) = after([STARTED, too_long(), TurnEvent::Compacted { gained: true }]);
    assert_eq!(names(&effects), ["call 0.2"]);
    assert_eq!(names(&turn.on(too_long())), ["end Failed"]);
}

#[test]
fn rejected_reasoning_is_left_out_once() {
    let rejected = || TurnEvent::Failed(error(ErrorClass::ReasoningRejected));
    let (mut turn, effects) = after([STARTED, rejected()]);
    assert_eq!(names(&effects), ["call 0.2 bare"]);
    assert_eq!(names(&turn.on(rejected())), ["end Failed"]);
}

#[test]
fn overload_goes_to_the_fallback_at_once() {
    let overloaded = || TurnEvent::Failed(error(ErrorClass::Overloaded));
    let (mut turn, effects) = after([STARTED, overloaded()]);
    assert_eq!(names(&effects), ["fall back", "call 1.1"]);
    assert_eq!(names(&turn.on(overloaded())), ["wait 1~"], "the last model is waited for");
}

#[test]
fn a_bad_answer_is_tried_again_once() {
    let bad = || TurnEvent::Failed(error(ErrorClass::BadAnswer));
    let (mut turn, effects) = after([STARTED, bad()]);
    assert_eq!(names(&effects), ["wait 1~"]);
    turn.on(TurnEvent::WaitOver);
    assert_eq!(names(&turn.on(bad())), ["fall back", "call 1.1"]);
}

#[test]
fn waits_double_until_the_patience_ends() {
    let mut turn = Turn::new(Limits { model_calls: 1, models: 1 });
    turn.on(STARTED);
    let mut waits = Vec::new();
    loop {
        match turn.on(TurnEvent::Failed(error(ErrorClass::Transient))).as_slice() {
            [Effect::Wait { at_least, .. }] => waits.push(at_least.as_secs()),
            other => {
                assert_eq!(names(other), ["end Failed"]);
                break;
            }
        }
        turn.on(TurnEvent::WaitOver);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[rstest]
#[case::short(7, "wait 7")]
#[case::longer_than_the_patience(301, "fall back, call 1.1")]
fn the_servers_own_wait_counts(#[case] seconds: u64, #[case] expected: &str) {
    let limited =
        ProviderError { retry_after: Some(Duration::from_secs(seconds)), ..error(ErrorClass::RateLimited) };
    let (_, effects) = after([STARTED, TurnEvent::Failed(limited)]);
    assert_eq!(names(&effects).join(", "), expected);
}

#[rstest]
#[case(Finish::MaxTokens, "end MaxTokens")]
#[case(Finish::Refusal, "end Refusal")]
fn an_answer_that_stopped_early_says_why(#[case] finish: Finish, #[case] expected: &str) {
    let (_, effects) = after([STARTED, answer_that_ends(finish, &[], false)]);
    assert_eq!(names(&effects), ["store", expected]);
}

#[test]
fn repetition_ends_the_turn_after_all_results() {
    let repeated = TurnEvent::ToolEnded { result: result("a"), stop: Some("it repeats".to_owned()) };
    let (mut turn, effects) = after([STARTED, answer(&["a", "b"]), repeated]);
    assert_eq!(names(&effects), ["result a"]);
    assert_eq!(names(&turn.on(tool_ended("b"))), ["result b", "end Loop"]);
}
