//! `hermes health`: what the image's `HEALTHCHECK` runs.

use std::process::ExitCode;

use serde::Serialize;

use crate::error::CommandError;
use crate::supervised::{self, Supervised};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Prints one JSON object: healthy, booting, slots.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes health          what is not as it should be
  hermes health --json   for a program";

#[derive(Serialize)]
struct Health {
    healthy: bool,
    /// The boot is not complete yet.
    booting: bool,
    slots: Vec<Supervised>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let booting = !supervised::boot_is_complete();
    let slots = supervised::all()?;
    let health = Health { healthy: !booting && slots.iter().all(Supervised::is_well), booting, slots };
    if arguments.json {
        println!("{}", serde_json::json!(health));
    } else if health.healthy {
        println!("healthy: {} slots are as they should be", health.slots.len());
    } else if booting {
        println!("unhealthy: the boot is not complete");
    } else {
        let ill = health.slots.iter().filter(|slot| !slot.is_well());
        let list: Vec<_> = ill.map(|slot| format!("{} is {}", slot.name, slot.word())).collect();
        println!("unhealthy: {}", list.join(", "));
    }
    Ok(if health.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
