//! The protocol Messages of Anthropic.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::answer::{Answer, Event};
use crate::prompt::{Line, Prompt, text_of};

/// The signature of a thinking block. It must come back unchanged.
const SIGNATURE: &str = "c3RhbmQtaW4gc2lnbmF0dXJl";

/// Reads a request. An error is a message for the client.
pub(crate) fn prompt(body: &Value) -> Result<Prompt, String> {
    let model = body["model"].as_str().ok_or("model: Field required")?;
    if body["max_tokens"].as_u64().is_none_or(|number| number == 0) {
        return Err("max_tokens: Field required".into());
    }
    let messages = body["messages"].as_array().ok_or("messages: Field required")?;
    if messages.is_empty() {
        return Err("messages: at least one message is required".into());
    }
    check(messages)?;
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sizes = ["messages", "system", "tools"].map(|field| body[field].to_string().len());
    Ok(Prompt {
        model: model.into(),
        messages: messages.iter().map(line).collect(),
        tools: tools.iter().filter_map(|tool| tool["name"].as_str()).map(Into::into).collect(),
        is_streamed: body["stream"] == true,
        wants_usage: true,
        has_stream_options: false,
        bytes: sizes.iter().sum(),
    })
}

fn line(message: &Value) -> Line {
    let results = blocks(message, "tool_result").map(|block| text_of(&block["content"]));
    Line {
        role: message["role"].as_str().unwrap_or_default().into(),
        text: text_of(&message["content"]),
        results: results.collect(),
    }
}

fn blocks<'a>(message: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    blocks.iter().filter(move |block| block["type"] == kind)
}

/// Checks roles, the results of tool calls, and signatures, with the words of the server.
fn check(messages: &[Value]) -> Result<(), String> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            return Err(format!("messages.{index}.role: Input should be 'user' or 'assistant'"));
        }
        if message["content"]
            .as_array()
            .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "text" && block["text"] == ""))
        {
            return Err(format!("messages.{index}: text content blocks must be non-empty"));
        }
        let results: BTreeSet<&str> =
            blocks(message, "tool_result").filter_map(|block| block["tool_use_id"].as_str()).collect();
        if let Some(stranger) = results.iter().find(|id| !open.contains(*id)) {
            return Err(format!(
                "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {stranger}. Each \
                 `tool_result` block must have a corresponding `tool_use` block in the previous message."
            ));
        }
        let missing: Vec<&str> = open.iter().filter(|id| !results.contains(*id)).copied().collect();
        let is_first = message["content"][0]["type"] == "tool_result";
        if !missing.is_empty() || !open.is_empty() && !is_first {
            return Err(format!(
                "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. \
                 Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                missing.join(", ")
            ));
        }
        if blocks(message, "thinking").any(|block| block["signature"] != SIGNATURE) {
            return Err(format!("messages.{index}.content: Invalid `signature` in `thinking` block"));
        }
        open = blocks(message, "tool_use").filter_map(|block| block["id"].as_str()).collect();
    }
    match open.into_iter().next() {
        Some(id) => {
            Err(format!("`tool_use` ids were found without `tool_result` blocks immediately after: {id}."))
        }
        None => Ok(()),
    }
}

/// Returns the answer as one object.
pub(crate) fn whole(answer: &Answer, prompt: &Prompt, number: u64) -> Value {
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.reasoning, "signature": SIGNATURE}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"type": "text", "text": answer.text}));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        // Arguments that are no JSON cannot be sent here.
        let input: Value = serde_json::from_str(&call.arguments_text()).unwrap_or_else(|_| json!({}));
        let id = id(call.id.as_deref(), number, index);
        content.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": input}));
    }
    let mut body = envelope(prompt, number);
    body["content"] = content.into();
    body["stop_reason"] = finish(answer).into();
    body["usage"] = usage(answer, prompt);
    body
}

/// Returns the answer as the events of a stream, the last one is `message_stop`.
pub(crate) fn events(answer: &Answer, prompt: &Prompt, number: u64) -> Vec<Event> {
    let event = |name: &'static str, mut body: Value, is_output: bool| {
        body["type"] = name.into();
        Event { name: Some(name), data: body.to_string(), is_output }
    };
    let mut first = envelope(prompt, number);
    first["usage"] = usage(answer, prompt);
    first["usage"]["output_tokens"] = 1.into();
    let mut events =
        vec![event("message_start", json!({"message": first}), false), event("ping", json!({}), false)];
    let mut blocks: Vec<(Value, Vec<Value>)> = Vec::new();
    if !answer.reasoning.is_empty() {
        let chunks = answer.chunks(&answer.reasoning).into_iter();
        let mut deltas: Vec<Value> =
            chunks.map(|text| json!({"type": "thinking_delta", "thinking": text})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
        blocks.push((json!({"type": "thinking", "thinking": "", "signature": ""}), deltas));
    }
    if !answer.text.is_empty() {
        let chunks = answer.chunks(&answer.text).into_iter();
        let deltas = chunks.map(|text| json!({"type": "text_delta", "text": text})).collect();
        blocks.push((json!({"type": "text", "text": ""}), deltas));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        let arguments = call.arguments_text();
        let chunks = answer.chunks(&arguments).into_iter();
        let deltas = chunks.map(|text| json!({"type": "input_json_delta", "partial_json": text})).collect();
        let id = id(call.id.as_deref(), number, index);
        blocks.push((json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}), deltas));
    }
    for (index, (block, deltas)) in blocks.into_iter().enumerate() {
        events.push(event("content_block_start", json!({"index": index, "content_block": block}), false));
        for delta in deltas {
            events.push(event("content_block_delta", json!({"index": index, "delta": delta}), true));
        }
        events.push(event("content_block_stop", json!({"index": index}), false));
    }
    let end = json!({"stop_reason": finish(answer), "stop_sequence": null});
    let output = answer.usage(prompt).output;
    events.push(event("message_delta", json!({"delta": end, "usage": {"output_tokens": output}}), false));
    events.push(event("message_stop", json!({}), false));
    events
}

fn envelope(prompt: &Prompt, number: u64) -> Value {
    json!({
        "id": format!("msg_stand_in_{number}"),
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    })
}

fn id(given: Option<&str>, number: u64, index: usize) -> String {
    given.map_or_else(|| format!("toolu_{number}_{index}"), Into::into)
}

fn finish(answer: &Answer) -> String {
    let usual = if answer.tool_calls.is_empty() { "end_turn" } else { "tool_use" };
    answer.finish.clone().unwrap_or_else(|| usual.into())
}

/// Returns the tokens. Those of the cache are no part of `input_tokens` in this protocol.
fn usage(answer: &Answer, prompt: &Prompt) -> Value {
    let usage = answer.usage(prompt);
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached + usage.cache_written),
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.cache_written,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn call(id: &str) -> Value {
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}}]})
    }

    fn result(id: &str) -> Value {
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "42"}]})
    }

    fn late_result(id: &str) -> Value {
        let result = json!({"type": "tool_result", "tool_use_id": id, "content": "42"});
        json!({"role": "user", "content": [{"type": "text", "text": "hi"}, result]})
    }

    #[rstest]
    #[case::answered(json!([call("a"), result("a")]), None)]
    #[case::unanswered(json!([call("a")]), Some("without `tool_result` blocks immediately after: a"))]
    #[case::result_after_text(json!([call("a"), late_result("a")]), Some("without `tool_result` blocks"))]
    #[case::orphan(json!([result("a")]), Some("unexpected `tool_use_id`"))]
    #[case::role(json!([{"role": "tool", "content": "x"}]), Some("messages.0.role"))]
    #[case::signature(
        json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "x"}]}]),
        Some("Invalid `signature`")
    )]
    #[case::empty_text(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}]), Some("non-empty"))]
    fn requests_are_checked(#[case] messages: Value, #[case] refusal: Option<&str>) {
        let found = prompt(&json!({"model": "m", "max_tokens": 9, "messages": messages})).err();
        match refusal {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().unwrap().contains(part), "{found:?}"),
        }
    }

    #[test]
    fn max_tokens_is_required() {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(prompt(&body).unwrap_err(), "max_tokens: Field required");
    }
}
