//! A source of output: a pipe that services share, or the connection of one logger.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::stream::Stream;

/// The time after which a source tries again to add lines to a busy queue.
const QUEUE_RETRY: Duration = Duration::from_millis(1);

/// The approximate number of bytes of unfinished lines that all sources hold together.
const HELD_TOTAL: usize = 4 << 20;

/// The longest unfinished line that one source holds, in bytes: with few sources, and with many. A longer line is split.
const LONGEST_LINE: (usize, usize) = (64 * 1024, 4096);

/// A source of output and the stream that it goes to.
pub(super) struct Source {
    descriptor: File,
    stream: &'static Stream,
    /// Whole lines that wait for the queue, then the start of a line.
    held: Vec<u8>,
    /// The length of the whole lines.
    whole: usize,
}

impl Source {
    /// Makes a source. `descriptor` must be non-blocking.
    pub(super) fn new(descriptor: File, stream: &'static Stream) -> Self {
        Self { descriptor, stream, held: Vec::new(), whole: 0 }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Returns the time after which the caller must call [`try_queue`](Self::try_queue), even without new output.
    pub(super) fn retry_timeout(&self) -> Option<Duration> {
        (self.whole > 0).then_some(QUEUE_RETRY)
    }

    /// Reads new output. `sources` is the number of all sources. Returns `false` if no process can write to this one any more.
    pub(super) fn read(&mut self, buffer: &mut [u8], sources: usize) -> bool {
        match self.descriptor.read(buffer) {
            Ok(0) => {
                self.finish();
                false
            }
            Ok(count) => {
                let before = self.held.len();
                self.held.extend_from_slice(&buffer[..count]);
                if let Some(end) = buffer[..count].iter().rposition(|&byte| byte == b'\n') {
                    self.whole = before + end + 1;
                }
                let longest = (HELD_TOTAL / sources.max(1)).clamp(LONGEST_LINE.1, LONGEST_LINE.0);
                if self.held.len() - self.whole > longest {
                    self.end_line();
                }
                if self.whole > buffer.len() {
                    self.queue();
                } else {
                    self.try_queue();
                }
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Adds whole lines to the queue, unless the queue is busy. It never waits: if a pipe runs full, two writers cut each other's
    /// lines.
    pub(super) fn try_queue(&mut self) {
        if self.whole == 0 {
            return;
        }
        if self.stream.try_feed(&self.held[..self.whole]) {
            self.remove_queued();
        }
    }

    /// Adds everything to the queue, an unfinished line included.
    pub(super) fn finish(&mut self) {
        self.end_line();
        self.queue();
    }

    /// Ends an unfinished line.
    fn end_line(&mut self) {
        if self.held.len() > self.whole {
            self.held.push(b'\n');
            self.whole = self.held.len();
        }
    }

    fn queue(&mut self) {
        self.stream.feed(&self.held[..self.whole]);
        self.remove_queued();
    }

    fn remove_queued(&mut self) {
        self.held.drain(..self.whole);
        self.held.shrink_to(LONGEST_LINE.1);
        self.whole = 0;
    }
}
