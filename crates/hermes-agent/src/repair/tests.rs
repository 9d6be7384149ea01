//! Tests of the repair, with arbitrary conversations.

use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::message::{Opaque, Raw};

pub(crate) fn call(id: &str, name: &str) -> Block {
    Block::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
        extra: None,
    })
}

pub(crate) fn result(id: &str, content: &str) -> Block {
    Block::ToolResult(ToolResult { call_id: id.to_owned(), content: content.to_owned(), is_error: false })
}

pub(crate) fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned() }
}

fn user(blocks: Vec<Block>) -> Message {
    Message { role: Role::User, blocks }
}

fn assistant(blocks: Vec<Block>) -> Message {
    Message { role: Role::Assistant, blocks }
}

fn tool(blocks: Vec<Block>) -> Message {
    Message { role: Role::Tool, blocks }
}

fn image() -> Block {
    Block::Image { media_type: "image/png".to_owned(), data: "AA==".to_owned() }
}

/// Any block, with few IDs, so that calls and results meet.
pub(crate) fn any_block(longest: usize) -> impl Strategy<Value = Block> {
    let words = move || prop_oneof![Just(String::new()), Just(" \n".to_owned()), sized_text(longest)];
    let id = || prop_oneof![1 => Just(String::new()), 20 => "[a-d]"];
    let name = prop_oneof![1 => Just(" ".to_owned()), 20 => Just("read".to_owned())];
    let opaque = || {
        let raw = serde_json::value::RawValue::from_string("{\"signature\":\"x\"}".to_owned()).unwrap();
        Opaque { protocol: "anthropic".to_owned(), kind: "thinking".to_owned(), raw: Raw(raw) }
    };
    prop_oneof![
        words().prop_map(|text| Block::Text { text }),
        words().prop_map(|text| Block::Reasoning { text }),
        Just(image()),
        Just(Block::Opaque(opaque())),
        (id(), name).prop_map(|(id, name)| call(&id, &name)),
        (id(), words()).prop_map(|(id, content)| result(&id, &content)),
    ]
}

/// A text of up to `longest` words.
fn sized_text(longest: usize) -> impl Strategy<Value = String> {
    ("[a-zö你]{1,6} ", 1..=longest).prop_map(|(word, count)| word.repeat(count))
}

/// Any messages: no rule of a conversation holds.
pub(crate) fn any_messages(longest: usize) -> impl Strategy<Value = Vec<Message>> {
    let role = prop_oneof![Just(Role::User), Just(Role::Assistant), Just(Role::Tool)];
    let message = (role, vec(any_block(longest), 0..4)).prop_map(|(role, blocks)| Message { role, blocks });
    vec(message, 0..30)
}

/// Fails unless a provider accepts these messages.
#[track_caller]
pub(crate) fn assert_sendable(messages: &[Message]) {
    let mut open: Vec<&str> = Vec::new();
    let mut last = None;
    for message in messages {
        assert!(!message.blocks.is_empty(), "an empty message: {messages:#?}");
        if message.role != Role::Tool {
            assert!(open.is_empty(), "no result for {open:?}: {messages:#?}");
        }
        assert!((last, message.role) != (Some(Role::User), Role::User), "two user messages: {messages:#?}");
        last = Some(message.role);
        for block in &message.blocks {
            match (message.role, block) {
                (Role::Tool, Block::ToolResult(result)) => {
                    let place = open.iter().position(|id| *id == result.call_id);
                    open.remove(place.unwrap_or_else(|| panic!("an orphan: {messages:#?}")));
                }
                (Role::Tool, _) | (_, Block::ToolResult(_)) | (Role::User, Block::ToolCall(_)) => {
                    panic!("a block in the wrong message: {messages:#?}")
                }
                (Role::Assistant, Block::ToolCall(call)) => open.push(&call.id),
                (_, Block::Text { text }) => assert!(!text.trim().is_empty(), "{messages:#?}"),
                _ => {}
            }
        }
        if message.role == Role::Assistant {
            let says = |block: &Block| matches!(block, Block::Text { .. } | Block::ToolCall(_));
            assert!(message.blocks.iter().any(says), "{messages:#?}");
        }
    }
    assert!(open.is_empty(), "no result for {open:?}: {messages:#?}");
}

fn aborted_of(id: &str) -> Block {
    Block::ToolResult(ToolResult { call_id: id.to_owned(), content: ABORTED.to_owned(), is_error: true })
}

#[rstest]
#[case::a_missing_result_is_aborted(
    vec![assistant(vec![call("a", "x"), call("b", "x")]), tool(vec![result("b", "1")]), user(vec![text("go")])],
    vec![
        assistant(vec![call("a", "x"), call("b", "x")]),
        tool(vec![result("b", "1")]),
        tool(vec![aborted_of("a")]),
        user(vec![text("go")]),
    ]
)]
#[case::a_displaced_result_moves_to_its_call(
    vec![assistant(vec![call("a", "x")]), user(vec![text("go")]), tool(vec![result("a", "1")])],
    vec![assistant(vec![call("a", "x")]), tool(vec![result("a", "1")]), user(vec![text("go")])]
)]
#[case::an_id_that_is_used_again_keeps_its_results(
    vec![
        assistant(vec![call("a", "x")]),
        assistant(vec![call("a", "x")]),
        tool(vec![result("a", "2"), result("a", "3")]),
    ],
    vec![
        assistant(vec![call("a", "x")]),
        tool(vec![aborted_of("a")]),
        assistant(vec![call("a", "x")]),
        tool(vec![result("a", "2")]),
    ]
)]
#[case::orphans_go(
    vec![tool(vec![result("a", "1")]), user(vec![text("go"), result("b", "2")]), tool(vec![text("x")])],
    vec![user(vec![text("go")])]
)]
#[case::empty_messages_go(
    vec![assistant(vec![text(" "), Block::Reasoning { text: "hm".to_owned() }]), user(vec![]), assistant(vec![])],
    vec![]
)]
#[case::a_call_without_a_name_goes_with_its_result(
    vec![assistant(vec![text("t"), call("a", " ")]), tool(vec![result("a", "1")])],
    vec![assistant(vec![text("t")])]
)]
#[case::user_messages_become_one_with_their_images(
    vec![user(vec![text("one"), image()]), assistant(vec![]), user(vec![image(), text("two")])],
    vec![user(vec![text("one"), image(), image(), text("two")])]
)]
fn a_broken_conversation_is_repaired(#[case] broken: Vec<Message>, #[case] expected: Vec<Message>) {
    assert_sendable(&expected);
    assert_eq!(sendable(broken), expected);
}

proptest! {
    #[test]
    fn any_messages_become_sendable_and_stay_so(messages in any_messages(3)) {
        let once = sendable(messages);
        assert_sendable(&once);
        prop_assert_eq!(sendable(once.clone()), once);
    }

    #[test]
    fn a_new_message_of_the_user_leaves_the_prefix_alone(messages in any_messages(3)) {
        let mut history = sendable(messages);
        history.retain(|message| message.role != Role::User);
        let mut longer = history.clone();
        longer.push(user(vec![text("new")]));
        let sent = sendable(longer);
        prop_assert_eq!(&sent[..history.len()], &history[..]);
        prop_assert_eq!(sent.len(), history.len() + 1);
    }

    #[test]
    fn images_of_the_user_stay(messages in any_messages(3)) {
        let images = |messages: &[Message]| {
            let users = messages.iter().filter(|message| message.role == Role::User);
            users.flat_map(|message| &message.blocks).filter(|block| **block == image()).count()
        };
        prop_assert_eq!(images(&sendable(messages.clone())), images(&messages));
    }
}
