//! Everything that `hermes` prints goes through here.
//!
//! On a terminal, text that others wrote loses its control characters: a log or a state file could otherwise move the cursor, set the
//! title, or forge lines. Pipes and files get the bytes as they are. `--json` keeps every value: a terminal gets its escaped form. A reader that went away is no failure; a
//! device that is full is one, and the exit code tells ([`finish`]). Nothing here panics, as `println!` does.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use hermes_os::printable::printable;

use hermes_operations::{Progress, Report, ReportKind};

use crate::exit_code::Print as _;

/// Prints one line on standard output. A newline in it is part of a value, and a terminal shows it as a sign.
macro_rules! say {
    () => { $crate::output::print_line(format_args!("")) };
    ($($argument:tt)*) => { $crate::output::print_line(format_args!($($argument)*)) };
}

/// Prints one line on standard error.
macro_rules! note {
    ($($argument:tt)*) => { $crate::output::print_note(format_args!($($argument)*)) };
}

pub(crate) use {note, say};

/// Prints the lines of an operation.
pub(crate) struct Printer;

impl Progress for Printer {
    fn say(&self, line: &str) {
        say!("{line}");
    }

    fn note(&self, line: &str) {
        note!("{line}");
    }

    fn failed(&self, report: &Report) {
        report.print();
    }
}

/// The first reason why standard output could not be written.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Prints one line. Behind [`say`].
pub(crate) fn print_line(text: fmt::Arguments<'_>) {
    let stdout = io::stdout();
    write(&stdout, &shown(&text.to_string(), stdout.is_terminal()));
}

/// Prints one line on standard error. Behind [`note`]. Nobody can be told that it failed.
pub(crate) fn print_note(text: fmt::Arguments<'_>) {
    let stderr = io::stderr();
    let _ = stderr.lock().write_all(shown(&text.to_string(), stderr.is_terminal()).as_bytes());
}

/// Asks a question on standard error, without a newline behind it.
pub(crate) fn prompt(text: &str) {
    let _ = io::stderr().lock().write_all(printable(text.as_bytes()).as_bytes());
}

/// Prints an object for a program.
pub(crate) fn json(value: &impl serde::Serialize) {
    let stdout = io::stdout();
    let json = serde_json::json!(value).to_string();
    write(&stdout, &(if stdout.is_terminal() { escaped(&json) } else { json } + "\n"));
}

/// Prints lines of JSON for a program, as they come.
pub(crate) fn json_lines(lines: &str) {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    // A line ends at a newline: no value holds one.
    for line in lines.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        write(&stdout, &if is_terminal { escaped(text) } else { text.to_owned() });
        write(&stdout, &line[text.len()..]);
    }
    flush(&stdout);
}

/// Prints a part of an answer, and shows it at once. The caller made it safe for a terminal, if standard output is one.
pub(crate) fn answer(text: &str) {
    let stdout = io::stdout();
    write(&stdout, text);
    flush(&stdout);
}

/// Prints a text about an answer on standard error. The caller made it safe for a terminal. Nobody can be told that it failed.
pub(crate) fn remark(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes what a terminal would obey as `\uXXXX`: JSON gives it the same value. Such a character stands in strings only.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        let mut bytes = [0; 4];
        let is_obeyed = printable(character.encode_utf8(&mut bytes).as_bytes()) != character.to_string();
        if is_obeyed {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Prints a text of many lines. A terminal shows each line as [`say`] does.
pub(crate) fn text(bytes: &[u8]) {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return write_bytes(&stdout, bytes);
    }
    write_bytes(&stdout, Cleaned::new(Vec::new()).all(bytes).as_slice());
}

/// Returns the exit code of a program that would have ended with `code`: a full device is a failure.
///
/// # Errors
/// Standard output could not be written, and its reader is there.
pub(crate) fn finish() -> Result<(), Report> {
    if let Err(error) = io::stdout().lock().flush() {
        let _ = FAILED.set(error);
    }
    match FAILED.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot_print(error)),
        _ => Ok(()),
    }
}

/// The failure of a command whose output has no room.
pub(crate) fn cannot_print(error: &io::Error) -> Report {
    Report::new(ReportKind::CannotWrite, "failed to write the output")
        .because(error)
        .hint("make room where standard output goes, and run the command again")
}

fn shown(text: &str, on_terminal: bool) -> String {
    let mut shown = if on_terminal { printable(text.as_bytes()) } else { text.to_owned() };
    shown.push('\n');
    shown
}

fn write(stdout: &io::Stdout, text: &str) {
    write_bytes(stdout, text.as_bytes());
}

/// Writes the text that waits for its newline.
fn flush(stdout: &io::Stdout) {
    if FAILED.get().is_none()
        && let Err(error) = stdout.lock().flush()
    {
        let _ = FAILED.set(error);
    }
}

/// Writes nothing after a failure: the text would have a hole.
fn write_bytes(stdout: &io::Stdout, bytes: &[u8]) {
    if FAILED.get().is_none()
        && let Err(error) = stdout.lock().write_all(bytes)
    {
        let _ = FAILED.set(error);
    }
}

/// A writer that cleans each line for a terminal.
pub(crate) struct Cleaned<W> {
    inner: W,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

/// The longest line that is held back until its end comes, in bytes.
const LINE_MAX: usize = 64 * 1024;

impl<W: Write> Cleaned<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, line: Vec::new() }
    }

    fn put_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.inner.write_all(printable(&line).as_bytes())
    }
}

impl<W: AsFd> AsFd for Cleaned<W> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Standard output for a text of many lines that somebody else writes.
pub(crate) enum Document {
    /// A terminal.
    Cleaned(Cleaned<io::StdoutLock<'static>>),
    /// A pipe or a file.
    AsItIs(io::StdoutLock<'static>),
}

/// Returns standard output for a text of many lines.
pub(crate) fn document() -> Document {
    let stdout = io::stdout().lock();
    if stdout.is_terminal() { Document::Cleaned(Cleaned::new(stdout)) } else { Document::AsItIs(stdout) }
}

impl Write for Document {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Cleaned(stdout) => stdout.write(bytes),
            Self::AsItIs(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Cleaned(stdout) => stdout.flush(),
            Self::AsItIs(stdout) => stdout.flush(),
        }
    }
}

impl AsFd for Document {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Cleaned(stdout) => stdout.as_fd(),
            Self::AsItIs(stdout) => stdout.as_fd(),
        }
    }
}

impl Cleaned<Vec<u8>> {
    fn all(mut self, bytes: &[u8]) -> Vec<u8> {
        // A vector takes everything.
        let _ = self.write_all(bytes).and_then(|()| self.flush());
        self.inner
    }
}

impl<W: Write> Write for Cleaned<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            match part.split_last() {
                Some((b'\n', rest)) => {
                    self.line.extend_from_slice(rest);
                    self.put_line()?;
                    self.inner.write_all(b"\n")?;
                }
                _ => self.line.extend_from_slice(part),
            }
            if self.line.len() > LINE_MAX {
                self.put_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put_line()?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_on_a_terminal_keeps_each_value_without_control_characters(value: String) {
            let json = escaped(&serde_json::json!({ "value": &value }).to_string());
            prop_assert_eq!(printable(json.as_bytes()), json.clone());
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).unwrap()["value"], &value);
        }

        #[test]
        fn a_text_on_a_terminal_has_no_control_character_but_newline(bytes: Vec<u8>) {
            let text = String::from_utf8(Cleaned::new(Vec::new()).all(&bytes)).unwrap();
            let is_ours = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
            prop_assert!(text.chars().all(is_ours), "{:?}", text);
        }
    }

    #[test]
    fn json_escapes_what_a_terminal_obeys() {
        assert_eq!(
            escaped("{\"a\":\"x\u{9b}31m\u{202e}\u{7f}ä\"}"),
            "{\"a\":\"x\\u009b31m\\u202e\\u007fä\"}"
        );
    }

    #[test]
    fn a_value_forges_no_line_on_a_terminal_and_a_pipe_gets_its_bytes() {
        assert_eq!(shown("reason: \x1b[2Jx\ny", true), "reason: x␊y\n");
        assert_eq!(shown("reason: \x1b[2Jx\ny", false), "reason: \x1b[2Jx\ny\n");
    }

    #[test]
    fn a_text_keeps_its_lines_and_loses_its_control_characters() {
        let cleaned = Cleaned::new(Vec::new()).all(b"a\x1b]0;t\x07b\nc\x9bd\nend");
        assert_eq!(String::from_utf8(cleaned).unwrap(), "ab\nc\u{fffd}d\nend");
    }
}
