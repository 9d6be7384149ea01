//! One stream of the container: its queue, and the thread that writes the queue to it.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};

use super::queue::Queue;

/// The maximum number of chunks that are taken from a queue at once.
const CHUNKS_AT_ONCE: usize = 16;

/// A queue and the notification of its changes.
pub(super) struct Stream {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue,
    /// A thread writes a chunk now.
    writing: bool,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { queue: Queue::default(), writing: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds whole lines to the queue.
    pub(super) fn feed(&self, lines: &[u8]) {
        self.lock().queue.feed(lines);
        self.changed.notify_all();
    }

    /// Adds whole lines to the queue, unless the queue is busy. Returns `false` if it is.
    pub(super) fn try_feed(&self, lines: &[u8]) -> bool {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        state.queue.feed(lines);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until all lines are written, or until the deadline.
    pub(super) fn wait_until_written(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let busy = |state: &mut State| state.writing || !state.queue.is_empty();
        let _ = self.changed.wait_timeout_while(self.lock(), left, busy);
    }

    /// Writes queued lines for ever. It needs its own thread: the stream may block, and the container's command shares its flags,
    /// so they must not change.
    pub(super) fn write_to(&self, stream: BorrowedFd<'_>) {
        let mut chunks = vec![Vec::new(); CHUNKS_AT_ONCE];
        loop {
            let mut state = self.lock();
            state.writing = false;
            loop {
                chunks.iter_mut().for_each(|chunk| state.queue.next_chunk(chunk));
                if !chunks[0].is_empty() {
                    break;
                }
                self.changed.notify_all();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            drop(state);
            for chunk in &chunks {
                if write_all(stream, chunk).is_err_and(|error| is_gone(&error)) {
                    self.lock().queue.close();
                    self.changed.notify_all();
                    break;
                }
            }
        }
    }
}

/// Writes all bytes, even if another process made the stream non-blocking.
fn write_all(stream: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stream, bytes).map_err(io::Error::from) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells if no process will ever read the stream again. A full disk may have space later.
fn is_gone(error: &io::Error) -> bool {
    error.kind() != ErrorKind::StorageFull
}
