//! `hermes container dashboard-run`: the process of the slot `dashboard`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hermes_core::config::RestartPolicy;
use hermes_operations::Report;
use hermes_service::s6::{Crashes, SCANDIR};

use super::gateway_run::wait_after_a_crash;
use crate::commands::dashboard;
use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the slot, which s6-supervise passes.
    #[arg(default_value = "dashboard")]
    slot: String,
}

/// `finish` knows by it that nobody wants the dashboard. Of sysexits(3) the one that says "not available".
pub(super) const NOT_WANTED: u8 = 69;

/// The policy of gateways, but whoever looks at a page does not wait longer than this: killed, it is back and bound within two
/// seconds, however often.
pub(super) fn policy() -> RestartPolicy {
    RestartPolicy { max_delay: Duration::from_secs(1), ..RestartPolicy::default() }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    // The slot is down then, and only somebody who brought it up by hand comes here.
    if !dashboard::is_wanted() {
        say!("dashboard: HERMES_DASHBOARD is not 1, true or yes: it stays down");
        return Ok(ExitCode::from(NOT_WANTED));
    }
    let slot = Path::new(SCANDIR).join(&arguments.slot);
    let crashes = Crashes::load(&slot).unwrap_or_default();
    let delay = crashes.delay_left(&policy(), Crashes::now());
    if !delay.is_zero() {
        wait_after_a_crash(delay);
    }
    dashboard::serve_slot(context, hermes_server::notification_fd())
}
