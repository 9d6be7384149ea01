//! The credential in force. Changes of the configuration and of the volume apply without a restart.
//!
//! Each check compares the versions of two files, and reads them only when they have changed.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use hermes_core::{Home, ProfileName, chain, config};

use super::file_version::FileVersion;
use super::{Gate, Verifier, random, token};
use crate::error::DashboardError;
use crate::say::{say, warn};
use crate::settings::{Credential, Settings};

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
    /// The last warning.
    warning: Option<String>,
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
        let state = Mutex::new(State { in_force, seen, warning: None });
        Ok(Self { watched: Some(watched), state })
    }

    /// A gate that nothing changes.
    #[cfg(test)]
    pub(crate) fn fixed(gate: Gate) -> Self {
        let in_force = Arc::new(InForce { generation: 0, gate });
        let state = Mutex::new(State { in_force, seen: Seen::default(), warning: None });
        Self { watched: None, state }
    }

    /// Returns the gate in force now.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watched) = &self.watched else { return Arc::clone(&state.in_force) };
        // The versions are read before the files. The next check notices a change in between.
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
            // An error in the file neither opens the dashboard nor locks visitors out: the method stays. The token may have changed.
            Err(_) => match before {
                Gate::Token(_) => watched.gate(&Credential::Token, Some(before)),
                other => Ok(other.clone()),
            },
        };
        let problem =
            credential.err().map(|error| format!("the login settings stay unchanged: {}", chain(&error)));
        let (gate, problem) = match gate {
            Ok(gate) => (gate, problem),
            Err(error) => (
                Gate::Shut,
                Some(format!(
                    "login is impossible: {}",
                    error.source().map_or_else(|| error.to_string(), chain)
                )),
            ),
        };
        if problem != self.warning {
            if let Some(problem) = &problem {
                warn(problem);
            }
            self.warning = problem;
        }
        if gate.is_same(before) {
            return;
        }
        match &gate {
            Gate::Token(token) => {
                say(format_args!("the token has changed: open {}login?token={token}", watched.address))
            }
            Gate::Password(_) => say("a login now needs the password"),
            Gate::Open { .. } => say("the dashboard is now open without a login"),
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

    /// Returns the token on the volume. On a read-only volume it returns a token of this process: the link then changes at each
    /// start, but a login is possible and needed.
    fn token(&self) -> Result<String, DashboardError> {
        match token::load_or_make(&self.home) {
            Ok(token) => Ok(token),
            Err(error @ (token::TokenError::Write(_) | token::TokenError::Directory { .. })) => {
                warn(format_args!(
                    "the volume is read-only, so the link changes at each start: {}",
                    chain(&error)
                ));
                random().map_err(DashboardError::Start)
            }
            Err(error) => Err(DashboardError::Token(error)),
        }
    }
}
