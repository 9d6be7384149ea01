//! The control channel of a supervisor, its standard input: the request, then frames of input. Its end ends the call.

use std::io;

use rustix::io::{Errno, read};
use thiserror::Error;

use super::request::{Frame, LARGEST_REQUEST, Request};

/// The bytes that one read takes.
const PIECE: usize = 64 << 10;

/// A failure to understand the engine.
#[derive(Debug, Error)]
pub(super) enum ControlError {
    #[error("failed to read the control channel")]
    Read(#[from] Errno),
    #[error("failed to read the request: over {LARGEST_REQUEST} bytes")]
    TooLong,
    #[error("failed to read the request")]
    Malformed(#[from] serde_json::Error),
    #[error("failed to read a frame of input: it claims {0} bytes")]
    Frame(usize),
}

/// The control channel.
#[derive(Default)]
pub(super) struct Control {
    buffer: Vec<u8>,
}

impl Control {
    /// Reads the request. Returns `None` if the channel ends before it.
    pub(super) fn request(&mut self) -> Result<Option<Request>, ControlError> {
        let mut searched = 0;
        let end = loop {
            let new = self.buffer.get(searched..).unwrap_or_default();
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                break searched + end;
            }
            searched = self.buffer.len();
            if searched > LARGEST_REQUEST {
                return Err(ControlError::TooLong);
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        let rest = self.buffer.split_off(end + 1);
        let line = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(serde_json::from_slice(&line)?))
    }

    /// Reads what is there, and waits if nothing is. Returns `false` at the end of the channel.
    pub(super) fn fill(&mut self) -> Result<bool, ControlError> {
        let before = self.buffer.len();
        self.buffer.resize(before + PIECE, 0);
        let result = loop {
            match read(io::stdin(), self.buffer.get_mut(before..).unwrap_or_default()) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        self.buffer.truncate(before + result.unwrap_or_default());
        Ok(result? > 0)
    }

    /// Takes the next complete frame.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, ControlError> {
        Frame::take(&mut self.buffer).map_err(ControlError::Frame)
    }
}
