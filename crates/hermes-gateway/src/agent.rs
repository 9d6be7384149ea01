//! The agent of the profile. The first request that needs it opens it, so that a gateway without a conversation holds no database and
//! no client.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use hermes_agent::agent::{Agent, AgentError, AgentOptions};
use hermes_agent::settings::{self, Budget};
use hermes_agent::store::Filter;
use hermes_core::chain;
use hermes_core::profile::set_aside;
use tokio::sync::Mutex;

use crate::http::Problem;
use crate::options::Options;
use crate::say::{say, warn};

/// The surface of sessions that end with their request. A kill may leave one.
pub(crate) const STATELESS: &str = "api_stateless";

/// The agent of the profile, once it is open.
pub(crate) struct AgentHandle {
    options: AgentSource,
    opened: Mutex<Option<Arc<Agent>>>,
    has_set_aside: AtomicBool,
}

/// The parts of [`Options`] that open an agent. Not `Debug`, because the environment holds secrets.
struct AgentSource {
    home: hermes_core::Home,
    profile: hermes_core::ProfileName,
    environment: std::collections::BTreeMap<String, String>,
    workspace: PathBuf,
}

impl std::fmt::Debug for AgentHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentHandle").field("profile", &self.options.profile).finish_non_exhaustive()
    }
}

impl AgentHandle {
    /// Prepares the agent of the gateway that `options` describe.
    pub(crate) fn new(options: &Options) -> Self {
        let workspace = options.home.profile_directory(&options.profile).join("workspace");
        let options = AgentSource {
            home: options.home.clone(),
            profile: options.profile.clone(),
            environment: options.environment.clone(),
            workspace,
        };
        Self { options, opened: Mutex::new(None), has_set_aside: AtomicBool::new(false) }
    }

    /// Returns the agent. Opens it if it is not open. After a failure the next request tries again, so that new settings need no
    /// restart.
    ///
    /// # Errors
    /// The settings are incomplete or invalid, or the store cannot be used.
    pub(crate) async fn get(&self) -> Result<Arc<Agent>, Problem> {
        let mut opened = self.opened.lock().await;
        if let Some(agent) = &*opened {
            return Ok(Arc::clone(agent));
        }
        let options = self.options.agent_options();
        let database = self.options.home.database(&self.options.profile);
        let open = move || Agent::open(options).map(|found| (found, !set_aside::all(&database).is_empty()));
        let (found, has_set_aside) = match tokio::task::spawn_blocking(open).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(problem_of(&error)),
            Err(_) => {
                let message = "failed to open the agent: the thread ended early";
                return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message));
            }
        };
        for notice in &found.notices {
            warn(notice);
        }
        self.has_set_aside.store(has_set_aside, Ordering::Relaxed);
        let agent = Arc::new(found.agent);
        match agent.store().fold_dead_turns(None).await {
            Ok(folded) => {
                for turn in folded {
                    say(format_args!(
                        "turn {} of session {} is closed: its process ({}) ended before it",
                        turn.turn, turn.session, turn.owner
                    ));
                }
            }
            Err(error) => {
                warn(format_args!("failed to close the turns of dead processes: {}", chain(&error)))
            }
        }
        let leftovers = Filter { source: Some(STATELESS.to_owned()), ..Filter::default() };
        if let Err(error) = agent.store().prune(leftovers).await {
            warn(format_args!(
                "failed to delete the sessions of requests that a kill ended: {}",
                chain(&error)
            ));
        }
        say(format_args!("the agent is open: model {}", agent.model()));
        *opened = Some(Arc::clone(&agent));
        Ok(agent)
    }

    /// Returns limits and prices as the configuration has them now. An invalid one has none.
    pub(crate) async fn budget(&self) -> Budget {
        let (home, profile) = (self.options.home.clone(), self.options.profile.clone());
        let read = tokio::task::spawn_blocking(move || settings::load_budget(&home, &profile));
        read.await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Returns the agent if it is open.
    pub(crate) fn opened(&self) -> Option<Arc<Agent>> {
        self.opened.try_lock().ok().and_then(|opened| opened.clone())
    }

    /// Tells whether a database of the profile was corrupt and set aside.
    pub(crate) fn has_set_aside(&self) -> bool {
        self.has_set_aside.load(Ordering::Relaxed)
    }
}

impl AgentSource {
    fn agent_options(&self) -> AgentOptions {
        AgentOptions {
            home: self.home.clone(),
            profile: self.profile.clone(),
            environment: self.environment.clone(),
            model: None,
            max_turns: None,
            description: "the gateway".to_owned(),
            working_directory: self.workspace.is_dir().then(|| self.workspace.clone()),
        }
    }
}

fn problem_of(error: &AgentError) -> Problem {
    let message = match error {
        AgentError::Settings(cause) => format!("{}; {}", chain(error), cause.hint()),
        _ => chain(error),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "agent_unavailable", message)
}
