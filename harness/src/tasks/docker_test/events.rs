//! What the test binary says: libtest's JSON events on stdout, and what the suites' runner notes in a file: times (the
//! events have none, and in a parallel run the start is told at the end), and why a test was not run.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passed.
    Passed,
    /// It failed, and this is what it said.
    Failed(String),
    /// It did not run.
    Ignored,
}

/// A line of stdout.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A test ended.
    Ended(String, Verdict),
    /// The suite as a whole ended.
    Closed,
    /// An event that says nothing new.
    Noise,
    /// No event: something that was printed.
    Text(String),
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    stdout: String,
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Line {
    let Ok(event) = serde_json::from_str::<Event>(line) else {
        return Line::Text(line.to_owned());
    };
    match (event.kind.as_str(), event.event.as_str()) {
        ("test", "ok") => Line::Ended(event.name, Verdict::Passed),
        ("test", "failed") => Line::Ended(event.name, Verdict::Failed(message(&event.stdout))),
        ("test", "ignored") => Line::Ended(event.name, Verdict::Ignored),
        ("suite", "ok" | "failed") => Line::Closed,
        _ => Line::Noise,
    }
}

/// libtest-mimic wraps what a test said as `Error: "…"`.
fn message(stdout: &str) -> String {
    let text = stdout.trim_end_matches('\n');
    let inner = text.strip_prefix("Error: \"").and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// What the runner noted, by the test's name.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// How long it took: `took <microseconds> <name>`.
    pub(super) took: HashMap<String, Duration>,
    /// Why it was not run: `not-run <name> <reason>`.
    pub(super) not_run: HashMap<String, String>,
}

impl Notes {
    /// Reads the file; a line that is torn, or of another kind, is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut notes = Self::default();
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("took"), Some(micros), Some(name)) => {
                    if let Ok(micros) = micros.parse() {
                        notes.took.insert(name.to_owned(), Duration::from_micros(micros));
                    }
                }
                (Some("not-run"), Some(name), Some(reason)) => {
                    notes.not_run.insert(name.to_owned(), reason.to_owned());
                }
                _ => {}
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libtest_mimic_prints() {
        let line = r#"{ "type": "test", "name": "a::b", "event": "failed", "stdout": "Error: \"two\nlines \\u0041\"\n" }"#;
        assert_eq!(parse(line), Line::Ended("a::b".into(), Verdict::Failed("two\nlines \\u0041".into())));
        let line = r#"{ "type": "test", "name": "a::b", "event": "ok" }"#;
        assert_eq!(parse(line), Line::Ended("a::b".into(), Verdict::Passed));
        let line = r#"{ "type": "test", "event": "started", "name": "a::b" }"#;
        assert_eq!(parse(line), Line::Noise);
        let line = r#"{ "type": "suite", "event": "ok", "passed": 1, "failed": 0 }"#;
        assert_eq!(parse(line), Line::Closed);
    }

    #[test]
    fn what_is_no_event_is_text() {
        assert_eq!(parse("image under test: x"), Line::Text("image under test: x".into()));
        assert_eq!(parse("{}"), Line::Text("{}".into()));
    }

    #[test]
    fn notes_are_kept_by_name_and_a_torn_line_is_left_out() {
        let notes = Notes::parse("took 1500 a::b\ntook 2000000 c\nnot-run d::e there is no x\ntook 12");
        assert_eq!(notes.took["a::b"], Duration::from_micros(1500));
        assert_eq!(notes.took["c"], Duration::from_secs(2));
        assert_eq!(notes.took.len(), 2);
        assert_eq!(notes.not_run["d::e"], "there is no x");
    }
}
