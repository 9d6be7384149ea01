//! `hermes status`.

use std::process::ExitCode;

use hermes_core::Home;
use hermes_core::profile::set_aside;
use hermes_operations::{Gateway, Report};
use hermes_os::sandbox_level::Level;
use hermes_service::Kind;
use serde::Serialize;

use crate::context::Context;
use crate::gateway_table;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes status           show the service manager and all gateways
  hermes status --json    print JSON for a program")]
pub(crate) struct Arguments {
    /// Print one JSON object: manager, home, volume, sandbox, gateways, corrupt databases.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Status {
    manager: Kind,
    home: String,
    /// Whose the volume is, where that is another container; else nothing.
    volume: Option<String>,
    sandbox: Sandbox,
    gateways: Vec<Gateway>,
    /// Databases of sessions that were corrupt, so that new ones began.
    corrupt_databases: Vec<String>,
}

/// The sandbox of tools.
#[derive(Serialize)]
struct Sandbox {
    /// The parts that the kernel has, as `landlock 7 + seccomp`.
    level: String,
    /// The ABI of Landlock.
    landlock_abi: Option<u32>,
    seccomp: bool,
    /// `true` if the kernel has all parts.
    is_full: bool,
}

impl From<Level> for Sandbox {
    fn from(level: Level) -> Self {
        let Level { landlock_abi, seccomp } = level;
        Self { level: level.to_string(), landlock_abi, seccomp, is_full: level.is_full() }
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let operations = context.operations()?;
    let status = Status {
        manager: operations.manager().kind(),
        home: context.home.root().to_string_lossy().into_owned(),
        volume: operations.supervisor().volume_belongs_to,
        sandbox: Level::probe().into(),
        gateways: operations.gateways()?,
        corrupt_databases: corrupt_databases(&context.home)?,
    };
    if arguments.json {
        output::json(&status);
        return Ok(ExitCode::SUCCESS);
    }
    say!("Manager: {}", status.manager);
    say!("Home: {}", status.home);
    if let Some(told) = &status.volume {
        say!("Volume: {told}");
    }
    let hint = if status.sandbox.is_full { "" } else { " (hermes doctor has a hint)" };
    say!("Sandbox: {}{hint}", status.sandbox.level);
    for path in &status.corrupt_databases {
        say!("Corrupt database: {path} (hermes doctor has a hint)");
    }
    say!();
    gateway_table::print(&status.gateways);
    Ok(ExitCode::SUCCESS)
}

fn corrupt_databases(home: &Home) -> Result<Vec<String>, Report> {
    let profiles = home.profiles()?;
    let of = |name| set_aside::all(&home.database(name)).into_iter();
    Ok(profiles.names.iter().flat_map(of).map(|path| path.to_string_lossy().into_owned()).collect())
}
