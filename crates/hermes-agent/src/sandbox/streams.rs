//! The streams between the control channel, the child and the engine: the child's input, the output of a terminal, and a standard
//! error of its own.

use std::collections::VecDeque;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::request::{Frame, Streams};

/// The bytes that wait for a reader. With more, the supervisor reads no more.
const LIMIT: usize = 64 << 10;

/// The newest bytes of a standard error that are kept.
const ERRORS_KEPT: usize = 4 << 10;

/// The size of a terminal.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// The character that ends the input of a terminal, at the start of a line.
const END_OF_INPUT: u8 = 4;

/// The supervisor's ends.
#[derive(Default)]
pub(super) struct Ends {
    /// The input of the child: the end of a pipe, or the terminal.
    input: Option<OwnedFd>,
    /// The input that the child did not take yet.
    waiting: Vec<u8>,
    /// The engine closed the input.
    closing: bool,
    /// The input is a terminal, whose output is copied.
    terminal: bool,
    /// The output that the engine did not take yet.
    output: Vec<u8>,
    /// The terminal has no user any more.
    silent: bool,
    /// The standard error of the child, if it is apart from the output.
    errors: Option<OwnedFd>,
    /// Its newest bytes.
    last_errors: VecDeque<u8>,
}

/// The child's ends.
#[derive(Default)]
pub(super) struct ChildEnds {
    /// The standard input: a pipe or a terminal. `None` is `/dev/null`.
    pub(super) input: Option<OwnedFd>,
    /// The standard error. `None` is the output.
    pub(super) errors: Option<OwnedFd>,
}

impl Ends {
    /// Makes the streams. Returns the supervisor's ends, and the child's.
    pub(super) fn new(streams: Streams) -> io::Result<(Self, ChildEnds)> {
        match streams {
            Streams::Output => Ok((Self::default(), ChildEnds::default())),
            Streams::Pipes | Streams::Apart => {
                let (input, own_input) = pipe_with(PipeFlags::CLOEXEC)?;
                wait_never(own_input.as_fd())?;
                let mut own = Self { input: Some(own_input), ..Self::default() };
                let mut child = ChildEnds { input: Some(input), errors: None };
                if streams == Streams::Apart {
                    let (own_errors, errors) = pipe_with(PipeFlags::CLOEXEC)?;
                    wait_never(own_errors.as_fd())?;
                    (own.errors, child.errors) = (Some(own_errors), Some(errors));
                }
                Ok((own, child))
            }
            Streams::Terminal => {
                let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
                let own = openpt(flags)?;
                grantpt(&own)?;
                unlockpt(&own)?;
                let child = ioctl_tiocgptpeer(&own, flags)?;
                tcsetwinsize(&child, SIZE)?;
                wait_never(own.as_fd())?;
                // The child writes to its terminal, so this flag is the supervisor's alone.
                wait_never(io::stdout().as_fd())?;
                let child = ChildEnds { input: Some(child), errors: None };
                Ok((Self { input: Some(own), terminal: true, ..Self::default() }, child))
            }
        }
    }

    /// Returns `true` if more input has room.
    pub(super) fn takes_input(&self) -> bool {
        self.waiting.len() < LIMIT
    }

    /// Takes a frame of input. Without an input of the child it has no reader.
    pub(super) fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Input(bytes) => self.waiting.extend(bytes),
            Frame::CloseInput if self.terminal => self.waiting.push(END_OF_INPUT),
            Frame::CloseInput => self.closing = true,
        }
        self.feed();
    }

    /// Returns the child's input, if bytes wait for it.
    pub(super) fn hungry_input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().filter(|_| !self.waiting.is_empty()).map(AsFd::as_fd)
    }

    /// Returns the terminal, if its output has room.
    pub(super) fn speaking_terminal(&self) -> Option<BorrowedFd<'_>> {
        let reads = self.terminal && !self.silent && self.output.len() < LIMIT;
        self.input.as_ref().filter(|_| reads).map(AsFd::as_fd)
    }

    /// Returns the standard error of the child, if it is apart.
    pub(super) fn errors(&self) -> Option<BorrowedFd<'_>> {
        self.errors.as_ref().map(AsFd::as_fd)
    }

    /// Reads a piece of the standard error. Returns `true` if some was there.
    pub(super) fn note_errors(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.errors().map(|errors| read(errors, &mut piece)) {
            Some(Ok(count)) if count > 0 => {
                self.last_errors.extend(piece.get(..count).unwrap_or_default());
                let excess = self.last_errors.len().saturating_sub(ERRORS_KEPT);
                self.last_errors.drain(..excess);
                true
            }
            Some(Err(Errno::AGAIN | Errno::INTR)) | None => false,
            // No process of the call has it open.
            Some(_) => {
                self.errors = None;
                false
            }
        }
    }

    /// Returns the end of the standard error, if there was any.
    pub(super) fn last_errors(&self) -> Option<String> {
        let bytes: Vec<u8> = self.last_errors.iter().copied().collect();
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns `true` if output waits for the engine.
    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes input to the child, as much as it takes.
    pub(super) fn feed(&mut self) {
        if let Some(input) = &self.input {
            match write_some(input.as_fd(), &mut self.waiting) {
                Ok(()) => {}
                // A terminal without a user still has output.
                Err(_) if self.terminal => self.waiting.clear(),
                Err(_) => self.input = None,
            }
        }
        if self.input.is_none() {
            self.waiting.clear();
        }
        if self.closing && self.waiting.is_empty() {
            self.input = None;
        }
    }

    /// Reads output of the terminal. Returns `true` if some was there.
    pub(super) fn listen(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.speaking_terminal().map(|terminal| read(terminal, &mut piece)) {
            Some(Ok(count)) if count > 0 => {
                self.output.extend(piece.get(..count).unwrap_or_default());
                true
            }
            Some(Err(Errno::AGAIN | Errno::INTR)) | None => false,
            // EIO: no process has the terminal open.
            Some(_) => {
                self.silent = true;
                false
            }
        }
    }

    /// Writes output to the engine, as much as it takes.
    ///
    /// # Errors
    /// The engine reads no more.
    pub(super) fn speak(&mut self) -> Result<(), Errno> {
        write_some(io::stdout().as_fd(), &mut self.output)
    }
}

/// Writes the first bytes of `bytes`, and removes them.
fn write_some(to: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(count) => drop(bytes.drain(..count)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lets a read or write return at once.
fn wait_never(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    Ok(fcntl_setfl(descriptor, fcntl_getfl(descriptor)? | OFlags::NONBLOCK)?)
}
