//! The outcome of a command: its exit code and both streams, with assertions whose failure shows everything.

use std::fmt::Write as _;
use std::ops::Deref;
use std::time::Duration;

use predicates::Predicate;

use crate::container::Container;
use crate::error::seconds;

/// The end of a command that nobody has judged yet: say [`success`](Self::success), [`failure`](Self::failure) or
/// [`code`](Self::code), or read [`exit_code`](Output::exit_code) yourself.
#[derive(Debug)]
#[must_use = "say .success(), .failure() or .code(n): a command that nobody judges proves nothing"]
pub struct Outcome {
    output: Output,
    /// A container that only ran this command: kept until the outcome is judged, for the evidence.
    _container: Option<Container>,
}

/// Exit code and streams of a command.
#[derive(Debug, Clone)]
pub struct Output {
    pub(crate) argv: Vec<String>,
    pub(crate) user: String,
    pub(crate) container: String,
    pub(crate) code: i64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) took: Duration,
}

impl Outcome {
    pub(crate) fn new(output: Output, container: Option<Container>) -> Self {
        Self { output, _container: container }
    }

    /// Panics unless the exit code is 0.
    #[track_caller]
    pub fn success(self) -> Output {
        self.code(0)
    }

    /// Panics if the exit code is 0.
    #[track_caller]
    pub fn failure(self) -> Output {
        assert!(self.output.code != 0, "{}", self.output.report("an exit code other than 0"));
        self.output
    }

    /// Panics unless the exit code is `expected`.
    #[track_caller]
    pub fn code(self, expected: i64) -> Output {
        assert!(self.output.code == expected, "{}", self.output.report(&format!("exit code {expected}")));
        self.output
    }

    /// The output, whatever the exit code.
    pub fn either_way(self) -> Output {
        self.output
    }
}

impl Deref for Outcome {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.output
    }
}

impl Output {
    /// Exit code; 128 + N when signal N killed the command.
    pub fn exit_code(&self) -> i64 {
        self.code
    }

    /// Standard output as text (what is no UTF-8 replaced). With a TTY: everything that was shown.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text. Empty with a TTY.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output, byte for byte.
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// Standard error, byte for byte.
    pub fn stderr_bytes(&self) -> &[u8] {
        &self.stderr
    }

    /// Standard output without white space around it.
    pub fn text(&self) -> String {
        self.stdout().trim().to_owned()
    }

    /// How long the command took, as seen from here.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Panics unless standard output, without its last newline, is `expected`.
    #[track_caller]
    pub fn stdout_is(&self, expected: &str) -> &Self {
        let stdout = self.stdout();
        let seen = stdout.strip_suffix('\n').unwrap_or(&stdout);
        assert!(seen == expected, "{}", self.report(&format!("standard output {expected:?}")));
        self
    }

    /// Panics unless `predicate` holds for standard output, as in
    /// `.stdout_matches(predicates::str::contains("ready"))`.
    #[track_caller]
    pub fn stdout_matches(&self, predicate: impl Predicate<str>) -> &Self {
        assert!(predicate.eval(&self.stdout()), "{}", self.report(&format!("standard output: {predicate}")));
        self
    }

    /// Panics unless `predicate` holds for standard error.
    #[track_caller]
    pub fn stderr_matches(&self, predicate: impl Predicate<str>) -> &Self {
        assert!(predicate.eval(&self.stderr()), "{}", self.report(&format!("standard error: {predicate}")));
        self
    }

    /// Everything that is known about the command, under what was expected of it.
    pub fn report(&self, expected: &str) -> String {
        let mut text = format!("expected {expected}\n");
        let took = seconds(self.took);
        let _ = writeln!(text, "  command    {}", shell_words(&self.argv));
        let _ = writeln!(text, "  user       {}", self.user);
        let _ = writeln!(text, "  container  {}", self.container);
        let _ = writeln!(text, "  exit code  {} (after {took})", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if stream.is_empty() {
                let _ = writeln!(text, "  {name}     (empty)");
                continue;
            }
            let _ = writeln!(text, "  {name}");
            for line in String::from_utf8_lossy(stream).lines() {
                let _ = writeln!(text, "    | {line}");
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// An argument list as one would type it.
pub(crate) fn shell_words(argv: &[String]) -> String {
    argv.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output {
            argv: vec!["sh".into(), "-c".into(), "echo 'a b'; exit 3".into()],
            user: "app".into(),
            container: "c1".into(),
            code: 3,
            stdout: b"a b\n".to_vec(),
            stderr: Vec::new(),
            took: Duration::from_millis(12),
        }
    }

    #[test]
    fn a_failure_shows_command_user_code_and_both_streams() {
        assert_eq!(
            output().report("exit code 0"),
            "expected exit code 0\n\
             \x20 command    sh -c 'echo '\\''a b'\\''; exit 3'\n\
             \x20 user       app\n\
             \x20 container  c1\n\
             \x20 exit code  3 (after 12 ms)\n\
             \x20 stdout\n\
             \x20   | a b\n\
             \x20 stderr     (empty)"
        );
    }

    #[test]
    #[should_panic(expected = "expected exit code 0")]
    fn success_is_strict() {
        Outcome::new(output(), None).success();
    }

    #[test]
    #[should_panic(expected = "expected standard output \"a\"")]
    fn stdout_is_exact() {
        output().stdout_is("a");
    }

    #[test]
    fn what_holds_passes() {
        let output = Outcome::new(output(), None).code(3);
        output.stdout_is("a b").stdout_matches(predicates::str::starts_with("a"));
        assert_eq!(output.text(), "a b");
    }

    #[test]
    fn an_empty_argument_is_seen() {
        assert_eq!(shell_words(&["a".into(), String::new()]), "a ''");
    }
}
