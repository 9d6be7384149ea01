//! Scripts: which step answers, and what is refused.

use rstest::rstest;
use serde_json::{Value, json};
use stand_in::Script;

use crate::raw::{chat, post, server, stream};

fn text_for(script: &Value, body: &Value) -> String {
    let answer = post(&server(script), "/v1/chat/completions", body).json();
    answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn steps_answer_in_order_and_end() {
    let server = server(&json!([{"text": "one", "times": 2}, {"text": "two"}]));
    let texts: Vec<String> = (0..4).map(|_| stream(&server).streamed_text()).collect();
    assert_eq!(texts[..3], ["one", "one", "two"]);
    assert!(texts[3].starts_with("I am a stand-in"), "{texts:?}");
}

#[rstest]
#[case(json!({"user": "h"}), true)]
#[case(json!({"user": "x"}), false)]
#[case(json!({"messages": 1}), true)]
#[case(json!({"messages": 2}), false)]
#[case(json!({"model": "m"}), true)]
#[case(json!({"model": "n"}), false)]
#[case(json!({"tools": false}), true)]
#[case(json!({"tools": true}), false)]
#[case(json!({"user": "h", "model": "n"}), false)]
fn all_conditions_of_a_step_hold(#[case] when: Value, #[case] fits: bool) {
    let script = json!([{"when": when, "text": "yes"}, {"text": "no"}]);
    assert_eq!(text_for(&script, &chat(false)), if fits { "yes" } else { "no" });
}

#[test]
fn an_answer_has_all_its_parts() {
    let step = json!({
        "text": "Hello", "reasoning": "I think", "tool_calls": [{"name": "f", "arguments": {"a": 1}, "id": "c1"}],
        "finish": "length", "usage": {"input": 10, "output": 5, "cached": 4},
    });
    let answer = post(&server(&json!([step])), "/v1/chat/completions", &chat(false)).json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "Hello");
    assert_eq!(message["reasoning_content"], "I think");
    let function = json!({"name": "f", "arguments": "{\"a\":1}"});
    assert_eq!(message["tool_calls"], json!([{"id": "c1", "type": "function", "function": function}]));
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["total_tokens"], 15);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

#[rstest]
#[case::unknown_field(r#"[{"tex": "x"}]"#, "unknown field `tex`")]
#[case::unknown_condition(r#"[{"when": {"usr": "x"}, "text": "x"}]"#, "unknown field `usr`")]
#[case::unknown_fault(r#"[{"fault": "fire"}]"#, "unknown variant `fire`")]
#[case::unknown_field_of_call(r#"[{"tool_calls": [{"name": "f", "args": {}}]}]"#, "unknown field `args`")]
#[case::field_of_another_fault(
    r#"[{"text": "x"}, {"fault": "bom", "status": 429}]"#,
    "step 2 of the script: the field status"
)]
#[case::missing_field(r#"[{"fault": "status"}]"#, "needs the field status")]
#[case::nothing_to_say(r#"[{"times": 2}]"#, "step 1 of the script: it has no text")]
#[case::no_array(r#"{"text": "x"}"#, "expected a sequence")]
fn mistakes_in_a_script_are_named(#[case] text: &str, #[case] expected: &str) {
    let error = Script::parse(text).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let shown = format!("{error}: {cause}");
    assert!(shown.contains(expected), "{shown}");
}
