//! `hermes mcp list`.

use std::process::ExitCode;

use hermes_agent::settings::{McpAddress, McpServer, McpSettings};
use hermes_core::ProfileName;
use serde_json::json;

use crate::output::{self, say};
use crate::table;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes mcp list          print one line for each server
  hermes mcp list --json   print JSON for a program";

pub(crate) fn run(profile: &ProfileName, settings: &McpSettings, arguments: &Arguments) -> ExitCode {
    if arguments.json {
        let server = |server: &McpServer| {
            let (transport, address) = address_of(server);
            json!({ "name": server.name, "transport": transport, "address": address, "enabled": server.enabled })
        };
        let servers: Vec<_> = settings.servers.iter().map(server).collect();
        output::json(
            &json!({ "profile": profile.as_str(), "servers": servers, "warnings": settings.warnings }),
        );
        return ExitCode::SUCCESS;
    }
    if settings.servers.is_empty() {
        say!("config.yaml has no MCP servers (mcp_servers).");
        return ExitCode::SUCCESS;
    }
    let row = |server: &McpServer| {
        let (transport, address) = address_of(server);
        let enabled = if server.enabled { "yes" } else { "no" };
        [server.name.clone(), transport.to_owned(), enabled.to_owned(), address]
    };
    let rows: Vec<_> = settings.servers.iter().map(row).collect();
    table::print(["NAME", "TRANSPORT", "ENABLED", "ADDRESS"], &rows);
    ExitCode::SUCCESS
}

/// Returns the transport, and the command or the URL. Neither holds a secret.
fn address_of(server: &McpServer) -> (&'static str, String) {
    match &server.address {
        McpAddress::Stdio { command, .. } => ("stdio", command.join(" ")),
        McpAddress::Http { shown, .. } => ("http", shown.clone()),
    }
}
