//! `hermes container reconcile`: boot reconciliation, before the account's tree starts.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use hermes_service::reconcile::reconcile;
use hermes_service::s6::{IMAGE_PARTS, SCANDIR};

use crate::account;
use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command of the container, as /init passes it to the scripts of cont-init.d.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// What runs no gateways when it is the container's command: it looks at those of another container.
const LOOKS_ONLY: &str = "dashboard";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    // What it reads the account can write.
    account::become_account()?;
    if looks_only(&arguments.command) {
        return Ok(ExitCode::SUCCESS);
    }
    let done = reconcile(&context.home, Path::new(SCANDIR), Path::new(IMAGE_PARTS), true).map_err(|error| {
        CommandError::new(Exit::Failed, "cannot give the profiles their slots").caused_by(error)
    })?;
    if let Some(error) = &done.not_listed {
        CommandError::new(Exit::Failed, "only the default profile has its slot")
            .because(error)
            .hint("profiles/ must be a directory that the account hermes can read")
            .report();
    }
    if let Some(error) = &done.not_logged {
        CommandError::new(Exit::CannotWrite, "logs/container-boot.log has no lines of this boot")
            .because(error)
            .report();
    }
    for (name, profile) in done.profiles_and_strays.names.iter().zip(&done.profiles) {
        if let Err(error) = &profile.outcome {
            CommandError::new(Exit::Failed, format!("the profile '{name}' has no slot")).because(error).report();
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the container's command, with the entry point's own word before it, is one that runs no gateways.
fn looks_only(command: &[OsString]) -> bool {
    command.get(1).is_some_and(|word| word == LOOKS_ONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_whose_command_is_dashboard_does_not_reconcile() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(looks_only(&words(&["/opt/hermes/docker/main-wrapper.sh", "dashboard", "--port", "1"])));
        assert!(!looks_only(&words(&["/opt/hermes/docker/main-wrapper.sh", "echo", "dashboard"])));
        assert!(!looks_only(&words(&["/opt/hermes/docker/main-wrapper.sh"])));
        assert!(!looks_only(&[]));
    }
}
