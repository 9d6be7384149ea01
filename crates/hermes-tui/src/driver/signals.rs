//! The signals that end or stop the process.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{SignalKind, signal};

/// A request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTSTP: stop until SIGCONT.
    Suspend,
    /// The signal with this number: end.
    End(u8),
}

/// The handlers.
pub(super) struct Signals {
    all: Vec<(Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// Installs the handlers. Call it in the runtime.
    pub(super) fn install() -> io::Result<Self> {
        let ends =
            [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
        let mut all = Vec::new();
        for kind in ends {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or(0);
            all.push((Signal::End(number), signal(kind)?));
        }
        let suspend = SignalKind::from_raw(nix::sys::signal::Signal::SIGTSTP as i32);
        all.push((Signal::Suspend, signal(suspend)?));
        Ok(Self { all })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (meaning, signals) in &mut self.all {
                if signals.poll_recv(context).is_ready() {
                    return Poll::Ready(*meaning);
                }
            }
            Poll::Pending
        })
        .await
    }
}
