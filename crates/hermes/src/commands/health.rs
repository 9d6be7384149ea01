//! `hermes health`: what the image's `HEALTHCHECK` runs.

use std::process::ExitCode;

use hermes_operations::Report;
use hermes_operations::supervised::{self, Supervised};
use serde::Serialize;

use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object: healthy, booting, tree_runs, slots.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes health          print each service that is not in its desired state
  hermes health --json   print JSON for a program";

#[derive(Serialize)]
struct Health {
    healthy: bool,
    /// The boot is not complete yet.
    booting: bool,
    /// The supervisor of the slots runs.
    tree_runs: bool,
    slots: Vec<Supervised>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Report> {
    let booting = !supervised::boot_is_complete();
    let slots = supervised::all()?;
    let tree_runs = supervised::tree_runs();
    let healthy = !booting && tree_runs && slots.iter().all(Supervised::is_well);
    let health = Health { healthy, booting, tree_runs, slots };
    if arguments.json {
        output::json(&health);
    } else if health.healthy {
        say!("healthy: {} slots are as they should be", health.slots.len());
    } else if booting {
        say!("unhealthy: the boot is not complete");
    } else {
        // A line for each: a slot that is given up stays so without its tree.
        if !tree_runs {
            say!("unhealthy: nothing supervises /run/service");
        }
        for slot in health.slots.iter().filter(|slot| !slot.is_well()) {
            if slot.is_missing() {
                say!("unhealthy: {}: desired running, is {}", slot.name, slot.word());
            } else {
                say!("unhealthy: {} is {}", slot.name, slot.word());
            }
        }
    }
    Ok(if health.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
