//! What a person reads: a line for each test, and the summary.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::events::Verdict;
use super::run::{Outcome, TestResult};

/// How many of the slowest tests the summary names.
const SLOWEST: usize = 10;

/// Tells each test as it ends; on a terminal a bar below shows how far the run is.
#[derive(Debug)]
pub(super) struct Reporter {
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub(super) fn new(tests: usize) -> Self {
        println!("running {tests} tests");
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::try_from(tests).unwrap_or(u64::MAX));
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// A line that stays.
    pub(super) fn text(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    /// A test ended.
    pub(super) fn ended(&mut self, result: &TestResult) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.text(&line_of(result));
        if let Verdict::Failed(message) = &result.verdict {
            self.text(&indented(message));
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line_of(result: &TestResult) -> String {
    let word = match result.verdict {
        Verdict::Passed => "ok",
        Verdict::Failed(_) => "FAILED",
        Verdict::Ignored => "ignored",
    };
    let took = result.took.map_or_else(String::new, seconds);
    let reason = result.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("{word:<8}{took:>8}  {}{reason}", result.name)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// What is said at the end; its last line holds the counts.
pub(super) fn summary(outcome: &Outcome, image: Option<&str>) {
    let failed: Vec<_> = outcome.results.iter().filter_map(failure).collect();
    println!();
    if let Some(image) = image {
        println!("image under test: {image}");
    }
    print_slowest(&outcome.results);
    if !failed.is_empty() {
        println!("failed:");
        for (name, evidence) in &failed {
            println!("  {name}");
            println!("    {}", evidence.unwrap_or("(no evidence was kept)"));
        }
    }
    if outcome.interrupted {
        println!("interrupted");
    }
    let count = |wanted: fn(&Verdict) -> bool| {
        outcome.results.iter().filter(|result| wanted(&result.verdict)).count()
    };
    println!("took {}", seconds(outcome.took));
    println!(
        "{} passed, {} failed, {} skipped",
        count(|verdict| *verdict == Verdict::Passed),
        failed.len(),
        count(|verdict| *verdict == Verdict::Ignored)
    );
}

fn print_slowest(results: &[TestResult]) {
    let mut timed: Vec<_> = results.iter().filter_map(|result| Some((result.took?, &result.name))).collect();
    if timed.len() < 2 {
        return;
    }
    timed.sort_by(|one, other| other.cmp(one));
    println!("slowest:");
    for (took, name) in timed.iter().take(SLOWEST) {
        println!("  {:>8}  {name}", seconds(*took));
    }
}

/// The name of a failed test and the line of its message that says where the evidence lies.
fn failure(result: &TestResult) -> Option<(&str, Option<&str>)> {
    let Verdict::Failed(message) = &result.verdict else { return None };
    Some((&result.name, message.lines().map(str::trim).find(|line| line.starts_with("evidence: "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_verdict_time_and_name() {
        let result = TestResult {
            name: "a::b".into(),
            verdict: Verdict::Passed,
            took: Some(Duration::from_millis(1234)),
            reason: None,
        };
        assert_eq!(line_of(&result), "ok        1.23 s  a::b");
    }

    #[test]
    fn what_was_ignored_says_why() {
        let result = TestResult {
            name: "a::b".into(),
            verdict: Verdict::Ignored,
            took: None,
            reason: Some("no Docker".into()),
        };
        assert_eq!(line_of(&result), "ignored           a::b (no Docker)");
    }

    #[test]
    fn the_evidence_is_found_in_the_message() {
        let result = TestResult {
            name: "a::b".into(),
            verdict: Verdict::Failed("went wrong\n\nevidence: /x/a.b (kept)".into()),
            took: None,
            reason: None,
        };
        assert_eq!(failure(&result), Some(("a::b", Some("evidence: /x/a.b (kept)"))));
    }
}
