//! `hermes prompt-size`: the size of each part of the system prompt.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use hermes_agent::mcp::Described;
use hermes_agent::prompt::{self, PromptInput, PromptSize, Section};
use hermes_agent::sandbox::Launcher;
use hermes_agent::settings::{self, Memory, Network, SettingsError};
use hermes_agent::tools::{ToolSchema, Toolbox, ToolboxOptions};
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, boot_wait};
use serde::Serialize;

use super::mcp;
use crate::context::Context;
use crate::output::{self, Printer, note};
use crate::{stored, table};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The longest wait for an MCP server. Its `connect_timeout` may be shorter.
const PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "Examples:
  hermes prompt-size                 print one line for each part
  hermes -p coder prompt-size --json print JSON for a program";

/// The answer for a program.
#[derive(Serialize)]
struct Sizes {
    profile: String,
    #[serde(flatten)]
    size: PromptSize,
    /// Sentences about files that the prompt does not have, or not whole, and about servers that are not counted.
    warnings: Vec<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let memory = settings::load_memory(&context.home, &profile).map_err(unusable)?;
    let tools = tools(context, &profile, memory)?;
    let (servers, mut warnings) = servers(context, &profile, &tools)?;
    let prompt = prompt::build(&PromptInput {
        home: &context.home,
        profile: &profile,
        // Without a working directory, there is no project file.
        working_directory: env::current_dir().ok(),
        tools: &tools,
        model: "",
        session: "",
        now: SystemTime::now(),
        client_system: None,
        memory_limit: memory.memory_limit(),
        user_limit: memory.user_limit(),
    });
    let size = PromptSize::new(&prompt, &tools, &servers);
    warnings.extend(prompt.warnings);
    let sizes = Sizes { profile: profile.to_string(), size, warnings };
    if arguments.json {
        output::json(&sizes);
        return Ok(ExitCode::SUCCESS);
    }
    table::print(["SECTION", "PART", "BYTES", "TOKENS"], &rows(&sizes.size));
    for warning in &sizes.warnings {
        note!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the descriptions of the agent's tools.
fn tools(context: &Context, profile: &ProfileName, memory: Memory) -> Result<Vec<ToolSchema>, Report> {
    boot_wait::until_booted(&Printer)?;
    let settings = settings::load_tools(&context.home, profile).map_err(unusable)?;
    let store = stored::open(context, profile).map_err(|error| {
        Report::new(ReportKind::Failed, "the sessions of the profile cannot be used").caused_by(error)
    })?;
    let toolbox = Toolbox::of_agent(ToolboxOptions {
        home: &context.home,
        profile,
        environment: &BTreeMap::new(),
        store,
        terminal: settings.terminal,
        clarify: settings.clarify,
        memory,
        network: Network::default(),
        secrets: Vec::new(),
        launcher: Launcher::default(),
        // They are counted apart.
        servers: Vec::new(),
        needs_sandbox: true,
    });
    Ok(toolbox.map_err(mcp::unusable_tools)?.schemas())
}

/// Starts the MCP servers, and returns the descriptions of their tools, with sentences about servers that are not counted.
fn servers(
    context: &Context,
    profile: &ProfileName,
    tools: &[ToolSchema],
) -> Result<(Vec<Described>, Vec<String>), Report> {
    let mut settings = mcp::load(context, profile)?;
    let mut warnings = std::mem::take(&mut settings.warnings);
    settings.servers.retain(|server| server.enabled);
    if settings.servers.is_empty() {
        return Ok((Vec::new(), warnings));
    }
    for server in &mut settings.servers {
        server.connect_timeout = server.connect_timeout.min(PATIENCE);
    }
    let taken = tools.iter().map(|tool| tool.name.clone()).collect();
    let described = mcp::with_servers(context, profile, settings, async |servers| {
        servers.describe(taken, &|text| note!("{text}")).await
    })?;
    for Described { name, tools } in &described {
        if let Err(error) = tools {
            warnings.push(format!(
                "the MCP server {name} is not counted: {error}; to try it: hermes mcp test {name}"
            ));
        }
    }
    Ok((described, warnings))
}

fn unusable(error: SettingsError) -> Report {
    let hint = error.hint();
    Report::new(ReportKind::Configuration, "failed to find the limits of the memory files")
        .caused_by(error)
        .hint(hint)
}

fn rows(size: &PromptSize) -> Vec<[String; 4]> {
    let row = |section: &str, part: &str, bytes: u64, tokens: u64| {
        [section.to_owned(), part.to_owned(), bytes.to_string(), tokens.to_string()]
    };
    let parts = size.parts.iter().map(|part| {
        let section = match part.section {
            Section::Stable => "stable",
            Section::Project => "project",
            Section::Volatile => "volatile",
        };
        row(section, &part.name, part.bytes, part.tokens)
    });
    let tools = size.tools.iter().map(|tool| row("tools", &tool.name, tool.bytes, tool.tokens));
    let of_servers = size.mcp_servers.iter().flat_map(|server| {
        let section = format!("mcp {}", server.name);
        server.tools.iter().map(move |tool| row(&section, &tool.name, tool.bytes, tool.tokens))
    });
    parts.chain(tools).chain(of_servers).chain([row("all", "", size.bytes, size.tokens)]).collect()
}

#[cfg(test)]
mod tests {
    use hermes_agent::prompt::{PartSize, ServerSize, ToolSize};

    use super::*;

    #[test]
    fn parts_and_tools_come_before_the_sum() {
        let (bytes, tokens) = (400, 100);
        let part = PartSize { section: Section::Stable, name: "identity".to_owned(), bytes, tokens };
        let tool = ToolSize { name: "terminal".to_owned(), bytes, tokens };
        let of_server = ToolSize { name: "mcp_time_now".to_owned(), bytes, tokens };
        let (name, error) = ("time".to_owned(), None);
        let server = ServerSize { name, tools: vec![of_server], bytes, tokens, error };
        let (parts, tools, mcp_servers) = (vec![part], vec![tool], vec![server]);
        let size = PromptSize { parts, tools, mcp_servers, bytes: 1200, tokens: 300 };
        assert_eq!(
            table::lines(["SECTION", "PART", "BYTES", "TOKENS"], &rows(&size)),
            [
                "SECTION   PART          BYTES  TOKENS",
                "stable    identity      400    100",
                "tools     terminal      400    100",
                "mcp time  mcp_time_now  400    100",
                "all                     1200   300",
            ]
        );
    }
}
