//! What every request needs: the one state of the running dashboard.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use hermes_core::{Home, ProfileName};
use tokio::sync::Semaphore;

use crate::agents::{Failure, FailureKind, Operations, no_such_profile};
use crate::auth::{Attempts, Credentials, Queue, Session, Sessions, Verifier, equal};
use crate::board::Board;
use crate::settings::Settings;

/// How many event streams may be open. Each is a connection and a task, and a line of a table now and then.
pub(crate) const STREAMS_MAX: usize = 1024;
/// How many logs may be followed at one time: each takes one of the kernel's notice queues, of which an account has 128.
pub(crate) const LOG_STREAMS_MAX: usize = 64;
/// How many things may be done at one time; more wait.
const ACTIONS_AT_ONCE: usize = 8;
/// How many may wait or be done before more are refused.
const ACTIONS_MAX: usize = 64;

/// The running dashboard.
pub(crate) struct Site {
    pub(crate) home: Home,
    pub(crate) operations: Operations,
    pub(crate) settings: Settings,
    pub(crate) credentials: Credentials,
    pub(crate) queue: Arc<Queue>,
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    pub(crate) board: Board,
    pub(crate) version: String,
    pub(crate) revision: Option<String>,
    pub(crate) started: Instant,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) log_streams: Arc<Semaphore>,
    /// Held from the look at a `SOUL.md` to the end of its change: two tabs that save at once do not both win.
    pub(crate) soul_change: Mutex<()>,
    at_once: Semaphore,
    actions: Semaphore,
}

/// How somebody gets in.
#[derive(Clone, Debug)]
pub(crate) enum Gate {
    /// It is open: on a loopback address, where the operator wants it so. What protects forms there is made at the start.
    Open {
        /// What a form carries.
        csrf: String,
    },
    /// With the token.
    Token(String),
    /// With a name and a password.
    Password(Verifier),
    /// Not at all: the token cannot be read.
    Shut,
}

impl Gate {
    /// Whether anybody has to log in.
    pub(crate) fn is_closed(&self) -> bool {
        !matches!(self, Self::Open { .. })
    }

    /// Tells whether the same credential opens both.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open { csrf }, Self::Open { csrf: other }) => csrf == other,
            (Self::Token(token), Self::Token(other)) => equal(token, other),
            (Self::Password(verifier), Self::Password(other)) => verifier.is_same(other),
            (Self::Shut, Self::Shut) => true,
            _ => false,
        }
    }
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A browser that logged in.
    Session(Session),
    /// A program that sent the token or the password with the request itself: the generation of the gate that it passed.
    Program(u64),
    /// Anybody, where the dashboard is open: the generation of the gate.
    Anybody(u64),
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What is needed for a [`Site`] beside what it makes itself.
pub(crate) struct Parts {
    pub(crate) operations: Operations,
    pub(crate) settings: Settings,
    pub(crate) credentials: Credentials,
    pub(crate) version: String,
    pub(crate) revision: Option<String>,
}

impl Site {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { operations, settings, credentials, version, revision } = parts;
        Arc::new(Self {
            sessions: Sessions::of(operations.home()),
            attempts: Attempts::default(),
            board: Board::new(),
            started: Instant::now(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            log_streams: Arc::new(Semaphore::new(LOG_STREAMS_MAX)),
            soul_change: Mutex::new(()),
            at_once: Semaphore::new(ACTIONS_AT_ONCE),
            actions: Semaphore::new(ACTIONS_MAX),
            home: operations.home().clone(),
            operations,
            settings,
            credentials,
            queue: Queue::new(),
            version,
            revision,
        })
    }

    /// Where a page begins: the path of the proxy, and a slash.
    pub(crate) fn base(&self) -> String {
        format!("{}/", self.settings.base_path)
    }

    /// What a form of `identity` carries; nothing for a program, which sends no forms.
    pub(crate) fn csrf(&self, identity: &Identity) -> Option<String> {
        match identity {
            Identity::Session(session) => Some(session.csrf.clone()),
            Identity::Anybody(_) => match &self.credentials.in_force().gate {
                Gate::Open { csrf } => Some(csrf.clone()),
                _ => None,
            },
            Identity::Program(_) => None,
        }
    }

    /// Whether who opened a stream may still read it.
    pub(crate) fn still_knows(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Session(session) => self.sessions.find(&session.id, SystemTime::now()).is_some(),
            Identity::Program(generation) | Identity::Anybody(generation) => {
                self.credentials.in_force().generation == *generation
            }
        }
    }

    /// Does what takes its time in a thread of its own.
    ///
    /// # Errors
    /// It fails, or too much is being done already.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || {
            Failure::new(FailureKind::TryAgain, "too much is being done at once")
                .hint("try again in a moment")
        };
        let _place = self.actions.try_acquire().map_err(|_| busy())?;
        let _turn = self.at_once.acquire().await.map_err(|_| busy())?;
        let site = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&site)).await;
        done.unwrap_or_else(|_| Err(Failure::new(FailureKind::Failed, "the dashboard failed within itself")))
    }

    /// # Errors
    /// There is no such profile.
    pub(crate) fn must_have(&self, profile: &ProfileName) -> Result<(), Failure> {
        match self.home.has_profile(profile) {
            Ok(true) => Ok(()),
            Ok(false) => Err(no_such_profile(profile)),
            Err(error) => {
                Err(Failure::new(FailureKind::Failed, "cannot look at the profile").because(&error))
            }
        }
    }
}

/// The profile that a path or a form names.
///
/// # Errors
/// It breaks the rule for names; the rule is in the failure.
pub(crate) fn profile_named(name: &str) -> Result<ProfileName, Failure> {
    ProfileName::new(name)
        .map_err(|error| Failure::new(FailureKind::Invalid, "that is no name of a profile").because(&error))
}
