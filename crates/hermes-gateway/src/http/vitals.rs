//! The facts about the running gateway that `/health` and `/metrics` report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hermes_core::{ObservedState, ProfileName};
use hermes_server::Transport;

use crate::state::Recorder;

/// All states, in the order in which [`Vitals`] numbers them.
pub(crate) const STATES: [ObservedState; 6] = [
    ObservedState::Starting,
    ObservedState::Running,
    ObservedState::Draining,
    ObservedState::Degraded,
    ObservedState::Stopped,
    ObservedState::StartupFailed,
];

/// A route and the status of an answer.
type Answer = (String, u16);

/// The facts about the running gateway.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(crate) profile: ProfileName,
    pub(crate) version: String,
    pub(crate) recorder: Recorder,
    started: Instant,
    started_at: SystemTime,
    state: AtomicU8,
    answers: Mutex<BTreeMap<Answer, u64>>,
    unix_connections: AtomicUsize,
    tcp_connections: AtomicUsize,
    in_flight: AtomicUsize,
}

impl Vitals {
    /// Begins with the facts about a gateway that starts now.
    pub(crate) fn new(profile: ProfileName, version: String, recorder: Recorder) -> Self {
        Self {
            profile,
            version,
            recorder,
            started: Instant::now(),
            started_at: SystemTime::now(),
            state: AtomicU8::new(0),
            answers: Mutex::new(BTreeMap::new()),
            unix_connections: AtomicUsize::new(0),
            tcp_connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(crate) fn state(&self) -> ObservedState {
        let number = usize::from(self.state.load(Ordering::Relaxed));
        STATES.get(number).copied().unwrap_or(ObservedState::Starting)
    }

    pub(crate) fn set_state(&self, state: ObservedState) {
        let number = STATES.iter().position(|known| *known == state).unwrap_or_default();
        self.state.store(u8::try_from(number).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Tells whether it finishes the requests in flight and refuses new ones.
    pub(crate) fn is_draining(&self) -> bool {
        self.state() == ObservedState::Draining
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the start of the gateway, in seconds since 1970.
    pub(crate) fn started_at(&self) -> u64 {
        self.started_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    pub(crate) fn count_answer(&self, route: &str, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((route.to_owned(), status)).or_default() += 1;
    }

    pub(crate) fn answers(&self) -> BTreeMap<Answer, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn connections(&self, transport: Transport) -> &AtomicUsize {
        match transport {
            Transport::Unix => &self.unix_connections,
            Transport::Tcp => &self.tcp_connections,
        }
    }

    /// Returns the number of connections with a request, a half-received one included.
    pub(crate) fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }
}
