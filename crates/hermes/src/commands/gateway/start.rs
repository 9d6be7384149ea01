//! `hermes gateway start`.

use std::process::ExitCode;

use hermes_core::{DesiredState, ProfileName, StateFile};
use hermes_service::{ServiceError, ServiceManager, Wait};

use super::each;
use crate::context::Context;
use crate::error::CommandError;
use crate::gateway_log;

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
    StateFile::of(&context.home, profile).set_desired(DesiredState::Running)?;
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
        let error = CommandError::from(error);
        if comes_from_the_gateway {
            error.log(gateway_log::last_lines(&context.home, profile, 5))
        } else {
            error
        }
    })
}
