//! The keys that a person presses while an answer comes. They must not appear inside of it, and the editor gets them afterwards.
//!
//! Between two reads of the editor, the terminal is in its usual mode: it shows each key, and turns Enter into the character of Ctrl+J.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{self, InputModes, LocalModes, OptionalActions, Termios};

/// Keeps the keys back until it is dropped. Ctrl+C still raises SIGINT.
#[derive(Debug)]
pub(crate) struct TypeAhead {
    terminal: OwnedFd,
    before: Termios,
}

impl TypeAhead {
    /// Begins to keep back the keys of `terminal`. Returns `None` if it is no terminal.
    ///
    /// # Errors
    /// Fails if the mode of the terminal cannot be changed.
    pub(crate) fn keep_back(terminal: impl AsFd) -> io::Result<Option<Self>> {
        if !termios::isatty(&terminal) {
            return Ok(None);
        }
        let before = termios::tcgetattr(&terminal)?;
        let mut mode = before.clone();
        mode.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        mode.input_modes.remove(InputModes::ICRNL);
        termios::tcsetattr(&terminal, OptionalActions::Now, &mode)?;
        Ok(Some(Self { terminal: terminal.as_fd().try_clone_to_owned()?, before }))
    }
}

impl Drop for TypeAhead {
    fn drop(&mut self) {
        // `Now` keeps the keys. A terminal that went away needs no mode.
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec};
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

    fn is_readable(terminal: &OwnedFd, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).expect("a short time");
        let mut polled = [PollFd::new(terminal, PollFlags::IN)];
        rustix::event::poll(&mut polled, Some(&limit)).expect("polled") > 0
    }

    /// Reads until `length` bytes came. Returns less after five seconds.
    fn read(from: &OwnedFd, length: usize) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < length && is_readable(from, Duration::from_secs(5)) {
            let mut part = [0; 64];
            let count = rustix::io::read(from, &mut part).expect("read");
            bytes.extend_from_slice(&part[..count]);
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn keys_are_hidden_and_kept_for_the_editor() {
        let (person, program) = terminal();
        let before = termios::tcgetattr(&program).expect("a mode");
        let kept = TypeAhead::keep_back(&program).expect("changed").expect("a terminal");
        // The last character ends a line, so the program sees that the terminal has taken all keys.
        rustix::io::write(&person, b"next\r\n").expect("typed");
        assert!(is_readable(&program, Duration::from_secs(5)));
        drop(kept);
        let after = termios::tcgetattr(&program).expect("a mode");
        assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
        rustix::io::write(&program, b"answer").expect("written");
        assert_eq!(read(&person, 6), "answer", "the keys are not shown");
        // The editor begins.
        let mut raw = after;
        raw.make_raw();
        termios::tcsetattr(&program, OptionalActions::Drain, &raw).expect("changed");
        assert_eq!(read(&program, 6), "next\r\n");
    }

    #[test]
    fn a_file_is_left_alone() {
        let file = File::open("/dev/null").expect("opened");
        assert!(TypeAhead::keep_back(&file).expect("no terminal").is_none());
    }
}
