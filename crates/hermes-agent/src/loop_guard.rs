//! The guard against a model that repeats itself. It warns the model first, and then ends the turn.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::message::{ToolCall, ToolResult};

/// The number of identical calls in a row that warns.
const CALLS_WARN: u32 = 3;

/// The number of equal failures that warns.
const FAILURES_WARN: u32 = 2;

/// The number of either that ends the turn.
const STOP: u32 = 4;

/// The calls of a turn so far. A turn begins with a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoopGuard {
    /// The last call, as its name and its canonical arguments.
    last: Option<(String, String)>,
    /// The number of times that it was made in a row.
    repeats: u32,
    /// For each tool, the number of each failure since the tool last succeeded. The key is the hash of the output.
    failures: HashMap<String, HashMap<u64, u32>>,
}

/// The opinion of the guard about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No repetition.
    Fine,
    /// A text for the model, to be appended to the result.
    Warn(String),
    /// The turn ends. The text is a sentence for the user.
    Stop(String),
}

impl LoopGuard {
    /// Notes a call and its result.
    pub fn observe(&mut self, call: &ToolCall, result: &ToolResult) -> Verdict {
        let this = (call.name.clone(), canonical(&call.arguments));
        self.repeats = if self.last.as_ref() == Some(&this) { self.repeats.saturating_add(1) } else { 1 };
        self.last = Some(this);
        let failures = self.count_failure(&call.name, result);
        let name = &call.name;

        if self.repeats >= STOP {
            return Verdict::Stop(format!(
                "The turn was ended: the model called {name} {} times in a row with the same arguments.",
                self.repeats
            ));
        }
        if failures >= STOP {
            return Verdict::Stop(format!(
                "The turn was ended: {name} failed {failures} times with the same error."
            ));
        }
        if self.repeats >= CALLS_WARN {
            return Verdict::Warn(format!(
                "[warning] You called {name} {} times in a row with the same arguments. The next time ends the turn. Do \
                 something else, or tell the user what you need.",
                self.repeats
            ));
        }
        if failures >= FAILURES_WARN {
            return Verdict::Warn(format!(
                "[warning] {name} failed {failures} times with the same error. The failure number {STOP} ends the turn. Find \
                 the cause, do something else, or tell the user what you need."
            ));
        }
        Verdict::Fine
    }

    /// Returns the number of times that the tool failed like this since it last succeeded; 0 for a success.
    fn count_failure(&mut self, name: &str, result: &ToolResult) -> u32 {
        if !result.is_error {
            self.failures.remove(name);
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        result.content.hash(&mut hasher);
        let failures = self.failures.entry(name.to_owned()).or_default();
        let count = failures.entry(hasher.finish()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

/// Returns arguments in a form in which equal JSON values are equal texts. Invalid JSON stays as it is.
fn canonical(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string()
        }
        Err(_) => arguments.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Observes calls, each written as `name arguments result`; a result with `!` is a failure. Returns a letter for each verdict.
    fn verdicts(calls: &[&str]) -> String {
        let mut guard = LoopGuard::default();
        let verdict = |line: &&str| {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            let call = ToolCall {
                id: "1".to_owned(),
                name: words[0].to_owned(),
                arguments: words[1].to_owned(),
                extra: None,
            };
            let is_error = words[2].starts_with('!');
            let result = ToolResult { call_id: "1".to_owned(), content: words[2].to_owned(), is_error };
            match guard.observe(&call, &result) {
                Verdict::Fine => 'f',
                Verdict::Warn(text) => {
                    assert!(text.contains(words[0]) && text.starts_with("[warning] "), "{text}");
                    'w'
                }
                Verdict::Stop(text) => {
                    assert!(text.contains(words[0]), "{text}");
                    's'
                }
            }
        };
        calls.iter().map(verdict).collect()
    }

    #[rstest]
    #[case::four_identical_calls(&["read {} a", "read {} b", "read {} c", "read {} d"], "ffws")]
    #[case::the_order_of_keys_does_not_count(
        &[r#"t {"a":1,"b":{"c":2,"d":3}} x"#, r#"t {"b":{"d":3,"c":2},"a":1} x"#, r#"t {"b":{"c":2,"d":3},"a":1} x"#],
        "ffw"
    )]
    #[case::another_call_begins_anew(&["t {} x", "t {} x", "t [] x", "t {} x", "t {} x", "t {} x"], "fffffw")]
    #[case::another_tool_begins_anew(&["t {} x", "t {} x", "u {} x", "t {} x"], "ffff")]
    #[case::invalid_arguments_are_compared_as_text(&["t {x a", "t {x a", "t {x a", "t {y a"], "ffwf")]
    #[case::one_failure_with_other_arguments(&["t 1 !e", "t 2 !e", "t 3 !e", "t 4 !e"], "fwws")]
    #[case::other_failures(&["t 1 !e", "t 2 !f", "t 3 !g"], "fff")]
    #[case::failures_in_turns(&["t 1 !e", "u 1 !e", "t 2 !e", "u 2 !e", "t 3 !e", "u 3 !e", "t 4 !e"], "ffwwwws")]
    #[case::a_success_of_the_tool_forgets_its_failures(&["t 1 !e", "t 2 ok", "t 3 !e", "t 4 !e"], "fffw")]
    #[case::a_success_of_another_tool_does_not(&["t 1 !e", "u 1 ok", "t 2 !e", "u 2 ok", "t 3 !e", "t 4 !e"], "ffwfws")]
    #[case::one_failing_call(&["t 1 !e", "t 1 !e", "t 1 !e", "t 1 !e"], "fwws")]
    fn repetition_warns_and_then_stops(#[case] calls: &[&str], #[case] expected: &str) {
        assert_eq!(verdicts(calls), expected);
    }
}
