//! Reports a run to a person as it goes: a line for each test, and the summary. A file has the same as JUnit XML.
//!
//! libtest-mimic chooses and runs the tests. Its own output is switched off, since it has neither times nor reasons.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::junit;

/// The number of tests that the list of the slowest has.
const SLOWEST: usize = 10;

/// The end of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passed.
    Passed,
    /// It failed with this message.
    Failed(String),
    /// It did not run, for this reason.
    Ignored(String),
}

/// A test that ended.
#[derive(Debug)]
pub(super) struct TestResult {
    /// `module::function`, or `module::function::case`.
    pub(super) name: String,
    /// Its end.
    pub(super) verdict: Verdict,
    /// Its own time, without the wait for its keys. `None` if it did not run.
    pub(super) took: Option<Duration>,
}

/// The report of one run.
#[derive(Debug)]
pub(super) struct Report {
    image: Option<&'static str>,
    junit: Option<PathBuf>,
    started: Instant,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order in which the tests ended.
    results: Vec<TestResult>,
    is_finished: bool,
}

impl Report {
    /// Begins the report of so many tests. On a terminal a bar shows the progress.
    pub(super) fn begin(tests: usize, image: Option<&'static str>, junit: Option<PathBuf>) -> Self {
        println!("running {tests} tests");
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::try_from(tests).unwrap_or(u64::MAX));
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { image, junit, started: Instant::now(), bar, state: Mutex::default() }
    }

    /// Tells the end of a test.
    pub(super) fn ended(&self, result: TestResult) {
        let mut state = self.state();
        // A test that ends while the process is being interrupted is in no summary.
        if state.is_finished {
            return;
        }
        self.text(&line_of(&result));
        if let Verdict::Failed(message) = &result.verdict {
            self.text(&indented(message));
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        state.results.push(result);
    }

    /// Prints the summary, whose last line has the counts, and writes the JUnit file.
    pub(super) fn finish(&self, interrupted: bool) -> std::io::Result<()> {
        let mut state = self.state();
        state.is_finished = true;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = self.started.elapsed();
        print_summary(&state.results, took, self.image, interrupted);
        match &self.junit {
            Some(file) => junit::write(file, &state.results, took),
            None => Ok(()),
        }
    }

    /// Prints a line above the bar.
    fn text(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line_of(result: &TestResult) -> String {
    let word = match result.verdict {
        Verdict::Passed => "ok",
        Verdict::Failed(_) => "FAILED",
        Verdict::Ignored(_) => "ignored",
    };
    let took = result.took.map_or_else(String::new, seconds);
    let reason = match &result.verdict {
        Verdict::Ignored(reason) => format!(" ({})", reason.replace('\n', " ")),
        _ => String::new(),
    };
    format!("{word:<8}{took:>8}  {}{reason}", result.name)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn print_summary(results: &[TestResult], took: Duration, image: Option<&str>, interrupted: bool) {
    let failed: Vec<_> = results.iter().filter_map(failure).collect();
    println!();
    if let Some(image) = image {
        println!("image under test: {image}");
    }
    print_slowest(results);
    if !failed.is_empty() {
        println!("failed:");
        for (name, evidence) in &failed {
            println!("  {name}");
            println!("    {}", evidence.unwrap_or("(no evidence was kept)"));
        }
    }
    if interrupted {
        println!("interrupted");
    }
    let count =
        |wanted: fn(&Verdict) -> bool| results.iter().filter(|result| wanted(&result.verdict)).count();
    println!("took {}", seconds(took));
    println!(
        "{} passed, {} failed, {} skipped",
        count(|verdict| matches!(verdict, Verdict::Passed)),
        failed.len(),
        count(|verdict| matches!(verdict, Verdict::Ignored(_)))
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

/// Returns the name of a failed test, and the line of its message that names the folder of the evidence.
fn failure(result: &TestResult) -> Option<(&str, Option<&str>)> {
    let Verdict::Failed(message) = &result.verdict else { return None };
    Some((&result.name, message.lines().map(str::trim).find(|line| line.starts_with("evidence: "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_verdict_time_and_name() {
        let took = Some(Duration::from_millis(1234));
        let result = TestResult { name: "a::b".into(), verdict: Verdict::Passed, took };
        assert_eq!(line_of(&result), "ok        1.23 s  a::b");
    }

    #[test]
    fn an_ignored_test_shows_the_reason() {
        let verdict = Verdict::Ignored("no Docker".into());
        let result = TestResult { name: "a::b".into(), verdict, took: None };
        assert_eq!(line_of(&result), "ignored           a::b (no Docker)");
    }

    #[test]
    fn the_summary_finds_the_evidence_in_the_message() {
        let verdict = Verdict::Failed("went wrong\n\nevidence: /x/a.b (kept)".into());
        let result = TestResult { name: "a::b".into(), verdict, took: None };
        assert_eq!(failure(&result), Some(("a::b", Some("evidence: /x/a.b (kept)"))));
    }
}
