//! The state of the running dashboard, which all requests share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use hermes_core::{Home, ProfileName};
use hermes_operations::{Operations, Report, ReportKind};
use tokio::sync::Semaphore;

use crate::auth::{Attempts, Credentials, Gate, Queue, Session, Sessions};
use crate::board::Board;
use crate::findings::Findings;
use crate::settings::Settings;

/// The maximum number of event streams. Each needs a connection and a task.
pub(crate) const STREAMS_MAX: usize = 1024;
/// The maximum number of followed logs. Each needs an inotify instance, and an account has 128 of them.
pub(crate) const LOG_STREAMS_MAX: usize = 64;
/// The number of actions that run at one time. Others wait.
const ACTIONS_AT_ONCE: usize = 8;
/// The number of actions that may run or wait. Others are refused.
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
    pub(crate) findings: Findings,
    pub(crate) version: String,
    pub(crate) revision: Option<String>,
    pub(crate) started: Instant,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) log_streams: Arc<Semaphore>,
    /// Held from the read of a `SOUL.md` to its write, so only one of two concurrent changes succeeds.
    pub(crate) soul_change: Mutex<()>,
    at_once: Semaphore,
    actions: Semaphore,
}

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A browser that logged in.
    Session(Session),
    /// A program that sent the token or the password with the request, with the generation of the gate.
    Program(u64),
    /// Any visitor of an open dashboard, with the generation of the gate.
    Anybody(u64),
}

/// The address of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Site {
    pub(crate) fn new(
        operations: Operations,
        settings: Settings,
        credentials: Credentials,
        version: String,
        revision: Option<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sessions: Sessions::of(operations.home()),
            attempts: Attempts::default(),
            board: Board::new(),
            findings: Findings::default(),
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

    /// Returns the path of the dashboard: that of the proxy, and a slash.
    pub(crate) fn base(&self) -> String {
        format!("{}/", self.settings.base_path)
    }

    /// Returns the CSRF token of `identity`. A program has none, because it sends no forms.
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

    /// Tells whether the reader of a stream is still logged in.
    pub(crate) fn is_authorized(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Session(session) => self.sessions.find(&session.id, SystemTime::now()).is_some(),
            Identity::Program(generation) | Identity::Anybody(generation) => {
                self.credentials.in_force().generation == *generation
            }
        }
    }

    /// Runs blocking work in another thread.
    ///
    /// # Errors
    /// The work fails, or too many actions run.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Report> + Send + 'static,
    ) -> Result<T, Report> {
        let busy = || {
            Report::new(ReportKind::TryAgain, "too many actions run at once").hint("try again in a moment")
        };
        let _place = self.actions.try_acquire().map_err(|_| busy())?;
        let _turn = self.at_once.acquire().await.map_err(|_| busy())?;
        let site = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&site)).await;
        done.unwrap_or_else(|_| Err(Report::new(ReportKind::Failed, "internal error of the dashboard")))
    }

    /// Checks that a profile exists.
    ///
    /// # Errors
    /// There is no such profile.
    pub(crate) fn require_profile(&self, profile: &ProfileName) -> Result<(), Report> {
        match self.home.has_profile(profile) {
            Ok(true) => Ok(()),
            Ok(false) => Err(no_such_profile(profile)),
            Err(error) => Err(Report::new(ReportKind::Failed, "failed to read the profile").because(&error)),
        }
    }
}

/// Returns the report of a profile that does not exist.
pub(crate) fn no_such_profile(profile: &ProfileName) -> Report {
    Report::new(ReportKind::NotFound, format!("no such profile '{profile}'"))
        .hint("it may have been deleted meanwhile: go back to the overview")
}

/// Parses the profile in a path or a form.
///
/// # Errors
/// It breaks the rule for names; the rule is in the failure.
pub(crate) fn profile_named(name: &str) -> Result<ProfileName, Report> {
    ProfileName::new(name)
        .map_err(|error| Report::new(ReportKind::Invalid, "invalid name of a profile").because(&error))
}
