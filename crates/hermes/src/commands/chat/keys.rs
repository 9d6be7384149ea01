//! The keys that a person presses while an answer comes. Enter sends a line to the running turn. The rest begins the next message.
//!
//! The keys must not appear inside of the answer. So the terminal does not show them, and this module edits the line.

mod line;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::termios::{self, InputModes, LocalModes, OptionalActions, Termios};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use line::TypedLine;

/// The keys of a terminal until it is dropped. Ctrl+C still raises SIGINT.
#[derive(Debug)]
pub(crate) struct Keys {
    terminal: AsyncFd<OwnedFd>,
    before: Termios,
    line: TypedLine,
}

impl Keys {
    /// Begins to take the keys of `terminal`, behind the text `begun`. Returns `None` if it is no terminal. Call it in the runtime.
    ///
    /// # Errors
    /// Fails if the mode of the terminal cannot be changed, or if the runtime cannot wait for it.
    pub(crate) fn of(terminal: impl AsFd, begun: &str) -> io::Result<Option<Self>> {
        if !termios::isatty(&terminal) {
            return Ok(None);
        }
        let terminal = registered(terminal.as_fd().try_clone_to_owned()?)?;
        let before = termios::tcgetattr(terminal.get_ref())?;
        let mut mode = before.clone();
        mode.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON);
        mode.input_modes.remove(InputModes::ICRNL);
        termios::tcsetattr(terminal.get_ref(), OptionalActions::Now, &mode)?;
        Ok(Some(Self { terminal, before, line: TypedLine::begun(begun) }))
    }

    /// Waits until the person ends a text with Enter, and returns it. The lines of a paste are one text. It may be dropped at any time.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            // A terminal that went away has no keys.
            let Ok(mut ready) = self.terminal.readable().await else { return std::future::pending().await };
            let text = read_all(self.terminal.get_ref(), &mut self.line);
            ready.clear_ready();
            if let Some(text) = text {
                return text;
            }
        }
    }

    /// Ends the taking of keys. Returns the texts that Enter ended, if there are any, and the text behind them.
    pub(crate) fn end(mut self) -> (Option<String>, String) {
        let ended = read_all(self.terminal.get_ref(), &mut self.line);
        (ended, self.line.take_rest())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // `Now` keeps the keys. A terminal that went away needs no mode.
        let _ = termios::tcsetattr(self.terminal.get_ref(), OptionalActions::Now, &self.before);
    }
}

#[expect(unsafe_code, reason = "the runtime waits for the terminal by its number")]
fn registered(terminal: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned. So its number stays the same, and it stays open until the value is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(terminal, Interest::READABLE) }?)
}

/// Reads the keys that are there. Returns the text that Enter ended.
fn read_all(terminal: &OwnedFd, line: &mut TypedLine) -> Option<String> {
    let mut bytes = [0; 1024];
    while is_readable(terminal) {
        match rustix::io::read(terminal, &mut bytes) {
            Ok(count) if count > 0 => line.push(&bytes[..count]),
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => break,
        }
    }
    line.take_ended()
}

fn is_readable(terminal: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(terminal, PollFlags::IN)];
    let found = rustix::event::poll(&mut polled, Some(&Timespec::default()));
    found.is_ok_and(|count| count > 0) && polled[0].revents().contains(PollFlags::IN)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// Returns both sides of a terminal: of the person and of the program.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).expect("granted");
        unlockpt(&person).expect("unlocked");
        let name = ptsname(&person, Vec::new()).expect("a name");
        let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opened");
        (person, program)
    }

    /// Reads until `length` bytes came. Returns less after five seconds.
    fn read(from: &OwnedFd, length: usize) -> String {
        let limit = Timespec::try_from(Duration::from_secs(5)).expect("a short time");
        let mut bytes = Vec::new();
        let is_ready = || {
            let mut polled = [PollFd::new(from, PollFlags::IN)];
            rustix::event::poll(&mut polled, Some(&limit)).expect("polled") > 0
        };
        while bytes.len() < length && is_ready() {
            let mut part = [0; 64];
            let count = rustix::io::read(from, &mut part).expect("read");
            bytes.extend_from_slice(&part[..count]);
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[tokio::test]
    async fn keys_are_hidden_and_enter_sends_them() {
        let (person, program) = terminal();
        let before = termios::tcgetattr(&program).expect("a mode");
        let mut keys = Keys::of(&program, "").expect("changed").expect("a terminal");
        rustix::io::write(&person, b"also milk\rand").expect("typed");
        assert_eq!(keys.next().await, "also milk");
        rustix::io::write(&person, b" bread\rthen").expect("typed");
        assert_eq!(keys.next().await, "and bread");
        assert_eq!(keys.end(), (None, "then".to_owned()));
        let after = termios::tcgetattr(&program).expect("a mode");
        assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
        rustix::io::write(&program, b"answer").expect("written");
        assert_eq!(read(&person, 6), "answer", "the keys are not shown");
    }

    #[tokio::test]
    async fn a_file_is_left_alone() {
        let file = File::open("/dev/null").expect("opened");
        assert!(Keys::of(&file, "").expect("no terminal").is_none());
    }
}
