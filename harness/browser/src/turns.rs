//! How many browsers run at once: one has a dozen processes, and starts slowly where many do.

use std::sync::{Arc, Weak};

use container_harness::suite::Scope;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// Tests that have browsers at the same time, in this process.
const AT_ONCE: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// The right to have browsers.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: Option<SemaphorePermit<'static>>,
}

/// The turn that a test has, while one of its browsers lives.
type TurnOfTest = Mutex<Weak<Turn>>;

impl Turn {
    /// Waits for one. A test that has a browser needs no other turn for its next: two tests that each held one and
    /// waited for a second would wait for ever.
    pub(super) async fn take(scope: Option<&Scope>) -> Arc<Self> {
        let Some(scope) = scope else { return Self::wait().await };
        let of_test = scope.shared::<TurnOfTest>();
        let mut held = of_test.lock().await;
        if let Some(turn) = held.upgrade() {
            return turn;
        }
        let turn = Self::wait().await;
        *held = Arc::downgrade(&turn);
        turn
    }

    async fn wait() -> Arc<Self> {
        // It fails only when it was closed, which nobody does.
        Arc::new(Self { _permit: TURNS.acquire().await.ok() })
    }
}
