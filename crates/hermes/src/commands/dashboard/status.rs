//! `hermes dashboard status`.

use std::process::ExitCode;

use hermes_operations::dashboard_record::{DashboardState, Record};
use hermes_operations::{Report, supervised};
use serde::Serialize;

use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object: slot, record.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  docker exec CONTAINER hermes dashboard status   print both; exit code 1 after a failed start";

#[derive(Serialize)]
struct Status {
    /// `running`, `starting`, `stopped` or `booting`; `None` if no s6 supervises.
    slot: Option<&'static str>,
    /// Its last record.
    record: Option<Record>,
}

impl Status {
    /// Returns the record of a failed start; `None` if the dashboard is up or starts again.
    fn failed(&self) -> Option<&Record> {
        let is_down = matches!(self.slot, None | Some("stopped"));
        self.record
            .as_ref()
            .filter(|record| is_down && record.dashboard_state == DashboardState::StartupFailed)
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let booting = !supervised::boot_is_complete();
    let word = match supervised::dashboard() {
        _ if !supervised::s6_runs() => None,
        Some(state) if state.ready => Some("running"),
        Some(state) if state.up => Some("starting"),
        Some(_) => Some("stopped"),
        None => booting.then_some("booting"),
    };
    let status = Status { slot: word, record: Record::load(&context.home) };
    let failed = status.failed();
    if arguments.json {
        output::json(&status);
    } else {
        say!("slot: {}", status.slot.unwrap_or("not supervised here"));
        if let Some(address) = status.record.as_ref().and_then(|record| record.address.as_deref()) {
            say!("address: {address}");
        }
        if let Some(reason) = failed.and_then(|record| record.exit_reason.as_deref()) {
            say!("it could not start: {reason}");
        }
    }
    Ok(if failed.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_failed_is_told_until_the_next_one_has_begun() {
        let failed = |slot| {
            let record = Record {
                dashboard_state: DashboardState::StartupFailed,
                pid: 1,
                address: None,
                exit_reason: Some("the port is taken".into()),
                updated_at: String::new(),
            };
            Status { slot, record: Some(record) }.failed().is_some()
        };
        assert!(failed(None) && failed(Some("stopped")));
        assert!(!failed(Some("booting")) && !failed(Some("starting")) && !failed(Some("running")));
    }
}
