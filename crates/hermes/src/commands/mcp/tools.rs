//! `hermes mcp tools`.

use std::process::ExitCode;

use hermes_agent::settings::McpSettings;
use hermes_agent::tools::Effect;
use hermes_core::ProfileName;
use hermes_operations::Report;
use serde_json::json;

use super::{exit_code, note_left_out, show};
use crate::context::Context;
use crate::output::{self, note};
use crate::table;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Connect to this server alone.
    name: Option<String>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes mcp tools              list the tools of all servers
  hermes mcp tools git          list the tools of 'git'
  hermes mcp tools git --json   print JSON for a program";

pub(crate) fn run(
    context: &Context,
    profile: &ProfileName,
    settings: McpSettings,
    arguments: &Arguments,
) -> Result<ExitCode, Report> {
    let shown = show(context, profile, settings, arguments.name.as_deref())?;
    if arguments.json {
        output::json(&json!({ "profile": profile.as_str(), "servers": shown }));
        return Ok(exit_code(&shown));
    }
    let mut rows = Vec::new();
    for server in &shown {
        for tool in &server.tools {
            let effect = if tool.effect == Effect::Reads { "reads" } else { "writes" };
            let line = tool.description.lines().next().unwrap_or_default().to_owned();
            rows.push([tool.name.clone(), effect.to_owned(), line]);
        }
    }
    table::print(["TOOL", "EFFECT", "DESCRIPTION"], &rows);
    for server in &shown {
        if let Some(error) = &server.error {
            note!("hermes: the MCP server {} cannot be used: {error}", server.name);
        }
        note_left_out(server);
    }
    Ok(exit_code(&shown))
}
