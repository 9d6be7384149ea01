//! The thread for what may block on a disk. It exists from the start to the end of the gateway: when the container has no PID left,
//! no other thread can start, and the gateway still drains and writes its last state.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// The stack of the thread. It calls a few functions deep.
const STACK: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one after the other, in the order of the calls. The thread ends with the last copy of this handle.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    jobs: mpsc::Sender<Job>,
}

impl Disk {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn open() -> io::Result<Self> {
        let (jobs, received) = mpsc::channel::<Job>();
        let work = move || received.into_iter().for_each(|job| job());
        // Detached: the gateway does not wait for a write that hangs.
        drop(thread::Builder::new().name("disk".into()).stack_size(STACK).spawn(work)?);
        Ok(Self { jobs })
    }

    /// Hands a job over; returns where its result arrives.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        let job = move || drop(done.send(job()));
        // Without the thread the sender of the result drops here, and the receiver returns at once.
        let _ = self.jobs.send(Box::new(job));
        result
    }
}
