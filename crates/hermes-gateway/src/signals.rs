//! What tells a gateway to end. A channel, so that the tests can do what a signal does.

use std::future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The orders to end, one for each signal.
#[derive(Debug)]
pub(crate) struct Orders {
    received: mpsc::UnboundedReceiver<()>,
}

impl Orders {
    /// Orders, and what gives them.
    pub(crate) fn new() -> (mpsc::UnboundedSender<()>, Self) {
        let (give, received) = mpsc::unbounded_channel();
        (give, Self { received })
    }

    /// Orders that SIGTERM and SIGINT give from now on. SIGHUP (`s6-svc -h`) does nothing from now on, where it would end the
    /// process; by a handler, since what is ignored stays ignored in every program that is started later.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub(crate) fn from_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // The handler stays when what listens to it is dropped.
        drop(signal(SignalKind::hangup())?);
        let (give, orders) = Self::new();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if give.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(orders)
    }

    /// The next order. There is none when nobody is left to give one.
    pub(crate) async fn next(&mut self) {
        if self.received.recv().await.is_none() {
            future::pending().await
        }
    }
}
