//! The sandbox of a profile: the check of its settings, and its way out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hermes_core::{Home, ProfileName};

use super::confinement::Confinement;
use super::reach::is_closed;
use crate::egress::{self, Egress};
use crate::sandbox::Launcher;
use crate::settings::Terminal;

/// The reason why an agent cannot have its tools.
#[derive(Debug, thiserror::Error)]
pub enum ToolboxError {
    /// An entry of `terminal.allow_hosts` cannot be read.
    #[error("terminal.allow_hosts of config.yaml is invalid")]
    Hosts(#[from] egress::RuleError),
    /// A path of the settings would open the files of agents or of the supervision.
    #[error("{setting} of config.yaml has {}, which holds files that no tool may reach", path.display())]
    Path {
        /// The setting.
        setting: &'static str,
        /// The path.
        path: PathBuf,
    },
}

/// Prepares the sandbox of a profile, and its way out. It starts no process and makes no file.
///
/// # Errors
/// See [`ToolboxError`].
pub(crate) fn sandbox_of(
    home: &Home,
    profile: &ProfileName,
    terminal: Terminal,
    environment: &BTreeMap<String, String>,
    launcher: Launcher,
) -> Result<(Arc<Confinement>, Arc<Egress>), ToolboxError> {
    for (setting, paths) in
        [("terminal.readable", &terminal.readable), ("terminal.writable", &terminal.writable)]
    {
        if let Some(path) = paths.iter().find(|path| is_closed(path, home.root())) {
            return Err(ToolboxError::Path { setting, path: path.clone() });
        }
    }
    let egress = Arc::new(Egress::new(egress::Rules::parse(&terminal.allow_hosts)?));
    let confinement = Confinement::new(home, profile, terminal, environment, Arc::clone(&egress), launcher);
    Ok((Arc::new(confinement), egress))
}
