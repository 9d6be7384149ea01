//! What the dashboard asks of the rest of `hermes`: to look at agents, and to do to them what the commands do.
//!
//! The program implements it with the functions of its own verbs, so a click does what the command does and fails with the same
//! words. Every method may take its time; the dashboard calls them from threads of their own.

use std::time::Duration;

use hermes_core::ProfileName;
use hermes_service::Condition;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Looks at agents, and drives them.
pub trait Agents: Send + Sync + 'static {
    /// All gateways, the default profile's first.
    ///
    /// # Errors
    /// The profiles cannot be listed, or the service manager does not tell.
    fn gateways(&self) -> Result<Vec<Gateway>, Failure>;

    /// Does `verb` to the gateway of `profile`, and waits until it is ready, or down.
    ///
    /// # Errors
    /// As the command `hermes gateway …`.
    fn drive(&self, profile: &ProfileName, verb: Verb) -> Result<(), Failure>;

    /// Makes a profile, with a port and a gateway that is down.
    ///
    /// # Errors
    /// As `hermes profile create`.
    fn create(&self, profile: &ProfileName) -> Result<(), Failure>;

    /// Stops the gateway of a profile and removes everything that the profile has.
    ///
    /// # Errors
    /// As `hermes profile delete --yes`.
    fn delete(&self, profile: &ProfileName) -> Result<(), Failure>;

    /// What `hermes doctor` finds.
    ///
    /// # Errors
    /// It cannot look.
    fn findings(&self) -> Result<Vec<Finding>, Failure>;

    /// Who runs gateways here, in words, and whose the volume is if it is not this container's.
    fn supervisor(&self) -> Supervisor;
}

/// What can be done to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It is to run, now and after a restart of the container.
    Start,
    /// It is to be down.
    Stop,
    /// It is stopped and started.
    Restart,
}

impl Verb {
    /// The word of the command line, and of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    /// The verb of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Start, Self::Stop, Self::Restart].into_iter().find(|verb| verb.word() == word)
    }
}

/// A profile and its gateway.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Gateway {
    /// The profile.
    pub profile: String,
    /// What the operator last asked for, `running` or `stopped`; nothing when nobody asked for anything.
    pub desired_state: Option<String>,
    /// How it is.
    pub state: Condition,
    /// It said that it is ready.
    pub ready: bool,
    /// Its process, while it is up.
    pub pid: Option<u32>,
    /// For how long it has been up, or down, where that is known.
    pub for_seconds: Option<u64>,
    /// How often it was started again after it ended by itself, since the operator last started it.
    pub restarts: u64,
    /// How long ago each restart of the last hour was, in seconds, oldest first.
    pub restarted_seconds_ago: Vec<u64>,
    /// On which its HTTP API is, beside the socket in the profile's directory.
    pub port: Option<u16>,
    /// What is wrong with it, in words.
    pub problem: Option<String>,
}

/// Something that is wrong, and its mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// Something does not work; else it works and should not be as it is.
    pub broken: bool,
    /// What is wrong.
    pub what: String,
    /// How it is mended.
    pub mend: String,
}

/// Who runs gateways here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Supervisor {
    /// In words.
    pub name: String,
    /// Where another container has the volume: which one.
    pub volume_belongs_to: Option<String>,
}

/// Why something was not done: what a person reads, and what a program goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// What a program goes by.
    pub kind: FailureKind,
    /// What happened.
    pub error: String,
    /// Why, from the nearest cause to the deepest.
    pub causes: Vec<String>,
    /// What the gateway's log said last, where that tells more.
    pub log: Vec<String>,
    /// How it is mended.
    pub hint: Option<String>,
}

/// The kinds of failures, each with an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// 400: the request makes no sense.
    BadRequest,
    /// 401: nobody is logged in.
    Unauthenticated,
    /// 403: the request did not come from a page of this dashboard.
    Forbidden,
    /// 404: there is no such profile, or no such page.
    NotFound,
    /// 408: the request did not arrive in time.
    TooSlow,
    /// 409: it is no longer, or not yet, as the request assumes.
    Conflict,
    /// 413: the request is longer than it has a right to be.
    TooLarge,
    /// 421: the request names a host that this dashboard does not answer to.
    WrongHost,
    /// 422: a name or a value is not what it has to be.
    Invalid,
    /// 429: too many attempts.
    TooManyAttempts,
    /// 500: it failed.
    Failed,
    /// 501: no service manager here that can do this.
    Unsupported,
    /// 503: not now, try again.
    TryAgain,
    /// 507: a file could not be written.
    CannotWrite,
}

impl Failure {
    /// A failure without causes.
    pub fn new(kind: FailureKind, error: impl Into<String>) -> Self {
        Self { kind, error: error.into(), causes: Vec::new(), log: Vec::new(), hint: None }
    }

    /// With its mend.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a cause, and what caused that.
    #[must_use]
    pub fn because(mut self, source: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(source), |&error| error.source());
        self.causes.extend(causes.map(ToString::to_string));
        self
    }

    /// A profile that does not exist.
    pub(crate) fn no_such_profile(profile: &ProfileName) -> Self {
        Self::new(FailureKind::NotFound, format!("no such profile '{profile}'"))
            .hint("it may have been deleted meanwhile: go back to the overview")
    }
}

/// A time as a person reads it, in at most two units, as in `3h 20m`.
pub(crate) fn span(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
