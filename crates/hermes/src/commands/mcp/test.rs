//! `hermes mcp test`.

use std::process::ExitCode;

use hermes_agent::mcp::Shown;
use hermes_agent::settings::McpSettings;
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind};

use super::{exit_code, note_left_out, show};
use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of the server in `mcp_servers`.
    name: String,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes mcp test git          start the server 'git' in the sandbox, and list its tools
  hermes mcp test git --json   print JSON for a program";

pub(crate) fn run(
    context: &Context,
    profile: &ProfileName,
    settings: McpSettings,
    arguments: &Arguments,
) -> Result<ExitCode, Report> {
    let shown = show(context, profile, settings, Some(&arguments.name))?;
    let code = exit_code(&shown);
    let Some(server) = shown.into_iter().next() else { return Ok(code) };
    if arguments.json {
        output::json(&server);
        return Ok(code);
    }
    let Shown { name, milliseconds, server: says, tools, error, .. } = &server;
    if let Some(error) = error {
        return Err(Report::new(ReportKind::Failed, format!("failed to use the MCP server {name}"))
            .cause(error)
            .hint("check its entry in mcp_servers of config.yaml; a first start may need a longer connect_timeout"));
    }
    let says = says.as_deref().unwrap_or("a server without a name");
    say!("{name} works: {says}, {} tools, {milliseconds} ms", tools.len());
    for tool in tools {
        say!("  {}", tool.name);
    }
    note_left_out(&server);
    Ok(code)
}
