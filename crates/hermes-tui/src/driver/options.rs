//! The parts that the screen works with.

use std::path::{Path, PathBuf};

use hermes_agent::agent::{Agent, OpenedAgent};
use hermes_core::{Home, ProfileName};
use hermes_operations::{Operations, Report};

/// Opens the agent with another model.
pub type Open = Box<dyn Fn(&str) -> Result<OpenedAgent, Report>>;

/// The parts that the screen works with.
pub struct Options {
    /// The volume.
    pub home: Home,
    /// The profile.
    pub profile: ProfileName,
    /// Its agent.
    pub agent: Agent,
    /// Sentences of its start.
    pub notices: Vec<String>,
    /// The operations on gateways.
    pub operations: Operations,
    /// Opens the agent with another model, for `/model`.
    pub open: Open,
    /// Opens a file in the editor of the person.
    pub edit: fn(&Path) -> Result<(), Report>,
    /// The directory of the agent's files, which `@` completes.
    pub workspace: PathBuf,
    /// The screen shows no colours.
    pub is_plain: bool,
}
