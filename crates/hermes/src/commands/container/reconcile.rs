//! `hermes container reconcile`: boot reconciliation, before the account's tree starts.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use hermes_core::lease::Acquire;
use hermes_operations::lease_note::{self, LeaseNote, OtherHolder};
use hermes_operations::{Report, ReportKind, hint_for, is_read_only};
use hermes_service::reconcile::{MayStart, reconcile};
use hermes_service::s6::{IMAGE_PARTS, SCANDIR};

use super::sweep;
use crate::cli;
use crate::context::Context;
use crate::exit_code::Print as _;
use crate::output::note;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command of the container, as /init passes it to the scripts of cont-init.d.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// The command of a container that runs no gateways: it shows those of another container.
const LOOKS_ONLY: &str = "dashboard";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    sweep::start();
    if looks_only(&arguments.command) {
        return Ok(ExitCode::SUCCESS);
    }
    let command = cli::foreground_gateway(arguments.command.get(1..).unwrap_or_default());
    let command = command.and_then(|named| named.map_or_else(|| context.profile().ok(), Some));
    let may_start = match (&command, has_the_volume(context)) {
        (_, false) => MayStart::Nothing,
        (Some(profile), true) => MayStart::AllBut(profile),
        (None, true) => MayStart::All,
    };
    let done =
        reconcile(&context.home, Path::new(SCANDIR), Path::new(IMAGE_PARTS), may_start).map_err(|error| {
            Report::new(ReportKind::Failed, "failed to give the profiles their slots").caused_by(error)
        })?;
    if let Some(error) = &done.not_listed {
        Report::new(ReportKind::Failed, "only the default profile has its slot")
            .because(error)
            .hint("profiles/ must be a directory that the account hermes can read")
            .print();
    }
    // Of a read-only volume the set-up has told.
    if let Some(error) = done.not_logged.as_ref().filter(|error| !is_read_only(*error)) {
        Report::new(ReportKind::CannotWrite, "logs/container-boot.log has no lines of this boot")
            .because(error)
            .print();
    }
    for reconciled in &done.profiles {
        if let Err(error) = &reconciled.outcome {
            Report::new(ReportKind::Failed, format!("the profile '{}' has no slot", reconciled.profile))
                .because(error)
                .print();
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes the lease of the volume and notes what came of it. A lease that cannot be written keeps nobody's gateways down: a
/// read-only volume has no second writer to be afraid of, and a full disk is no reason to go silent.
fn has_the_volume(context: &Context) -> bool {
    let taken = lease_note::new_instance().and_then(|instance| {
        let other = match lease_note::lease(&context.home, &instance).take() {
            Ok(Acquire::Held(_)) => None,
            Ok(Acquire::Obstacle(obstacle)) => Some(OtherHolder::of(&obstacle)),
            // Of a read-only volume the set-up has told.
            Err(error) if is_read_only(&error) => None,
            Err(error) => {
                let hint = hint_for(ReportKind::CannotWrite, &error);
                Report::new(ReportKind::CannotWrite, "the volume has no lease of this container")
                    .caused_by(error)
                    .hint(hint)
                    .print();
                None
            }
        };
        if let Some(other) = &other {
            note!("hermes: {}; no gateway is started here until it is free", other.describe());
        }
        let may_start = other.is_none();
        LeaseNote { instance, other }.write()?;
        Ok(may_start)
    });
    taken.unwrap_or_else(|error| {
        error.print();
        true
    })
}

/// Returns `true` if the container's command, behind the entry point's own word, runs no gateways.
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
