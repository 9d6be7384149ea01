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
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, requests) = Self::channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(requests)
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
