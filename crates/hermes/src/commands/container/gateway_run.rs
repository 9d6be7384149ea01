//! `hermes container gateway-run SLOT`: the way from a slot's `run` to its gateway.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use hermes_account::withheld::DASHBOARD_LOGIN;
use hermes_core::ProfileName;
use hermes_core::config::{self, RestartPolicy};
use hermes_core::gateway::settings::settings_of;
use hermes_operations::{Report, ReportKind, environment};
use hermes_service::s6::{Crashes, S6};

use crate::context::Context;
use crate::exit_code::Print as _;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the slot, which s6-supervise passes.
    slot: String,
}

/// Tells the gateway that it is supervised already.
pub(crate) const SUPERVISED_CHILD: &str = "HERMES_S6_SUPERVISED_CHILD";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    super::log_everything();
    let profile = profile_of(&arguments.slot)?;
    let s6 = S6::of_the_image(context.home.clone());
    let slot = s6.slot(&profile);
    if let Err(error) = s6.start_logger(&slot) {
        let report = Report::new(ReportKind::Failed, "the gateway's log is not kept").because(&error);
        report.print();
    }
    if let Err(error) = s6.set_time_to_end(&slot, drain_timeout(context, &profile)) {
        Report::from(error).print();
    }
    let crashes = s6.crashes(&profile);
    // The policy costs a look at the configuration, and nearly every start has no crash before it.
    let delay = if crashes == Crashes::default() {
        Duration::ZERO
    } else {
        crashes.delay_left(&policy(context, &profile), Crashes::now())
    };
    if !delay.is_zero() {
        wait_after_a_crash(delay);
    }
    let mut gateway = Command::new("/opt/hermes/bin/hermes");
    gateway.env(SUPERVISED_CHILD, "1");
    for name in DASHBOARD_LOGIN {
        gateway.env_remove(name);
    }
    if !profile.is_default() {
        gateway.args(["-p", profile.as_str()]);
    }
    let error = gateway.args(["gateway", "run"]).exec();
    Err(Report::new(ReportKind::CannotRun, "failed to run /opt/hermes/bin/hermes").caused_by(error))
}

/// The profile of a slot's name.
pub(super) fn profile_of(slot: &str) -> Result<ProfileName, Report> {
    ProfileName::from_gateway_slot_name(slot)
        .ok_or_else(|| Report::new(ReportKind::Configuration, format!("{slot:?} is no slot of a gateway")))
}

/// How its crashes are treated. What cannot be read the gateway itself will complain of.
pub(super) fn policy(context: &Context, profile: &ProfileName) -> RestartPolicy {
    let config = config::load(&context.home.config(profile)).ok().flatten().unwrap_or_default();
    RestartPolicy::resolve(&config).unwrap_or_default()
}

/// How long it may finish what is in flight, as the gateway itself will find it.
fn drain_timeout(context: &Context, profile: &ProfileName) -> Duration {
    settings_of(&context.home, profile, &environment())
        .map_or(config::DEFAULT_DRAIN_TIMEOUT, |settings| settings.drain_timeout)
}

/// The growing delay. It is spent here, where a stop ends it at once: SIGTERM has its default effect.
pub(super) fn wait_after_a_crash(delay: Duration) {
    say!("waiting {} after a crash", humantime::format_duration(rounded(delay)));
    std::thread::sleep(delay);
}

fn rounded(delay: Duration) -> Duration {
    Duration::from_millis(u64::try_from(delay.as_millis().div_ceil(100) * 100).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use hermes_account::withheld::{DASHBOARD_PASSWORD, DASHBOARD_PASSWORD_HASH};

    #[test]
    fn the_dashboard_reads_the_variables_that_agents_do_not_get() {
        assert_eq!(hermes_dashboard::PASSWORD, DASHBOARD_PASSWORD);
        assert_eq!(hermes_dashboard::PASSWORD_HASH, DASHBOARD_PASSWORD_HASH);
    }
}
