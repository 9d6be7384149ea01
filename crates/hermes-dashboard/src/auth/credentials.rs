//! The credential in force: what the configuration and the volume say now, not what they said at the start.
//!
//! Each look compares the versions of two files, and reads them only when they have changed.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use hermes_core::{Home, ProfileName, chain, config};

use super::file_version::FileVersion;
use super::{Verifier, random, token};
use crate::error::DashboardError;
use crate::say::{say, warn};
use crate::settings::{Credential, Settings};
use crate::site::Gate;

/// The gate, and its number: another gate has another number.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) generation: u64,
    pub(crate) gate: Gate,
}

/// The credential in force.
pub(crate) struct Credentials {
    /// `None` if nothing changes it.
    watched: Option<Watched>,
    state: Mutex<State>,
}

/// The sources of the credential.
pub(crate) struct Watched {
    pub(crate) home: Home,
    pub(crate) settings: Settings,
    /// The dashboard listens on a loopback address.
    pub(crate) is_loopback: bool,
    /// The address of the dashboard, with a slash at its end.
    pub(crate) address: String,
}

struct State {
    in_force: Arc<InForce>,
    seen: Seen,
    /// The problem that was told last.
    told: Option<String>,
}

/// The versions of the files that decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    config: Option<FileVersion>,
    token: Option<FileVersion>,
}

impl Credentials {
    /// Begins with the credential of the settings.
    ///
    /// # Errors
    /// There is no token, and none can be made.
    pub(crate) fn of(watched: Watched) -> Result<Self, DashboardError> {
        let seen = watched.seen();
        let gate = watched.gate(&watched.settings.credential, None)?;
        let in_force = Arc::new(InForce { generation: 0, gate });
        let state = Mutex::new(State { in_force, seen, told: None });
        Ok(Self { watched: Some(watched), state })
    }

    /// A gate that nothing changes.
    #[cfg(test)]
    pub(crate) fn fixed(gate: Gate) -> Self {
        let in_force = Arc::new(InForce { generation: 0, gate });
        let state = Mutex::new(State { in_force, seen: Seen::default(), told: None });
        Self { watched: None, state }
    }

    /// Returns the gate in force now.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watched) = &self.watched else { return Arc::clone(&state.in_force) };
        // The look comes before the reading: a change in between is seen at the next look.
        let seen = watched.seen();
        if seen != state.seen {
            state.seen = seen;
            state.renew(watched);
        }
        Arc::clone(&state.in_force)
    }
}

impl State {
    fn renew(&mut self, watched: &Watched) {
        let config = config::load(&watched.home.config(&ProfileName::default_profile()));
        let credential = config
            .map_err(DashboardError::Config)
            .and_then(|config| Ok(watched.settings.credential_with(config.as_ref())?));
        let before = &self.in_force.gate;
        let gate = match &credential {
            Ok(credential) => watched.gate(credential, Some(before)),
            // A mistake in the file opens nothing and locks nobody out: the method stays. Its token may be another by now.
            Err(_) => match before {
                Gate::Token(_) => watched.gate(&Credential::Token, Some(before)),
                other => Ok(other.clone()),
            },
        };
        let problem = credential.err().map(|error| format!("the login stays as it is: {}", chain(&error)));
        let (gate, problem) = match gate {
            Ok(gate) => (gate, problem),
            Err(error) => (
                Gate::Shut,
                Some(format!(
                    "nobody can log in: {}",
                    error.source().map_or_else(|| error.to_string(), chain)
                )),
            ),
        };
        if problem != self.told {
            if let Some(problem) = &problem {
                warn(problem);
            }
            self.told = problem;
        }
        if gate.is_same(before) {
            return;
        }
        match &gate {
            Gate::Token(token) => {
                say(format_args!("the token has changed: open {}login?token={token}", watched.address))
            }
            Gate::Password(_) => say("a password is needed from now on"),
            Gate::Open { .. } => say("nobody has to log in from now on"),
            Gate::Shut => {}
        }
        self.in_force = Arc::new(InForce { generation: self.in_force.generation + 1, gate });
    }
}

impl Watched {
    fn seen(&self) -> Seen {
        Seen {
            config: FileVersion::of(&self.home.config(&ProfileName::default_profile())),
            token: FileVersion::of(&self.home.dashboard_token()),
        }
    }

    /// Returns the gate of a credential; the one before it if that is the same.
    fn gate(&self, credential: &Credential, before: Option<&Gate>) -> Result<Gate, DashboardError> {
        match (credential, before) {
            (Credential::Password { user, password }, Some(Gate::Password(verifier)))
                if verifier.is_for(user, password) =>
            {
                Ok(Gate::Password(verifier.clone()))
            }
            (Credential::Password { user, password }, _) => {
                Ok(Gate::Password(Verifier::new(user.clone(), password.clone())))
            }
            (Credential::None, Some(Gate::Open { csrf })) if self.is_loopback => {
                Ok(Gate::Open { csrf: csrf.clone() })
            }
            (Credential::None, _) if self.is_loopback => {
                Ok(Gate::Open { csrf: random().map_err(DashboardError::Start)? })
            }
            (credential, before) => {
                if matches!(credential, Credential::None) && before.is_none() {
                    warn(
                        "dashboard.auth: none works only on a loopback address; this is another address, so a login needs the token",
                    );
                }
                self.token().map(Gate::Token)
            }
        }
    }

    /// The token on the volume. On a volume that takes nothing it is one of this process's own: better a link that changes than no
    /// way in; and never an open door.
    fn token(&self) -> Result<String, DashboardError> {
        match token::load_or_make(&self.home) {
            Ok(token) => Ok(token),
            Err(error @ (token::TokenError::Write(_) | token::TokenError::Directory { .. })) => {
                warn(format_args!("the link below is for this start alone: {}", chain(&error)));
                random().map_err(DashboardError::Start)
            }
            Err(error) => Err(DashboardError::Token(error)),
        }
    }
}
