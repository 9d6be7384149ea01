//! `hermes container gateway-finish CODE SIGNAL SLOT PGID`: whether a gateway that ended is started again.

use std::process::ExitCode;

use hermes_operations::{Report, selecting};
use hermes_service::ServiceManager;
use hermes_service::s6::{Crashes, Ending, S6, Verdict};

use super::gateway_run::{policy, profile_of};
use crate::context::Context;
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
    group: Option<i32>,
}

/// Tells s6-supervise that the slot stays down: servicedir(7).
pub(super) const PERMANENT_FAILURE: u8 = 125;

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    super::log_everything();
    let profile = profile_of(&arguments.slot)?;
    let s6 = S6::of_the_image(context.home.clone());
    let ending = Ending::of_finish(arguments.code, arguments.signal);
    let desired_up = s6.status(&profile)?.is_some_and(|status| status.desired_up);
    let policy = policy(context, &profile);
    let mut crashes = s6.crashes(&profile);
    let verdict = crashes.ended(ending, desired_up, &policy, Crashes::now());
    if let Verdict::GivenUp { reason } = &verdict {
        crashes.last_words = Some(format!(
            "gateway '{profile}' is given up: {reason}; correct that, then: hermes {}gateway start",
            selecting(&profile)
        ));
    }
    if verdict != Verdict::Requested
        && let Err(error) = crashes.save(&s6.slot(&profile))
    {
        Report::from(error).print();
    }
    if let (Some(group), true) = (arguments.group, arguments.code != 0) {
        end_group(group);
    }
    let last_words = crashes.last_words;
    Ok(match verdict {
        Verdict::Requested => ExitCode::SUCCESS,
        Verdict::Again { crashes, delay } => {
            let delay = if delay.is_zero() {
                "at once".to_owned()
            } else {
                format!("in {}", humantime::format_duration(delay))
            };
            let (most, window) = (policy.max_crashes, humantime::format_duration(policy.window));
            say!(
                "gateway '{profile}' crashed ({ending}), {crashes} of {most} times within {window}: \
                 starting it again {delay}"
            );
            ExitCode::SUCCESS
        }
        Verdict::GivenUp { .. } => {
            say!("{}", last_words.unwrap_or_default());
            ExitCode::from(PERMANENT_FAILURE)
        }
    })
}

/// Ends the child processes of a crashed gateway: they would keep its port and its files.
fn end_group(group: i32) {
    use nix::sys::signal::{Signal, killpg};
    if group > 1 {
        // None of them is left, most of the time.
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
}
