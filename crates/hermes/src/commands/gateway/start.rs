//! `hermes gateway start`.

use std::process::ExitCode;
use std::time::Duration;

use hermes_core::{DesiredState, GatewayState, Home, ObservedState, ProfileName, StateFile, StateRead};
use hermes_service::{ServiceError, ServiceManager, Wait};

use super::each;
use crate::context::Context;
use crate::error::CommandError;
use crate::foreground;
use hermes_core::gateway::log as gateway_log;
use hermes_os::waiting;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway start                    the active profile's gateway; returns when it is ready
  hermes -p coder gateway start --no-wait
  hermes gateway start --all --timeout 2m")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    each::run(context, &arguments.each, "ready", |manager, profile, wait| {
        start(context, manager, profile, wait)
    })
}

/// Writes the intent, then starts the gateway.
pub(crate) fn start(
    context: &Context,
    manager: &dyn ServiceManager,
    profile: &ProfileName,
    wait: Wait,
) -> Result<(), CommandError> {
    started_by(context, manager, profile, |manager| manager.start(profile, wait))
}

/// The same for whatever starts it. A profile that nobody registered, since its directory was copied here, is registered.
pub(super) fn started_by(
    context: &Context,
    manager: &dyn ServiceManager,
    profile: &ProfileName,
    start: impl Fn(&dyn ServiceManager) -> Result<(), ServiceError>,
) -> Result<(), CommandError> {
    super::must_be_driven_from_here(manager)?;
    foreground::must_not_run(&context.home, manager, profile)?;
    StateFile::of(&context.home, profile).set_desired(DesiredState::Running)?;
    let log_before = gateway_log::end(&context.home, profile);
    let said_before = last_word(context, profile);
    let result = match start(manager) {
        Err(ServiceError::NoSuchGateway { .. }) if manager.supports_runtime_registration() => {
            manager.register_profile_gateway(profile)?;
            start(manager)
        }
        other => other,
    };
    result.map_err(|error| {
        let comes_from_the_gateway =
            matches!(error, ServiceError::GaveUp { .. } | ServiceError::TimedOut { .. });
        if matches!(error, ServiceError::GaveUp { .. }) {
            wait_for_the_last_words(&context.home, profile, log_before);
        }
        let error = CommandError::from(error);
        if comes_from_the_gateway {
            // What the gateway itself recorded: the log may not have it yet.
            let error = match startup_failure(context, profile, &said_before) {
                Some(reason) => error.cause(reason),
                None => error,
            };
            error.log(gateway_log::last_lines(&context.home, profile, 5))
        } else {
            error
        }
    })
}

/// What tells one word of a gateway about itself from another: who said it, and when.
type LastWord = (Option<u32>, Option<u64>, Option<String>);

fn word_of(state: &GatewayState) -> LastWord {
    (state.pid(), state.start_time(), state.updated_at().map(str::to_owned))
}

/// What it has said so far.
fn last_word(context: &Context, profile: &ProfileName) -> Option<LastWord> {
    match StateFile::of(&context.home, profile).read() {
        StateRead::Read(state) => Some(word_of(&state)),
        _ => None,
    }
}

/// Why the gateway could not start, as it says itself; what it had said `before` this start is not the reason.
fn startup_failure(context: &Context, profile: &ProfileName, before: &Option<LastWord>) -> Option<String> {
    let StateRead::Read(state) = StateFile::of(&context.home, profile).read() else { return None };
    let failed = state.observed().known() == Some(ObservedState::StartupFailed);
    let is_new = before.as_ref() != Some(&word_of(&state));
    state.exit_reason().filter(|_| failed && is_new).map(str::to_owned)
}

/// How long the logger has for what it was given: it writes within milliseconds, unless the machine is busy.
const LOGGED: Duration = Duration::from_secs(2);

/// The slot's `finish` says that it gives the gateway up before s6 does; the logger may be slower than both.
fn wait_for_the_last_words(home: &Home, profile: &ProfileName, before: Option<gateway_log::End>) {
    waiting::until(LOGGED, Duration::from_millis(2), || {
        gateway_log::end(home, profile) != before
            && gateway_log::last_lines(home, profile, 1).iter().any(|line| line.contains("is given up"))
    });
}
