//! The requests to stop: SIGTERM and SIGINT. A channel carries them, so tests can send them without signals.

use std::future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The requests to stop, one for each signal.
#[derive(Debug)]
pub struct StopRequests {
    receiver: mpsc::UnboundedReceiver<()>,
}

impl StopRequests {
    /// Returns a sender and the requests that it sends.
    pub fn channel() -> (mpsc::UnboundedSender<()>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { receiver })
    }

    /// Installs handlers for SIGTERM and SIGINT. Call it in the runtime.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn from_signals() -> io::Result<Self> {
        Self::from(&[SignalKind::terminate(), SignalKind::interrupt()])
    }

    /// Installs a handler for SIGINT. SIGTERM keeps its effect: it ends the process, also one that waits for a person. Call it in
    /// the runtime.
    ///
    /// # Errors
    /// The handler cannot be installed.
    pub fn from_interrupts() -> io::Result<Self> {
        Self::from(&[SignalKind::interrupt()])
    }

    fn from(kinds: &[SignalKind]) -> io::Result<Self> {
        let (sender, requests) = Self::channel();
        for kind in kinds {
            let mut signals = signal(*kind)?;
            let sender = sender.clone();
            tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(()).is_ok() {} });
        }
        Ok(requests)
    }

    /// Forgets the requests so far: they meant work that has ended.
    pub fn forget(&mut self) {
        while self.receiver.try_recv().is_ok() {}
    }

    /// Waits for the next request. Waits for ever if no sender is left.
    pub async fn next(&mut self) {
        if self.receiver.recv().await.is_none() {
            future::pending().await
        }
    }
}

/// Makes SIGHUP (`s6-svc -h`) do nothing. It installs a handler, because a program that is started later would inherit an ignored
/// signal. Call it in the runtime.
///
/// # Errors
/// The handler cannot be installed.
pub fn ignore_hangup() -> io::Result<()> {
    // The handler stays when its listener is dropped.
    signal(SignalKind::hangup()).map(drop)
}
