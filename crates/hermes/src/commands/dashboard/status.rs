//! `hermes dashboard status`.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use hermes_dashboard::{DashboardState, Record};
use hermes_service::s6::{self, SCANDIR};
use serde::Serialize;

use crate::context::Context;
use crate::error::CommandError;
use crate::supervised;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Prints one JSON object: slot, record.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  docker exec CONTAINER hermes dashboard status   exit code 0 if it is up and bound, or down as it is meant to be";

#[derive(Serialize)]
struct Status {
    /// `ready`, `up`, `down`, …; nothing where no s6 supervises.
    slot: Option<&'static str>,
    /// What it last said of itself.
    record: Option<Record>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let state = s6::slot_state(&Path::new(SCANDIR).join("dashboard"), SystemTime::now()).ok();
    let word = state.filter(|_| supervised::s6_runs()).map(|state| match (state.up, state.ready) {
        (true, true) => "ready",
        (true, false) => "up",
        (false, _) => "down",
    });
    let status = Status { slot: word, record: Record::load(&context.home) };
    let failed = status.record.as_ref().filter(|record| {
        record.dashboard_state == DashboardState::StartupFailed && status.slot != Some("ready")
    });
    if arguments.json {
        println!("{}", serde_json::json!(status));
    } else {
        println!("slot: {}", status.slot.unwrap_or("not supervised here"));
        if let Some(address) = status.record.as_ref().and_then(|record| record.address.as_deref()) {
            println!("address: {address}");
        }
        if let Some(reason) = failed.and_then(|record| record.exit_reason.as_deref()) {
            println!("it could not start: {reason}");
        }
    }
    Ok(if failed.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
