//! The tools of an agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use hermes_core::{Home, ProfileName};
use tokio::sync::OnceCell;

use super::ask_agent::AskAgentTool;
use super::background::Processes;
use super::clarify::ClarifyTool;
use super::confined::ConfinedTool;
use super::memory::MemoryTool;
use super::outlet::Outlet;
use super::process::ProcessTool;
use super::profile_sandbox::{ToolboxError, sandbox_of};
use super::session_search::SessionSearchTool;
use super::skills::{SkillViewTool, SkillsListTool};
use super::terminal::TerminalTool;
use super::todo::TodoTool;
use super::web::WebExtract;
use super::{Tool, ToolOutput, ToolSchema, files};
use crate::mcp::{self, Servers};
use crate::sandbox::Launcher;
use crate::settings::{Clarify, McpServer, Memory, Network, NetworkMode, Secret, Terminal};
use crate::store::Store;

/// The tools of an agent.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: mcp::Tools,
    /// The servers of further tools.
    servers: Option<Arc<Servers>>,
    /// The tools of the servers, once [`complete`](Toolbox::complete) has run. Then they stay the same.
    of_servers: OnceCell<mcp::Tools>,
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
    /// `clarify`.
    pub clarify: Clarify,
    /// `memory`.
    pub memory: Memory,
    /// The certificates and time-outs of HTTP.
    pub network: Network,
    /// The keys of the agent. No output shows them.
    pub secrets: Vec<Secret>,
    /// The program that runs calls.
    pub launcher: Launcher,
    /// `mcp_servers`.
    pub servers: Vec<McpServer>,
    /// An MCP server does not start on a kernel that cannot confine it.
    pub needs_sandbox: bool,
}

impl Toolbox {
    /// Creates a toolbox of these tools.
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        let mut tools: Vec<_> = tools.into_iter().map(|tool| (tool.schema(), tool)).collect();
        tools.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        Self { tools, servers: None, of_servers: OnceCell::new(), outlet: None }
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
            clarify,
            memory,
            network,
            secrets,
            launcher,
            servers,
            needs_sandbox,
        } = options;
        let has_network = terminal.network != NetworkMode::Off;
        let directory = home.profile_directory(profile);
        let (confinement, egress) = sandbox_of(home, profile, terminal, environment, launcher)?;
        let servers = (!servers.is_empty())
            .then(|| Arc::new(Servers::new(servers, &confinement, &network, needs_sandbox)));
        let processes = Arc::new(Processes::default());
        let mut tools: Vec<Arc<dyn Tool>> = vec![
            Arc::new(TerminalTool::new(Arc::clone(&confinement), Arc::clone(&processes))),
            Arc::new(ProcessTool::new(processes)),
            Arc::new(SkillsListTool::new(&directory)),
            Arc::new(SkillViewTool::new(&directory)),
            Arc::new(SessionSearchTool::new(store.clone())),
            Arc::new(TodoTool::new()),
            Arc::new(ClarifyTool::new(clarify.timeout)),
        ];
        if let Some(tool) = AskAgentTool::new(home, profile, store) {
            tools.push(Arc::new(tool));
        }
        if memory.memory_enabled || memory.user_profile_enabled {
            tools.push(Arc::new(MemoryTool::new(&directory, memory)));
        }
        if has_network {
            tools.push(Arc::new(WebExtract::new(egress, network)));
        }
        for schema in files::schemas() {
            tools.push(Arc::new(ConfinedTool::new(schema, Arc::clone(&confinement))));
        }
        let outlet = Outlet::new(secrets, confinement.outputs().clone());
        Ok(Self { servers, outlet: Some(Arc::new(outlet)), ..Self::new(tools) })
    }

    /// Returns an output as the model gets it: bounded, and without keys.
    pub(crate) fn pass(&self, output: ToolOutput) -> ToolOutput {
        match &self.outlet {
            Some(outlet) => outlet.pass(output),
            None => output,
        }
    }

    /// Returns `true` if all tools are known.
    pub fn is_complete(&self) -> bool {
        self.servers.is_none() || self.of_servers.initialized()
    }

    /// Connects the servers, and adds their tools, unless that was done. `note` takes sentences for the user. If the future is dropped,
    /// the next call goes on.
    pub async fn complete(&self, note: &(dyn Fn(String) + Send + Sync)) {
        if let Some(servers) = &self.servers {
            let taken = self.tools.iter().map(|(schema, _)| schema.name.clone()).collect();
            self.of_servers.get_or_init(|| servers.tools(taken, note)).await;
        }
    }

    /// Returns the descriptions: the agent's own tools, then those of servers, both in a fixed order.
    pub fn schemas(&self) -> Vec<ToolSchema> {
        self.all().map(|(schema, _)| schema.clone()).collect()
    }

    /// Returns the tool of this name, and its description.
    pub fn find(&self, name: &str) -> Option<(&ToolSchema, &Arc<dyn Tool>)> {
        self.all().find(|(schema, _)| schema.name == name).map(|(schema, tool)| (schema, tool))
    }

    fn all(&self) -> impl Iterator<Item = &(ToolSchema, Arc<dyn Tool>)> {
        self.tools.iter().chain(self.of_servers.get().into_iter().flatten())
    }
}
