//! The servers of an agent.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hermes_core::{Home, ProfileName};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Connection, short};
use super::error::McpError;
use super::lines::{Cause, Input, Lines, Pipes};
use super::schema::{LeftOut, listed};
use super::server::{Server, Start};
use super::tool::McpTool;
use super::{http, schema};
use crate::sandbox::{self, Ended, Launcher, Level};
use crate::settings::{ApprovalMode, McpAddress, McpServer, McpSettings, Network};
use crate::tools::{Call, Confinement, Effect, Tool, ToolSchema, ToolboxError, sandbox_of};

/// The time after which a person reads that the turn waits for servers.
const SILENT_WAIT: Duration = Duration::from_secs(2);

/// The time for the end of a server that closed its output.
const END: Duration = Duration::from_secs(2);

/// The tools that a notice names at most.
const NAMED_MAX: usize = 3;

/// The tools of servers, with their descriptions.
pub(crate) type Tools = Vec<(ToolSchema, Arc<dyn Tool>)>;

/// The parts that the servers of a profile need. Not `Debug`, because the environment holds secrets.
pub struct ServersOptions<'a> {
    /// The volume.
    pub home: &'a Home,
    /// The profile.
    pub profile: &'a ProfileName,
    /// The variables of the process.
    pub environment: &'a BTreeMap<String, String>,
    /// The settings.
    pub settings: McpSettings,
    /// The program that runs calls.
    pub launcher: Launcher,
}

/// The servers of an agent. Their drop ends those in the sandbox.
pub struct Servers {
    servers: Vec<Arc<Server>>,
}

/// A server as a person sees it.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// The name in the settings.
    pub name: String,
    /// The time for the start and the list of tools, in milliseconds.
    pub milliseconds: u64,
    /// The name and the version, as the server says.
    pub server: Option<String>,
    /// The tools.
    pub tools: Vec<ShownTool>,
    /// Tools that are not used.
    pub left_out: Vec<LeftOut>,
    /// The failure. Then there are no tools.
    pub error: Option<String>,
}

/// A server with the descriptions of its tools, as the model gets them.
#[derive(Debug)]
pub struct Described {
    /// The name in the settings.
    pub name: String,
    /// The descriptions, in the order of the server, or its failure.
    pub tools: Result<Vec<ToolSchema>, McpError>,
}

/// A tool as a person sees it.
#[derive(Debug, Serialize)]
pub struct ShownTool {
    /// The name for the model.
    pub name: String,
    /// The name that the server knows.
    pub tool: String,
    /// The description.
    pub description: String,
    /// The effect.
    pub effect: Effect,
}

impl Servers {
    /// Prepares the servers of a profile. It starts none.
    ///
    /// # Errors
    /// The settings of the sandbox are invalid.
    pub fn of_profile(options: ServersOptions<'_>) -> Result<Self, ToolboxError> {
        let ServersOptions { home, profile, environment, settings, launcher } = options;
        let McpSettings { servers, tools, network, .. } = settings;
        let needs_sandbox = tools.approvals.mode != ApprovalMode::Off;
        let (confinement, _) = sandbox_of(home, profile, tools.terminal, environment, launcher)?;
        Ok(Self::new(servers, &confinement, &network, needs_sandbox))
    }

    /// Prepares servers. With `needs_sandbox`, a server does not start on a kernel that cannot confine it.
    pub(crate) fn new(
        servers: Vec<McpServer>,
        confinement: &Arc<Confinement>,
        network: &Network,
        needs_sandbox: bool,
    ) -> Self {
        let server = |settings: McpServer| {
            let start = start_of(&settings, confinement, network, needs_sandbox);
            Arc::new(Server::new(settings, start))
        };
        Self { servers: servers.into_iter().map(server).collect() }
    }

    /// Connects all servers side by side, and returns their tools. `note` takes sentences for the user: a server that is waited for, a
    /// server or a tool that is left out. `taken` has the names of the other tools.
    pub(crate) async fn tools(&self, mut taken: Vec<String>, note: &(dyn Fn(String) + Send + Sync)) -> Tools {
        let mut found = self.connected(note).await;
        let mut tools: Tools = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            let name = &server.settings.name;
            let given = match found.remove(&index) {
                Some(Ok((given, _))) => given,
                Some(Err(error)) => {
                    note(format!(
                        "the MCP server {name} is left out until the next start of this process: {error}; to try it: hermes mcp test {name}"
                    ));
                    continue;
                }
                None => continue,
            };
            let (used, left_out) = listed(&server.settings, &given, &mut taken);
            for sentence in sentences(name, &left_out) {
                note(server.without_secrets(sentence));
            }
            for listed in used {
                let schema = listed.schema.clone();
                let tool = McpTool::new(Arc::clone(server), listed);
                tools.push((schema, Arc::new(tool)));
            }
        }
        tools
    }

    /// Connects all servers side by side, and returns the descriptions of their tools. `note` takes a sentence if a server is waited for.
    /// `taken` has the names of the other tools.
    pub async fn describe(
        &self,
        mut taken: Vec<String>,
        note: &(dyn Fn(String) + Send + Sync),
    ) -> Vec<Described> {
        let mut found = self.connected(note).await;
        let described = |(index, server): (usize, &Arc<Server>)| {
            let tools = found.remove(&index)?.map(|(given, _)| {
                let (used, _) = listed(&server.settings, &given, &mut taken);
                used.into_iter().map(|listed| listed.schema).collect()
            });
            Some(Described { name: server.settings.name.clone(), tools })
        };
        self.servers.iter().enumerate().filter_map(described).collect()
    }

    async fn connected(&self, note: &(dyn Fn(String) + Send + Sync)) -> BTreeMap<usize, Connected> {
        let mut waiting: BTreeSet<&str> = BTreeSet::new();
        let mut starts = FuturesUnordered::new();
        for (index, server) in self.servers.iter().enumerate() {
            waiting.insert(&server.settings.name);
            starts.push(async move { (index, server.tools().await) });
        }
        let mut found = BTreeMap::new();
        let (mut is_told, silent_until) = (false, Instant::now() + SILENT_WAIT);
        loop {
            tokio::select! {
                next = starts.next() => {
                    let Some((index, result)) = next else { return found };
                    waiting.remove(self.servers[index].settings.name.as_str());
                    found.insert(index, result);
                }
                () = sleep_until(silent_until), if !is_told => {
                    is_told = true;
                    let names: Vec<_> = waiting.iter().copied().collect();
                    note(format!("waiting for the MCP servers: {}", names.join(", ")));
                }
            }
        }
    }

    /// Connects one server, or all, and returns them as a person sees them.
    pub async fn show(&self, name: Option<&str>) -> Vec<Shown> {
        let mut shown = Vec::new();
        for server in
            self.servers.iter().filter(|server| name.is_none_or(|name| name == server.settings.name))
        {
            let began = Instant::now();
            let result = server.tools().await;
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let name = server.settings.name.clone();
            shown.push(match result {
                Ok((given, server_name)) => {
                    let (used, left_out) = listed(&server.settings, &given, &mut Vec::new());
                    let tools = used.into_iter().map(ShownTool::from).collect();
                    Shown { name, milliseconds, server: server_name, tools, left_out, error: None }
                }
                Err(error) => {
                    let error = Some(error.to_string());
                    let (tools, left_out) = (Vec::new(), Vec::new());
                    Shown { name, milliseconds, server: None, tools, left_out, error }
                }
            });
        }
        shown
    }
}

/// The tools and the name of a server, or its failure.
type Connected = Result<(Vec<rmcp::model::Tool>, Option<String>), McpError>;

impl From<schema::Listed> for ShownTool {
    fn from(listed: schema::Listed) -> Self {
        let schema::Listed { name: tool, schema, effect } = listed;
        Self { name: schema.name, tool, description: schema.description, effect }
    }
}

/// Returns a sentence for each of the first tools that are left out, and one for the others.
fn sentences(server: &str, left_out: &[LeftOut]) -> Vec<String> {
    let sentence = |LeftOut { tool, reason }: &LeftOut| match tool.is_empty() {
        true => format!("the MCP server {server}: {reason}"),
        false => format!("the tool {tool:?} of the MCP server {server} is left out: {reason}"),
    };
    let mut sentences: Vec<_> = left_out.iter().take(NAMED_MAX).map(sentence).collect();
    if left_out.len() > NAMED_MAX {
        sentences.push(format!(
            "{} more tools of the MCP server {server} are left out; see: hermes mcp tools {server}",
            left_out.len() - NAMED_MAX
        ));
    }
    sentences
}

fn start_of(
    settings: &McpServer,
    confinement: &Arc<Confinement>,
    network: &Network,
    needs_sandbox: bool,
) -> Start {
    match settings.address.clone() {
        McpAddress::Stdio { command, env } => {
            let confinement = Arc::clone(confinement);
            Box::new(move || {
                let environment = env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned()));
                let (command, environment) = (command.clone(), environment.collect());
                Box::pin(start_in_sandbox(Arc::clone(&confinement), command, environment, needs_sandbox))
            })
        }
        McpAddress::Http { url, headers, .. } => {
            let network = network.clone();
            Box::new(move || {
                let transport = http::transport(&url, &headers, &network);
                Box::pin(async move { Connection::begin(transport?, Cause::default()).await })
            })
        }
    }
}

async fn start_in_sandbox(
    confinement: Arc<Confinement>,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    needs_sandbox: bool,
) -> Result<Connection, McpError> {
    let level = Level::probe();
    if needs_sandbox && (level.landlock_abi.is_none() || !level.seccomp) {
        return Err(McpError::NoSandbox("see hermes doctor; approvals.mode off lets it start"));
    }
    let call = confinement.start_server(command, environment).await;
    let mut call = call.map_err(|error| McpError::Start(error.to_string()))?;
    let input = call.running.input();
    let Some(output) = call.running.take_output() else {
        return Err(McpError::Start("a pipe is missing".to_owned()));
    };
    let lines = Lines::new(Process { call, output }, input);
    let cause = lines.cause();
    Connection::begin(lines, cause).await
}

/// A server that runs in the sandbox. Its drop ends all its processes.
struct Process {
    call: Call,
    output: sandbox::Output,
}

impl Pipes for Process {
    fn read<'a>(&'a mut self, piece: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(self.output.read(piece))
    }

    fn cause(&mut self) -> BoxFuture<'_, String> {
        Box::pin(async {
            let Ok(ended) = timeout(END, self.call.running.ended()).await else {
                return "it closed its output".to_owned();
            };
            let mut cause = match ended {
                Ended::Exited { code } => format!("it exited with code {code}"),
                Ended::Killed { signal } => format!("signal {signal} ended it"),
                Ended::TimedOut => "its time is over".to_owned(),
                Ended::NotConfined { cause } => format!("the sandbox could not be made: {cause}"),
                Ended::NotStarted { cause } | Ended::Lost { cause } => cause,
            };
            for refusal in self.call.refusals() {
                cause.push_str(&format!("; the proxy refused a connection: {refusal}"));
            }
            if let Some(errors) = self.call.running.last_errors() {
                cause.push_str(&format!("; its standard error ends with: {}", short(errors.trim())));
            }
            cause
        })
    }
}

impl Input for sandbox::Input {
    fn write(&mut self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.send(&bytes).await.map_err(io::Error::other) })
    }
}
