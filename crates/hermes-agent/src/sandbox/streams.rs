//! The streams between the control channel, the child and the engine: the child's input, and the output of a terminal.

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
}

impl Ends {
    /// Makes the streams. Returns the supervisor's ends, and the input of the child.
    pub(super) fn new(streams: Streams) -> io::Result<(Self, Option<OwnedFd>)> {
        match streams {
            Streams::Output => Ok((Self::default(), None)),
            Streams::Pipes => {
                let (child, own) = pipe_with(PipeFlags::CLOEXEC)?;
                wait_never(own.as_fd())?;
                Ok((Self { input: Some(own), ..Self::default() }, Some(child)))
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
                Ok((Self { input: Some(own), terminal: true, ..Self::default() }, Some(child)))
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
