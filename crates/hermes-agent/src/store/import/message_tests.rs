//! Messages of the Python program in the form of this one.

use rstest::rstest;

use super::*;

fn old(role: &str) -> OldMessage {
    OldMessage {
        role: role.to_owned(),
        content: None,
        tool_call_id: None,
        tool_calls: None,
        at: 7,
        reasoning: None,
        reasoning_content: None,
        reasoning_details: None,
        active: true,
        compacted: false,
    }
}

#[rstest]
#[case("hello", "hello")]
#[case("\0json:[{\"type\":\"text\",\"text\":\"one \"},{\"type\":\"text\",\"text\":\"two\"}]", "one two")]
#[case(r#"[{"type":"text","text":"parts"}]"#, "parts")]
#[case(
    r#"[{"type":"animal","text":"a list that the user typed"}]"#,
    r#"[{"type":"animal","text":"a list that the user typed"}]"#
)]
#[case("\0json:[{\"type\":\"audio\"}]", "[audio]")]
#[case("[{broken", "[{broken")]
fn content_becomes_text(#[case] content: &str, #[case] expected: &str) {
    let converted = convert(OldMessage { content: Some(content.to_owned()), ..old("user") }).unwrap();
    assert_eq!(converted.message.plain_text(), expected);
}

#[test]
fn pictures_of_a_message_are_kept() {
    let content = r#"[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#;
    let converted = convert(OldMessage { content: Some(content.to_owned()), ..old("user") }).unwrap();
    let picture = Block::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned() };
    assert_eq!(converted.message.blocks, [Block::Text { text: "see".to_owned() }, picture]);
}

#[test]
fn calls_keep_their_arguments_and_further_fields() {
    let calls = r#"[{"id":"fc_1","call_id":"call_1","type":"function","extra_content":{"google":{"thought_signature":"x"}},
        "function":{"name":"terminal","arguments":"{\"command\": \"ls\"}"}},{"id":"no function"}]"#;
    let converted = convert(OldMessage { tool_calls: Some(calls.to_owned()), ..old("assistant") }).unwrap();
    let calls: Vec<_> = converted.message.calls().collect();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].id.as_str(), calls[0].arguments.as_str()), ("call_1", r#"{"command": "ls"}"#));
    let extra = calls[0].extra.as_ref().unwrap().0.get();
    assert_eq!(extra, r#"{"extra_content":{"google":{"thought_signature":"x"}}}"#);
}

#[test]
fn reasoning_is_readable_and_can_go_back() {
    let details = Some(r#"[{"type":"reasoning.text"}]"#.to_owned());
    let reasoning = Some("because".to_owned());
    let converted =
        convert(OldMessage { reasoning, reasoning_details: details.clone(), ..old("assistant") }).unwrap();
    let [Block::Reasoning { text }, Block::Opaque(opaque)] = converted.message.blocks.as_slice() else {
        panic!("{converted:?}")
    };
    assert_eq!((text.as_str(), opaque.kind.as_str()), ("because", "reasoning_details"));
    assert_eq!(Some(opaque.raw.0.get()), details.as_deref());
}

#[rstest]
#[case(true, false, None)]
#[case(false, true, Some(Hidden::Compacted))]
#[case(false, false, Some(Hidden::Undone))]
fn inactive_messages_are_hidden(
    #[case] active: bool,
    #[case] compacted: bool,
    #[case] hidden: Option<Hidden>,
) {
    let message = OldMessage { content: Some("x".to_owned()), active, compacted, ..old("user") };
    assert_eq!(convert(message).unwrap().hidden, hidden);
}

#[rstest]
#[case(old("system"))]
#[case(old("assistant"))]
#[case(old("tool"))]
fn messages_without_a_known_form_are_left_out(#[case] message: OldMessage) {
    assert!(convert(message).is_none());
}
