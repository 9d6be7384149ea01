//! `hermes gateway run`: the gateway itself; under s6, what hands it over to supervision.

use std::env;
use std::ffi::CString;
use std::process::ExitCode;

use hermes_core::{ProfileName, is_truthy};
use hermes_gateway::Options;
use hermes_operations::{Report, ReportKind, environment, lease_note, selecting};
use hermes_service::Wait;

use crate::commands::container::SUPERVISED_CHILD;
use crate::context::Context;
use crate::failures;
use crate::output::{Printer, note};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  docker run -d -v hermes:/opt/data IMAGE gateway run    run the default gateway, supervised
  hermes -p coder gateway run --no-supervise             run in the foreground, until Ctrl-C")]
pub(crate) struct Arguments {
    /// Run in the foreground even if a supervisor runs (HERMES_GATEWAY_NO_SUPERVISE=1 does the same).
    #[arg(long)]
    no_supervise: bool,
}

impl Arguments {
    /// Returns `true` if the user opts out of supervision.
    pub(super) fn opts_out(&self) -> bool {
        self.no_supervise || env::var_os(NO_SUPERVISE).is_some_and(|value| is_truthy(&value))
    }
}

/// `1`, `true` or `yes`: the gateway runs in the foreground.
const NO_SUPERVISE: &str = "HERMES_GATEWAY_NO_SUPERVISE";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let supervised = env::var_os(SUPERVISED_CHILD).is_some_and(|value| value == "1");
    // Under supervision the gateway itself finds that its profile is gone, and says so in a way that ends the matter.
    let profile = if supervised { context.profile()? } else { context.existing_profile()? };
    if !supervised && !arguments.opts_out() && context.s6().is_some() {
        return hand_over(context, &profile);
    }
    let options = Options {
        home: context.home.clone(),
        profile,
        environment: environment(),
        argv: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: if supervised { hermes_server::notification_fd() } else { None },
        supervised,
    };
    match hermes_gateway::run(options) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(failures::of_gateway(&error, supervised)),
    }
}

/// Starts the gateway under s6, says so, and stays as `sleep infinity` does: what a `docker run IMAGE gateway run` expects.
fn hand_over(context: &Context, profile: &ProfileName) -> Result<ExitCode, Report> {
    note!(
        "hermes: the gateway '{profile}' runs under s6 supervision: it is started again when it crashes, and after a \
         restart of the container."
    );
    note!(
        "hermes: opt out with `gateway run --no-supervise` or {NO_SUPERVISE}=1; look with `hermes {}gateway status`.",
        selecting(profile)
    );
    lease_note::wait_until_ours(&Printer);
    context.operations()?.start(profile, Wait::No)?;
    let sleep = [c"sleep", c"infinity"].map(CString::from);
    match nix::unistd::execv(c"/usr/bin/sleep", &sleep) {
        Ok(never) => match never {},
        Err(error) => {
            Err(Report::new(ReportKind::CannotRun, "failed to run /usr/bin/sleep").caused_by(error))
        }
    }
}
