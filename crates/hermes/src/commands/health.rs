//! `hermes health`: what the image's `HEALTHCHECK` runs.

use std::path::Path;
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
    // First: a slot that a boot has not brought up so far is not ill, though the boot may be complete by the next line.
    let booting = !Path::new(hermes_core::boot_record::BOOT_JSON).exists();
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
