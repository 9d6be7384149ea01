//! The thread for work that may block on a disk. It exists from the start of the gateway to its end. So the gateway drains and writes
//! its last state even when the container has no PID left for another thread.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// The stack of the thread. It calls a few functions deep.
const STACK: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one after the other, in the order of the calls. The thread ends with the last clone of this handle.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    jobs: mpsc::Sender<Job>,
}

impl Disk {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn open() -> io::Result<Self> {
        let (jobs, received) = mpsc::channel::<Job>();
        let work = move || received.into_iter().for_each(|job| job());
        // Detached: the gateway does not wait for a write that hangs.
        drop(thread::Builder::new().name("disk".into()).stack_size(STACK).spawn(work)?);
        Ok(Self { jobs })
    }

    /// Queues a job. Returns the receiver of its result.
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
