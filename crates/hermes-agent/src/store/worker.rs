//! The thread that owns the connection.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::open::Held;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread and the way to it.
#[derive(Debug)]
pub(crate) struct Worker {
    path: PathBuf,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(path: PathBuf, held: Held) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || {
            let mut held = held;
            for job in queue {
                job(&mut held.connection);
            }
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(work);
        let thread = thread.map_err(|source| StoreError::Thread { source })?;
        Ok(Self { path, jobs: Some(jobs), thread: Some(thread) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` with the connection. It is done even if the caller goes.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // An error says that the caller has gone.
            let _ = answer.send(work(connection));
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Worker {
    /// Waits for the end of the queued work, so that the next one to open the database finds it closed.
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        if let Some(thread) = thread {
            // A panic of the thread was reported on standard error.
            let _ = thread.join();
        }
    }
}
