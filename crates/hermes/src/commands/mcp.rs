//! `hermes mcp …`: the MCP servers of a profile.

mod list;
mod test;
mod tools;

use std::process::ExitCode;

use clap::Subcommand;
use hermes_agent::mcp::{Servers, ServersOptions, Shown};
use hermes_agent::sandbox::Launcher;
use hermes_agent::settings::{self, McpSettings};
use hermes_agent::tools::ToolboxError;
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, boot_wait, environment};

use crate::context::Context;
use crate::event_loop;
use crate::output::{Printer, note};

#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hermes mcp list                 list the servers of config.yaml (mcp_servers)
  hermes mcp test git             start one server, and list its tools
  hermes -p coder mcp tools       list the tools of all servers as the model gets them";

#[derive(Subcommand)]
enum Command {
    /// List the servers of the configuration. It starts none.
    List(list::Arguments),
    /// Connect to one server; exit code 1 if it cannot be used.
    Test(test::Arguments),
    /// Connect to the servers, and list their tools; exit code 1 if a server cannot be used.
    Tools(tools::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let loaded = load(context, &profile)?;
    for warning in &loaded.warnings {
        note!("warning: {warning}");
    }
    match &arguments.command {
        Command::List(arguments) => Ok(list::run(&profile, &loaded, arguments)),
        Command::Test(arguments) => test::run(context, &profile, loaded, arguments),
        Command::Tools(arguments) => tools::run(context, &profile, loaded, arguments),
    }
}

/// Reads the settings of the servers.
///
/// # Errors
/// A file cannot be read, or a setting is invalid.
pub(super) fn load(context: &Context, profile: &ProfileName) -> Result<McpSettings, Report> {
    // This process reads keys. The kernel refuses this to no process.
    let _ = hermes_os::process::close_to_the_account();
    settings::load_mcp(&context.home, profile, &environment()).map_err(|error| {
        let hint = error.hint();
        Report::new(ReportKind::Configuration, "failed to find the MCP servers").caused_by(error).hint(hint)
    })
}

/// Prepares the sandbox of the servers, and does `task` with them.
///
/// # Errors
/// The sandbox cannot be prepared.
pub(super) fn with_servers<T>(
    context: &Context,
    profile: &ProfileName,
    settings: McpSettings,
    task: impl AsyncFnOnce(Servers) -> T,
) -> Result<T, Report> {
    let done = event_loop::block_on(async {
        let servers = Servers::of_profile(ServersOptions {
            home: &context.home,
            profile,
            environment: &environment(),
            settings,
            launcher: Launcher::default(),
        })?;
        Ok(task(servers).await)
    });
    done?.map_err(unusable_tools)
}

/// Returns the report for settings of tools that cannot be used.
pub(super) fn unusable_tools(error: ToolboxError) -> Report {
    Report::new(ReportKind::Configuration, "the agent's tools cannot be used").caused_by(error)
}

/// Connects to one server, or to all that are enabled.
///
/// # Errors
/// There is no such server, it is disabled, or the sandbox cannot be prepared.
fn show(
    context: &Context,
    profile: &ProfileName,
    mut settings: McpSettings,
    name: Option<&str>,
) -> Result<Vec<Shown>, Report> {
    if let Some(name) = name {
        let found = settings.servers.iter().find(|server| server.name == name);
        let fault = match found {
            None => {
                format!("failed to find the MCP server {name}: mcp_servers of config.yaml has no such name")
            }
            Some(server) if !server.enabled => {
                format!(
                    "failed to connect to the MCP server {name}: it is disabled, or a variable is not set"
                )
            }
            Some(_) => String::new(),
        };
        if !fault.is_empty() {
            let report = Report::new(ReportKind::NotFound, fault);
            return Err(report.hint("list the servers: hermes mcp list"));
        }
    }
    settings.servers.retain(|server| server.enabled && name.is_none_or(|name| name == server.name));
    boot_wait::until_booted(&Printer)?;
    with_servers(context, profile, settings, async |servers| servers.show(name).await)
}

/// Returns the exit code for servers of which some may have failed.
fn exit_code(shown: &[Shown]) -> ExitCode {
    ExitCode::from(u8::from(shown.iter().any(|server| server.error.is_some())))
}

/// Prints the notes about tools that are not used.
fn note_left_out(server: &Shown) {
    for left_out in &server.left_out {
        match left_out.tool.is_empty() {
            true => note!("note: the server {}: {}", server.name, left_out.reason),
            false => note!("note: {} of {} is left out: {}", left_out.tool, server.name, left_out.reason),
        }
    }
}
