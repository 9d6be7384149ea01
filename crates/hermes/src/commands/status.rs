//! `hermes status`.

use std::process::ExitCode;

use hermes_service::Kind;
use serde::Serialize;

use crate::context::Context;
use crate::error::CommandError;
use crate::gateways::{self, Gateway};
use crate::output::{self, say};
use crate::ownership::Note;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes status           who runs gateways here, and how each of them is
  hermes status --json    the same for a program: {manager, home, volume, gateways}")]
pub(crate) struct Arguments {
    /// Prints one JSON object: manager, home, volume, gateways.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Status {
    manager: Kind,
    home: String,
    /// Whose the volume is, where that is another container; else nothing.
    volume: Option<String>,
    gateways: Vec<Gateway>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let manager = context.service_manager()?;
    let status = Status {
        manager: manager.kind(),
        home: context.home.root().to_string_lossy().into_owned(),
        volume: Note::read().and_then(|note| note.other).map(|other| other.told()),
        gateways: Gateway::all(&context.home, manager.as_ref())?,
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
    say!();
    gateways::print(&status.gateways);
    Ok(ExitCode::SUCCESS)
}
