//! Tests of compaction: tables of conversations, and arbitrary ones.

use proptest::prelude::*;
use rstest::rstest;

use super::forget::FORGOTTEN;
use super::*;
use crate::message::{Block, Role, ToolResult};
use crate::repair;
use crate::repair::tests::{any_messages, assert_sendable, call, result, text};
use crate::tokens::Estimator;

/// A text of this many tokens.
fn words(tokens: usize) -> String {
    "abc ".repeat(tokens)
}

fn user(words: impl Into<String>) -> Message {
    Message::text(Role::User, words)
}

fn assistant(words: impl Into<String>) -> Message {
    Message::text(Role::Assistant, words)
}

/// A call and its output of this many tokens.
fn step(number: usize, tokens: usize) -> [Message; 2] {
    let id = format!("c{number}");
    [
        Message { role: Role::Assistant, blocks: vec![text("Next."), call(&id, "read")] },
        Message { role: Role::Tool, blocks: vec![result(&id, &words(tokens))] },
    ]
}

/// A conversation without tools, of this many questions and answers.
fn chat(rounds: usize) -> Vec<Message> {
    long_chat(rounds, 1_000)
}

/// A conversation with answers of this many tokens.
fn long_chat(rounds: usize, tokens: usize) -> Vec<Message> {
    let round = |number: usize| {
        [
            user(format!("question {number} {}", words(20))),
            assistant(format!("answer {number} {}", words(tokens))),
        ]
    };
    (0..rounds).flat_map(round).collect()
}

const DUE: Cause = Cause::Due { reported: 100_000 };

fn planned(messages: &[Message], cause: Cause) -> Plan {
    plan(messages, &Limits::default(), &Estimator::default(), cause).unwrap()
}

fn outputs(messages: &[Message]) -> impl DoubleEndedIterator<Item = &ToolResult> {
    messages.iter().flat_map(|message| &message.blocks).filter_map(|block| match block {
        Block::ToolResult(result) => Some(result),
        _ => None,
    })
}

#[rstest]
#[case::no_count(None, 128_000, 0.5, false)]
#[case::below(Some(63_999), 128_000, 0.5, false)]
#[case::at(Some(64_000), 128_000, 0.5, true)]
#[case::above(Some(1_000_000), 128_000, 0.5, true)]
#[case::threshold_0(Some(1_000), 128_000, 0.0, false)]
#[case::threshold_over_1(Some(127_000), 128_000, 7.0, true)]
#[case::threshold_no_number(Some(64_000), 128_000, f64::NAN, true)]
#[case::length_0(Some(0), 0, 0.5, true)]
fn the_reported_count_alone_makes_it_due(
    #[case] reported: Option<u64>,
    #[case] length: u64,
    #[case] threshold: f64,
    #[case] due: bool,
) {
    assert_eq!(is_due(reported, length, threshold), due);
}

#[test]
fn forgetting_old_outputs_is_enough_if_they_are_the_most() {
    let mut messages = vec![user("Read all.")];
    messages.extend((0..50).flat_map(|number| step(number, 2_000)));
    let plan = planned(&messages, DUE);
    assert!(plan.request().is_none(), "no summary");
    let compacted = plan.apply(&messages, "").unwrap();
    assert_eq!((compacted.added, compacted.kept_from), (0, 0));
    assert_eq!(compacted.history.len(), messages.len());
    let kept: Vec<_> = outputs(&compacted.history).map(|output| output.content != FORGOTTEN).collect();
    // 19 outputs of 2,004 tokens are the most that fit in 40,000.
    assert_eq!(kept, [[false; 31].as_slice(), &[true; 19]].concat());
    assert_eq!(compacted.forgotten.len(), 31);
    assert_eq!(compacted.forgotten[0], (2, 0));
    assert!(compacted.after < 45_000 && compacted.before > 100_000, "{compacted:?}");
}

#[test]
fn a_small_gain_forgets_no_output() {
    let mut messages = vec![user("Read all.")];
    messages.extend((0..27).flat_map(|number| step(number, 2_000)));
    let compacted = planned(&messages, Cause::Due { reported: 64_000 }).apply(&messages, "s").unwrap();
    assert!(compacted.forgotten.is_empty(), "{:?}", compacted.forgotten);
    assert!(outputs(&compacted.history).all(|output| output.content != FORGOTTEN));
}

#[test]
fn outputs_that_the_model_has_not_seen_stay() {
    let mut messages = vec![user("Read all.")];
    messages.extend((0..30).flat_map(|number| step(number, 2_000)));
    let ids: Vec<_> = (0..10).map(|number| format!("n{number}")).collect();
    let calls = ids.iter().map(|id| call(id, "read")).collect();
    messages.push(Message { role: Role::Assistant, blocks: calls });
    for id in &ids {
        messages.push(Message { role: Role::Tool, blocks: vec![result(id, &words(12_000))] });
    }
    let compacted = planned(&messages, DUE).apply(&messages, "s").unwrap();
    assert!(outputs(&compacted.history).rev().take(10).all(|output| output.content != FORGOTTEN));
    assert_sendable(&repair::sendable(compacted.history));
}

#[test]
fn older_messages_become_one_reference() {
    let messages = chat(80);
    let plan = planned(&messages, DUE);
    let request = plan.request().unwrap();
    assert!(request.tools.is_empty() && request.messages.len() == 1);
    let asked = request.messages[0].plain_text();
    assert!(asked.contains("[user] question 0 ") && asked.contains("[assistant] answer 0 "));
    assert!(!asked.contains("answer 79 "), "the newest messages stay");

    let compacted = plan.apply(&messages, "They talked.").unwrap();
    assert_eq!(compacted.added, 1);
    let tail = &compacted.history[1..];
    assert_eq!(tail, &messages[compacted.kept_from..]);
    let tokens = Estimator::default().messages(tail);
    assert!((12_000..=12_800).contains(&tokens), "20 % of 64,000, not {tokens}");
    let reference = compacted.history[0].plain_text();
    assert!(reference.starts_with("[Reference, not a request] "), "{reference}");
    assert!(reference.ends_with("\nThey talked."), "{reference}");
    for message in messages[..compacted.kept_from].iter().filter(|message| message.role == Role::User) {
        assert!(compacted.history[0].blocks.contains(&message.blocks[0]), "{message:?}");
    }
    assert_sendable(&repair::sendable(compacted.history));
}

#[rstest]
#[case::more_than_the_ratio_for_20_messages(3_000, 20)]
#[case::less_than_20_if_they_exceed_half_of_the_threshold(5_000, 12)]
#[case::at_least_the_last(100_000, 1)]
fn the_newest_messages_stay(#[case] tokens: usize, #[case] count: usize) {
    let messages = long_chat(40, tokens);
    let compacted = planned(&messages, DUE).apply(&messages, "s").unwrap();
    assert_eq!(messages.len() - compacted.kept_from, count);
}

#[test]
fn only_the_newest_old_words_stay_verbatim() {
    let mut messages: Vec<_> = (0..30)
        .flat_map(|number| [user(format!("paste {number} {}", words(3_000))), assistant("Fine.")])
        .collect();
    messages.extend(chat(30));
    let compacted = planned(&messages, DUE).apply(&messages, "s").unwrap();
    let blocks = &compacted.history[0].blocks;
    let has = |number: usize| blocks.contains(&messages[2 * number].blocks[0]);
    assert!(has(29) && has(25) && !has(20), "{}", blocks.len());
    let tokens = Estimator::default().messages(&compacted.history[..1]);
    assert!((15_000..21_000).contains(&tokens), "{tokens}");
}

#[test]
fn the_present_task_stays_a_message_of_its_own() {
    let mut messages = chat(3);
    messages.push(user("Now do the long task."));
    let task = messages.len() - 1;
    for number in 0..300 {
        messages.extend(step(number, 100));
        messages.push(assistant(words(300)));
    }
    let compacted = planned(&messages, DUE).apply(&messages, "s").unwrap();
    assert_eq!(compacted.added, 2);
    assert_eq!(compacted.history[1], messages[task]);
    assert!(compacted.kept_from > task);
    assert!(!compacted.history[0].blocks.contains(&messages[task].blocks[0]), "not twice");
}

#[test]
fn a_second_compaction_carries_words_and_summary_on() {
    let first = chat(80);
    let mut messages = planned(&first, DUE).apply(&first, "FIRST SUMMARY").unwrap().history;
    let word = messages[0].blocks[1].clone();
    messages.extend(chat(80));
    let plan = planned(&messages, DUE);
    let asked = plan.request().unwrap().messages[0].plain_text();
    assert!(asked.starts_with("<conversation>\n[summary of the part before]\nFIRST SUMMARY\n"), "{asked}");
    let compacted = plan.apply(&messages, "SECOND").unwrap();
    assert_eq!(compacted.added, 1, "the old reference is no task");
    assert!(compacted.history[0].blocks.contains(&word));
    assert!(!compacted.history[0].plain_text().contains("FIRST SUMMARY"));
}

#[test]
fn the_request_shrinks_until_one_message_is_left() {
    let first = chat(80);
    let mut messages = planned(&first, DUE).apply(&first, "FIRST SUMMARY").unwrap().history;
    messages.extend(chat(80));
    let mut plan = planned(&messages, DUE);
    let length = |plan: &Plan| plan.request().unwrap().messages[0].plain_text().len();
    let (mut before, mut count) = (length(&plan), 0);
    while plan.drop_oldest() {
        let now = length(&plan);
        assert!(now < before);
        (before, count) = (now, count + 1);
    }
    assert!((10..60).contains(&count), "{count}");
    let asked = plan.request().unwrap().messages[0].plain_text();
    assert!(asked.contains("FIRST SUMMARY") && asked.contains(" older messages are left out]"), "{asked}");
    assert_eq!(asked.matches("[assistant] ").count(), 1, "{asked}");
    assert!(plan.apply(&messages, "s").is_ok());
}

#[test]
fn a_short_context_scales_all_numbers() {
    let mut messages = chat(2);
    messages.extend((0..8).flat_map(|number| step(number, 500)));
    messages.extend(chat(2));
    let limits = Limits { context_length: 8_192, ..Limits::default() };
    let compacted = plan(&messages, &limits, &Estimator::default(), Cause::Due { reported: 8_100 })
        .unwrap()
        .apply(&messages, "s")
        .unwrap();
    assert!(compacted.after < 4_096, "{} tokens of {}", compacted.after, compacted.before);
}

#[rstest]
#[case::requested(Cause::Requested)]
#[case::too_long_for_a_length_that_is_wrong(Cause::TooLong)]
fn a_history_below_the_threshold_gets_shorter_on_demand(#[case] cause: Cause) {
    let messages = chat(12);
    let plan = planned(&messages, cause);
    let compacted = plan.apply(&messages, "s").unwrap();
    assert!(compacted.after < compacted.before / 2, "{} of {}", compacted.after, compacted.before);
}

#[test]
fn a_plan_without_a_gain_says_so() {
    let estimator = Estimator::default();
    let of = |messages: &[Message]| plan(messages, &Limits::default(), &estimator, DUE);
    assert_eq!(of(&[]), Err(NoGain::NothingOld));
    assert_eq!(of(&chat(5)), Err(NoGain::NothingOld));
    assert_eq!(of(&[user(words(500_000))]), Err(NoGain::NothingOld));
    let messages = chat(80);
    assert_eq!(planned(&messages, DUE).apply(&messages, " \n"), Err(NoGain::NoSummary));
    assert_eq!(planned(&messages, DUE).apply(&messages, &words(100_000)), Err(NoGain::NotShorter));
}

#[rstest]
#[case(&[], false)]
#[case(&[(100, 95)], false)]
#[case(&[(100, 95), (100, 91)], true)]
#[case(&[(100, 95), (100, 90), (100, 95)], false)]
#[case(&[(100, 120), (100, 100)], true)]
#[case(&[(0, 0), (0, 0)], true)]
#[case(&[(u64::MAX, 1), (u64::MAX, u64::MAX)], false)]
fn two_poor_gains_in_a_row_exhaust(#[case] gains: &[(u64, u64)], #[case] exhausted: bool) {
    let mut recorded = Gains::default();
    for &(before, after) in gains {
        recorded.record(before, after);
    }
    assert_eq!(recorded.are_exhausted(), exhausted);
}

/// Checks a compaction of any history.
#[track_caller]
fn assert_sound(messages: &[Message], compacted: &Compacted, estimator: &Estimator) {
    assert_sendable(&repair::sendable(compacted.history.clone()));
    for (call, result) in repair::results_of_calls(messages) {
        let (call, result) = (call.0 >= compacted.kept_from, result.0 >= compacted.kept_from);
        assert_eq!(call, result, "a call and its result are separated");
    }
    let old = &messages[compacted.kept_from..];
    let kept = &compacted.history[compacted.added..];
    assert_eq!(kept.len(), old.len());
    for (offset, (old, kept)) in old.iter().zip(kept).enumerate() {
        for (place, (old, kept)) in old.blocks.iter().zip(&kept.blocks).enumerate() {
            let is_forgotten = compacted.forgotten.contains(&(compacted.kept_from + offset, place));
            assert_eq!(old == kept, !is_forgotten, "{old:?}, {kept:?}");
        }
    }
    let is_word = |block: &Block| matches!(block, Block::Text { text } if !text.trim().is_empty());
    let words_of = |message: &Message| -> Vec<Block> {
        let is_words = message.role == Role::User && reference::parse(message).is_none();
        message.blocks.iter().filter(|block| is_words && is_word(block)).cloned().collect()
    };
    if let Some(newest) = messages.iter().map(words_of).rfind(|words| !words.is_empty()) {
        let kept = compacted.history.iter().any(|message| words_of(message) == newest);
        assert!(kept, "the newest words of the user are lost");
    }
    assert_eq!(compacted.after, estimator.messages(&compacted.history));
    assert!(compacted.after < compacted.before);
}

fn any_cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        (0_u64..200_000).prop_map(|reported| Cause::Due { reported }),
        Just(Cause::Requested),
        Just(Cause::TooLong)
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (0_u64..6_000, 0.0..1.0, 0.0..1.0, 0_usize..25).prop_map(
        |(context_length, threshold, target_ratio, protect_last_n)| Limits {
            context_length,
            threshold,
            target_ratio,
            protect_last_n,
        },
    )
}

proptest! {
    #[test]
    fn any_history_is_sound_after_two_compactions(
        messages in any_messages(150),
        more in any_messages(50),
        limits in any_limits(),
        cause in any_cause(),
        reported in 0_u64..4_000,
    ) {
        let mut estimator = Estimator::default();
        estimator.learn(1_000, reported);
        let mut history = messages;
        for more in [more, Vec::new()] {
            let compacted = plan(&history, &limits, &estimator, cause)
                .and_then(|plan| plan.apply(&history, "A short summary."));
            if let Ok(compacted) = compacted {
                assert_sound(&history, &compacted, &estimator);
                history = compacted.history;
            }
            history.extend(more);
        }
    }
}
