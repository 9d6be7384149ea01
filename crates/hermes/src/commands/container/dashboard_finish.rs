//! `hermes container dashboard-finish CODE SIGNAL SLOT PGID`: whether a dashboard that ended is started again.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use hermes_operations::Report;
use hermes_service::s6::{self, Crashes, Ending, SCANDIR, Verdict};

use super::dashboard_run::{NOT_WANTED, policy};
use super::gateway_finish::PERMANENT_FAILURE;
use crate::exit_code::Print as _;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The exit code, or 256 for a death by a signal.
    code: i32,
    /// The signal.
    signal: i32,
    /// The name of the slot.
    slot: String,
    /// The process group of what ended.
    _group: Option<i32>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Report> {
    if arguments.code == i32::from(NOT_WANTED) {
        return Ok(ExitCode::from(PERMANENT_FAILURE));
    }
    let slot = Path::new(SCANDIR).join(&arguments.slot);
    let desired_up = s6::slot_state(&slot, SystemTime::now()).is_ok_and(|state| state.desired_up);
    let policy = policy();
    let mut crashes = Crashes::load(&slot).unwrap_or_default();
    let ending = Ending::of_finish(arguments.code, arguments.signal);
    let verdict = crashes.ended(ending, desired_up, &policy, Crashes::now());
    if verdict != Verdict::Requested
        && let Err(error) = crashes.save(&slot)
    {
        Report::from(error).print();
    }
    Ok(match verdict {
        Verdict::Requested => ExitCode::SUCCESS,
        Verdict::Again { crashes: count, .. } => {
            let (most, window) = (policy.max_crashes, humantime::format_duration(policy.window));
            say!(
                "dashboard: it crashed ({ending}), {count} of {most} times within {window}: starting it again"
            );
            ExitCode::SUCCESS
        }
        Verdict::GivenUp { reason } => {
            say!("dashboard: it is given up: {reason}; correct that, then restart the container");
            ExitCode::from(PERMANENT_FAILURE)
        }
    })
}
