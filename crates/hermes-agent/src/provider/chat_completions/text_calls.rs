//! Tool calls that a model writes as text: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`.
//!
//! Local servers without a parser for their model send them. A setting turns this on, for local servers only: in a text from
//! elsewhere, such a call may be a quotation.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::new_id;
use crate::message::ToolCall;

const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

/// Shows the text before the first call, and holds back the rest.
#[derive(Debug, Default)]
pub(super) struct Gate {
    held: String,
    closed: bool,
}

impl Gate {
    /// Takes a text and returns the part that can be shown now.
    pub(super) fn push(&mut self, text: &str) -> Option<String> {
        self.held.push_str(text);
        if self.closed {
            return None;
        }
        let end = match self.held.find(BEGIN) {
            Some(begin) => {
                self.closed = true;
                begin
            }
            None => self.held.len() - beginning_of_call(&self.held),
        };
        let rest = self.held.split_off(end);
        let shown = std::mem::replace(&mut self.held, rest);
        (!shown.is_empty()).then_some(shown)
    }

    /// Returns the text that was held back.
    pub(super) fn rest(self) -> Option<String> {
        (!self.held.is_empty()).then_some(self.held)
    }
}

/// Returns the length of the end of a text that may begin a call.
fn beginning_of_call(text: &str) -> usize {
    (1..BEGIN.len()).rev().find(|&length| text.ends_with(&BEGIN[..length])).unwrap_or(0)
}

#[derive(Deserialize)]
struct Written<'a> {
    name: String,
    #[serde(borrow, alias = "parameters")]
    arguments: Option<&'a RawValue>,
}

/// Returns the text without its calls, and the calls. A call that cannot be read stays text. The last one may lack its end.
pub(super) fn split(text: &str) -> (String, Vec<ToolCall>) {
    let mut plain = String::new();
    let mut calls = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (inner, following) = after.split_once(END).unwrap_or((after, ""));
        plain.push_str(before);
        match serde_json::from_str::<Written<'_>>(inner.trim()) {
            Ok(call) => calls.push(ToolCall {
                id: new_id(),
                name: call.name,
                arguments: call.arguments.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
                extra: None,
            }),
            Err(_) => plain.push_str(&rest[before.len()..rest.len() - following.len()]),
        }
        rest = following;
    }
    plain.push_str(rest);
    let plain = if calls.is_empty() { plain } else { plain.trim().to_owned() };
    (plain, calls)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("hello", "hello", &[])]
    #[case("a\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>", "a", &[("f", "{\"x\": 1}")])]
    #[case("<tool_call>{\"name\":\"f\"}</tool_call><tool_call>{\"name\":\"g\"}", "", &[("f", "{}"), ("g", "{}")])]
    #[case("<tool_call>no</tool_call> b", "<tool_call>no</tool_call> b", &[])]
    #[case("<tool_call>", "<tool_call>", &[])]
    fn calls_in_text_are_found(#[case] text: &str, #[case] plain: &str, #[case] expected: &[(&str, &str)]) {
        let (found, calls) = split(text);
        assert_eq!(found, plain);
        let calls: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
        assert_eq!(calls, expected);
    }

    proptest! {
        #[test]
        fn the_gate_loses_no_text(pieces in prop::collection::vec("[<tool_ca>é]{0,6}|<tool_call>", 0..8)) {
            let mut gate = Gate::default();
            let mut shown: String = pieces.iter().filter_map(|piece| gate.push(piece)).collect();
            prop_assert!(!shown.contains(BEGIN));
            shown.extend(gate.rest());
            prop_assert_eq!(shown, pieces.concat());
        }
    }
}
