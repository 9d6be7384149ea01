//! The protocol Chat Completions of OpenAI, as most model servers speak it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::answer::{Answer, Event};
use crate::prompt::{Line, Prompt, text_of};

/// Reads a request. An error is a message for the client.
pub(crate) fn prompt(body: &Value) -> Result<Prompt, String> {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("'messages' must be an array with at least one message.")?;
    let model = body["model"].as_str().ok_or("you must provide a model parameter")?;
    check_calls(messages)?;
    let is_system = |role: &str| role == "system" || role == "developer";
    let lines = messages.iter().map(|message| {
        let role = message["role"].as_str().unwrap_or_default();
        let text = text_of(&message["content"]);
        match role {
            "tool" => Line { role: role.into(), text: String::new(), results: vec![text] },
            _ => Line { role: role.into(), text, results: Vec::new() },
        }
    });
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Prompt {
        model: model.into(),
        messages: lines.filter(|line| !is_system(&line.role)).collect(),
        tools: tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).map(Into::into).collect(),
        is_streamed: body["stream"] == true,
        wants_usage: body["stream_options"]["include_usage"] == true,
        has_stream_options: !body["stream_options"].is_null(),
        bytes: body["messages"].to_string().len() + body["tools"].to_string().len(),
    })
}

/// Checks that the results of tool calls follow the message with the calls, in any order, and belong to them.
fn check_calls(messages: &[Value]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().ok_or(format!("messages[{index}] has no role."))?;
        if role == "tool" {
            let id =
                message["tool_call_id"].as_str().ok_or(format!("messages[{index}] has no tool_call_id."))?;
            let place = open.iter().position(|open| *open == id).ok_or(format!(
                "messages with role 'tool' must be a response to a preceding message with 'tool_calls': \
                 messages[{index}] has tool_call_id {id:?}."
            ))?;
            open.remove(place);
            continue;
        }
        if !open.is_empty() {
            return Err(unanswered(&open));
        }
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        open = calls.iter().filter_map(|call| call["id"].as_str()).collect();
        if open.len() < calls.len() {
            return Err(format!("a tool call of messages[{index}] has no id."));
        }
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open)) }
}

fn unanswered(ids: &[&str]) -> String {
    format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    )
}

/// Returns the answer as one object.
pub(crate) fn whole(answer: &Answer, prompt: &Prompt, number: u64) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text});
    if answer.text.is_empty() && !answer.tool_calls.is_empty() {
        message["content"] = Value::Null;
    }
    if !answer.reasoning.is_empty() {
        message["reasoning_content"] = answer.reasoning.as_str().into();
    }
    let calls = answer.tool_calls.iter().enumerate().map(|(index, call)| {
        let function = json!({"name": call.name, "arguments": call.arguments_text()});
        json!({"id": id(call.id.as_deref(), number, index), "type": "function", "function": function})
    });
    let calls: Vec<Value> = calls.collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let mut body = envelope("chat.completion", prompt, number);
    body["choices"] = json!([{"index": 0, "message": message, "finish_reason": finish(answer)}]);
    body["usage"] = usage(answer, prompt);
    body
}

/// Returns the answer as the events of a stream, the last one is `[DONE]`.
pub(crate) fn events(answer: &Answer, prompt: &Prompt, number: u64) -> Vec<Event> {
    let chunk = |delta: Value, finish: Option<String>, is_output: bool| {
        let mut body = envelope("chat.completion.chunk", prompt, number);
        body["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        Event { name: None, data: body.to_string(), is_output }
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None, false)];
    for text in answer.chunks(&answer.reasoning) {
        events.push(chunk(json!({"reasoning_content": text}), None, true));
    }
    for text in answer.chunks(&answer.text) {
        events.push(chunk(json!({"content": text}), None, true));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        let id = id(call.id.as_deref(), number, index);
        let function = json!({"name": call.name, "arguments": ""});
        let begin = json!({"index": index, "id": id, "type": "function", "function": function});
        events.push(chunk(json!({"tool_calls": [begin]}), None, true));
        for text in answer.chunks(&call.arguments_text()) {
            let more = json!({"index": index, "function": {"arguments": text}});
            events.push(chunk(json!({"tool_calls": [more]}), None, true));
        }
    }
    events.push(chunk(json!({}), Some(finish(answer)), false));
    if prompt.wants_usage {
        let mut body = envelope("chat.completion.chunk", prompt, number);
        body["choices"] = json!([]);
        body["usage"] = usage(answer, prompt);
        events.push(Event { name: None, data: body.to_string(), is_output: false });
    }
    events.push(Event { name: None, data: "[DONE]".into(), is_output: false });
    events
}

fn envelope(object: &str, prompt: &Prompt, number: u64) -> Value {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "id": format!("chatcmpl-stand-in-{number}"),
        "object": object,
        "created": created,
        "model": prompt.model,
    })
}

fn id(given: Option<&str>, number: u64, index: usize) -> String {
    given.map_or_else(|| format!("call_{number}_{index}"), Into::into)
}

fn finish(answer: &Answer) -> String {
    let usual = if answer.tool_calls.is_empty() { "stop" } else { "tool_calls" };
    answer.finish.clone().unwrap_or_else(|| usual.into())
}

fn usage(answer: &Answer, prompt: &Prompt) -> Value {
    let usage = answer.usage(prompt);
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn call(id: &str) -> Value {
        json!({"role": "assistant", "tool_calls": [{"id": id, "function": {"name": "f", "arguments": "{}"}}]})
    }

    fn result(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": "42"})
    }

    #[rstest]
    #[case::answered(json!([call("a"), result("a")]), None)]
    #[case::unanswered(json!([call("a")]), Some("did not have response messages: a"))]
    #[case::interrupted(json!([call("a"), {"role": "user", "content": "hi"}]), Some("did not have response"))]
    #[case::orphan(json!([result("a")]), Some("must be a response to a preceding message"))]
    #[case::twice(json!([call("a"), result("a"), result("a")]), Some("must be a response"))]
    #[case::empty(json!([]), Some("at least one message"))]
    fn each_tool_call_needs_its_result(#[case] messages: Value, #[case] refusal: Option<&str>) {
        let found = prompt(&json!({"model": "m", "messages": messages})).err();
        match refusal {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().unwrap().contains(part), "{found:?}"),
        }
    }

    #[test]
    fn system_messages_are_not_counted() {
        let messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        let prompt = prompt(&json!({"model": "m", "messages": messages})).unwrap();
        assert_eq!((prompt.messages.len(), prompt.last_of_user()), (1, "hi"));
    }
}
