//! What services print into: a pipe that they share, or the connection of one logger.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{MutexGuard, TryLockError};
use std::time::Duration;

use super::{Shared, State};

/// What was read waits at most so long for the queue.
const QUEUE_TRIED_AGAIN_WITHIN: Duration = Duration::from_millis(1);

/// The bytes of unfinished lines that all sources hold together, about.
const HELD_BY_ALL: usize = 4 << 20;

/// The longest line that one source may hold before its end has come, in bytes: where few print, and where many do. A longer
/// line goes on as another one.
const LONGEST_LINE: (usize, usize) = (64 * 1024, 4096);

/// Somebody who prints, and the queue for it.
pub(super) struct Source {
    descriptor: File,
    shared: &'static Shared,
    /// Whole lines that wait for the queue, then the begin of a line.
    held: Vec<u8>,
    /// The length of the whole lines.
    whole: usize,
}

impl Source {
    /// `descriptor` does not block.
    pub(super) fn new(descriptor: File, shared: &'static Shared) -> Self {
        Self { descriptor, shared, held: Vec::new(), whole: 0 }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The time after which [`settle`](Self::settle) shall be called even if nothing comes.
    pub(super) fn patience(&self) -> Option<Duration> {
        (self.whole > 0).then_some(QUEUE_TRIED_AGAIN_WITHIN)
    }

    /// Takes what was printed, when `sources` print. Returns `false` when nobody can print here any more.
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
                let longest = (HELD_BY_ALL / sources.max(1)).clamp(LONGEST_LINE.1, LONGEST_LINE.0);
                if self.held.len() - self.whole > longest {
                    self.end_line();
                }
                if self.whole > buffer.len() {
                    self.queue(self.shared.lock());
                } else {
                    self.settle();
                }
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Queues whole lines, unless the queue is in use just now: the source has to be read all the time, since two who write to
    /// a full pipe cut each other's lines.
    pub(super) fn settle(&mut self) {
        if self.whole == 0 {
            return;
        }
        match self.shared.state.try_lock() {
            Ok(state) => self.queue(state),
            Err(TryLockError::Poisoned(poisoned)) => self.queue(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Queues everything, also a line that nobody ended.
    pub(super) fn finish(&mut self) {
        self.end_line();
        self.queue(self.shared.lock());
    }

    /// Ends a line that nobody ended.
    fn end_line(&mut self) {
        if self.held.len() > self.whole {
            self.held.push(b'\n');
            self.whole = self.held.len();
        }
    }

    fn queue(&mut self, mut state: MutexGuard<'_, State>) {
        state.queue.feed(&self.held[..self.whole]);
        drop(state);
        self.shared.changed.notify_all();
        self.held.drain(..self.whole);
        self.held.shrink_to(LONGEST_LINE.1);
        self.whole = 0;
    }
}
