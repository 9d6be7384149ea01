//! The tools of an agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hermes_core::{Home, ProfileName};

use super::background::Processes;
use super::confined::ConfinedTool;
use super::confinement::Confinement;
use super::memory::MemoryTool;
use super::outlet::Outlet;
use super::process::ProcessTool;
use super::session_search::SessionSearchTool;
use super::skills::{SkillViewTool, SkillsListTool};
use super::terminal::TerminalTool;
use super::todo::TodoTool;
use super::web::WebExtract;
use super::{Tool, ToolOutput, ToolSchema, files};
use crate::egress::{self, Egress};
use crate::sandbox::Launcher;
use crate::settings::{Memory, Network, NetworkMode, Secret, Terminal};
use crate::store::Store;

/// The tools of an agent, sorted by name.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: Vec<(ToolSchema, Arc<dyn Tool>)>,
    outlet: Option<Arc<Outlet>>,
}

/// The parts that the tools of an agent need. Not `Debug`, because the environment holds secrets.
pub struct ToolboxOptions<'a> {
    /// The volume.
    pub home: &'a Home,
    /// The profile.
    pub profile: &'a ProfileName,
    /// The variables of the agent. A command gets those that the settings name.
    pub environment: &'a BTreeMap<String, String>,
    /// The sessions.
    pub store: Store,
    /// `terminal`.
    pub terminal: Terminal,
    /// `memory`.
    pub memory: Memory,
    /// The certificates and time-outs of HTTP.
    pub network: Network,
    /// The keys of the agent. No output shows them.
    pub secrets: Vec<Secret>,
    /// The program that runs calls.
    pub launcher: Launcher,
}

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

impl Toolbox {
    /// Creates a toolbox of these tools.
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        let mut tools: Vec<_> = tools.into_iter().map(|tool| (tool.schema(), tool)).collect();
        tools.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        Self { tools, outlet: None }
    }

    /// Creates the tools of an agent. It starts no process and makes no file.
    ///
    /// # Errors
    /// See [`ToolboxError`].
    pub fn of_agent(options: ToolboxOptions<'_>) -> Result<Self, ToolboxError> {
        let ToolboxOptions {
            home,
            profile,
            environment,
            store,
            terminal,
            memory,
            network,
            secrets,
            launcher,
        } = options;
        for (setting, paths) in
            [("terminal.readable", &terminal.readable), ("terminal.writable", &terminal.writable)]
        {
            if let Some(path) = paths.iter().find(|path| is_closed(path, home.root())) {
                return Err(ToolboxError::Path { setting, path: path.clone() });
            }
        }
        let egress = Arc::new(Egress::new(egress::Rules::parse(&terminal.allow_hosts)?));
        let has_network = terminal.network != NetworkMode::Off;
        let directory = home.profile_directory(profile);
        let confinement =
            Arc::new(Confinement::new(home, profile, terminal, environment, Arc::clone(&egress), launcher));
        let processes = Arc::new(Processes::default());
        let mut tools: Vec<Arc<dyn Tool>> = vec![
            Arc::new(TerminalTool::new(Arc::clone(&confinement), Arc::clone(&processes))),
            Arc::new(ProcessTool::new(processes)),
            Arc::new(SkillsListTool::new(&directory)),
            Arc::new(SkillViewTool::new(&directory)),
            Arc::new(SessionSearchTool::new(store)),
            Arc::new(TodoTool::new()),
        ];
        if memory.memory_enabled || memory.user_profile_enabled {
            tools.push(Arc::new(MemoryTool::new(&directory, memory)));
        }
        if has_network {
            tools.push(Arc::new(WebExtract::new(egress, network)));
        }
        for schema in files::schemas() {
            tools.push(Arc::new(ConfinedTool::new(schema, Arc::clone(&confinement))));
        }
        let outlet = Outlet::new(secrets, directory.join("tool-output"));
        Ok(Self { outlet: Some(Arc::new(outlet)), ..Self::new(tools) })
    }

    /// Returns an output as the model gets it: bounded, and without keys.
    pub(crate) fn pass(&self, output: ToolOutput) -> ToolOutput {
        match &self.outlet {
            Some(outlet) => outlet.pass(output),
            None => output,
        }
    }

    /// Returns the descriptions, sorted by name.
    pub fn schemas(&self) -> Vec<ToolSchema> {
        self.tools.iter().map(|(schema, _)| schema.clone()).collect()
    }

    /// Returns the tool of this name, and its description.
    pub fn find(&self, name: &str) -> Option<(&ToolSchema, &Arc<dyn Tool>)> {
        self.tools.iter().find(|(schema, _)| schema.name == name).map(|(schema, tool)| (schema, tool))
    }
}

/// Returns `true` if `path` holds, or lies in, a directory that no tool may reach.
fn is_closed(path: &Path, volume: &Path) -> bool {
    let closed = [volume, Path::new("/run"), Path::new("/proc")];
    // Another spelling of the same place, as a symlink, counts as that place.
    let real = path.canonicalize();
    let places = [Some(path), real.as_deref().ok()];
    places.into_iter().flatten().any(|place| {
        closed.iter().any(|closed| place.starts_with(closed) || closed.starts_with(place))
            || place.components().any(|part| part == std::path::Component::ParentDir)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", true)]
    #[case("/opt", true)]
    #[case("/opt/data", true)]
    #[case("/opt/data/profiles/coder/.env", true)]
    #[case("/opt/datas", false)]
    #[case("/run/secrets", true)]
    #[case("/mnt/../opt/data", true)]
    #[case("/mnt/media", false)]
    fn no_setting_opens_the_volume(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_closed(Path::new(path), Path::new("/opt/data")), expected);
    }

    #[test]
    fn no_symlink_opens_the_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        symlink(&volume, folder.path().join("link")).unwrap();
        assert!(is_closed(&folder.path().join("link"), &volume.canonicalize().unwrap()));
    }
}
