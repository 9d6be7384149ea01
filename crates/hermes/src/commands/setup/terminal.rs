//! Questions on a terminal.

use std::io::{self, BufRead as _, Read};
use std::os::fd::{AsFd, OwnedFd};

use hermes_operations::{Report, ReportKind};
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use crate::output::{self, note};

/// The side of a person.
pub(crate) trait Terminal {
    /// Asks, and returns the line without spaces around it. `None` at the end of the input.
    ///
    /// # Errors
    /// The terminal cannot be read.
    fn ask(&mut self, question: &str) -> Result<Option<String>, Report>;

    /// Asks for a secret: the terminal does not show it.
    ///
    /// # Errors
    /// The terminal cannot be read.
    fn ask_hidden(&mut self, question: &str) -> Result<Hidden, Report>;

    /// Prints a line.
    fn say(&mut self, line: &str);
}

/// A hidden answer.
pub(crate) enum Hidden {
    /// The line.
    Text(String),
    /// The person leaves: Ctrl+C, Ctrl+D.
    End,
}

/// The terminal of this process: questions on standard error, answers from standard input.
pub(crate) struct Console;

impl Terminal for Console {
    fn ask(&mut self, question: &str) -> Result<Option<String>, Report> {
        output::prompt(question);
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        if read == 0 {
            note!("");
            return Ok(None);
        }
        Ok(Some(line.trim().to_owned()))
    }

    fn ask_hidden(&mut self, question: &str) -> Result<Hidden, Report> {
        let echo = EchoOff::of(io::stdin()).map_err(unreadable)?;
        output::prompt(question);
        let answer = read_hidden(io::stdin().lock()).map_err(unreadable);
        drop(echo);
        note!("");
        answer
    }

    fn say(&mut self, line: &str) {
        note!("{line}");
    }
}

fn unreadable(error: io::Error) -> Report {
    Report::new(ReportKind::Failed, "failed to read the answer").caused_by(error)
}

/// Reads a line key by key: the terminal does no editing.
#[expect(clippy::unbuffered_bytes, reason = "a buffer would take the keys that belong to the next question")]
fn read_hidden(from: impl Read) -> io::Result<Hidden> {
    let mut line = Vec::new();
    for byte in from.bytes() {
        match byte? {
            b'\n' | b'\r' => return Ok(Hidden::Text(String::from_utf8_lossy(&line).into_owned())),
            // Ctrl+C, and Ctrl+D.
            3 | 4 => return Ok(Hidden::End),
            // Backspace, in both forms.
            8 | 127 => drop(line.pop()),
            // Ctrl+U.
            21 => line.clear(),
            byte => line.push(byte),
        }
    }
    Ok(Hidden::End)
}

/// Shows no key until it is dropped, and raises no signal: a process that ends here would leave the terminal silent.
struct EchoOff {
    terminal: OwnedFd,
    before: Termios,
}

impl EchoOff {
    fn of(terminal: impl AsFd) -> io::Result<Self> {
        let before = termios::tcgetattr(&terminal)?;
        let mut mode = before.clone();
        mode.local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(&terminal, OptionalActions::Now, &mode)?;
        Ok(Self { terminal: terminal.as_fd().try_clone_to_owned()?, before })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // A terminal that went away needs no mode.
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[rstest]
    #[case(b"sk-1\rrest", Some("sk-1"))]
    #[case(b"sk-2\x7f1\n", Some("sk-1"))]
    #[case(b"wrong\x15sk-1\n", Some("sk-1"))]
    #[case(b"\n", Some(""))]
    #[case(b"sk\x03", None)]
    #[case(b"\x04", None)]
    #[case(b"sk", None)]
    fn hidden_line_is_edited_by_its_keys(#[case] keys: &[u8], #[case] expected: Option<&str>) {
        let found = match read_hidden(keys).unwrap() {
            Hidden::Text(text) => Some(text),
            Hidden::End => None,
        };
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn terminal_shows_keys_again_after_the_secret() {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let modes = || termios::tcgetattr(&program).unwrap().local_modes;
        let before = modes();
        let echo = EchoOff::of(&program).unwrap();
        assert!(before.contains(LocalModes::ECHO | LocalModes::ISIG));
        assert!(!modes().intersects(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON));
        drop(echo);
        assert_eq!(modes(), before);
    }
}
