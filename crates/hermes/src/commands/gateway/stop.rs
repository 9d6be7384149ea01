//! `hermes gateway stop`.

use std::process::ExitCode;

use hermes_core::{DesiredState, ProfileName, StateFile};
use hermes_service::{ServiceError, ServiceManager, Wait};

use super::each;
use crate::context::Context;
use crate::error::CommandError;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway stop               the active profile's gateway; returns when it is down
  hermes gateway stop --all")]
pub(crate) struct Arguments {
    #[command(flatten)]
    each: each::Arguments,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    each::run(context, &arguments.each, "down", |manager, profile, wait| {
        stop(context, manager, profile, wait)
    })
}

/// Writes the intent, then stops the gateway: where the intent cannot be written (a full disk) it is stopped all the same, and the
/// failure is told.
pub(crate) fn stop(
    context: &Context,
    manager: &dyn ServiceManager,
    profile: &ProfileName,
    wait: Wait,
) -> Result<(), CommandError> {
    super::must_be_driven_from_here(manager)?;
    let intent = StateFile::of(&context.home, profile).set_desired(DesiredState::Stopped);
    match manager.stop(profile, wait) {
        // What nobody supervises is down.
        Err(ServiceError::NoSuchGateway { .. }) => {}
        other => other?,
    }
    Ok(intent?)
}
