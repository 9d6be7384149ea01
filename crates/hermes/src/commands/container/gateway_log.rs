//! `hermes container gateway-log SLOT/log`: becomes the `s6-log` of a gateway's slot.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::gateway_run::profile_of;
use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the logger's slot, which s6-supervise passes.
    slot: String,
}

const S6_LOG: &str = "/command/s6-log";

/// Ten old files beside the current one, of a megabyte each.
const ROTATION: [&str; 2] = ["n10", "s1000000"];

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let slot = arguments.slot.strip_suffix("/log").unwrap_or(&arguments.slot);
    let profile = profile_of(slot)?;
    let directory = context.home.gateway_logs_directory(&profile);
    let mut logger = Command::new(S6_LOG);
    match std::fs::create_dir_all(&directory) {
        Ok(()) => {
            logger.args(ROTATION).arg("T").arg(&directory);
        }
        // The container's log is better than none.
        Err(error) => {
            CommandError::new(Exit::CannotWrite, format!("cannot log to {}", directory.display()))
                .caused_by(error)
                .hint("only the container's own log has the lines of this gateway")
                .report();
        }
    }
    logger.args([OsString::from(format!("p{slot}:")), "1".into()]);
    let error = logger.exec();
    Err(CommandError::new(Exit::CannotRun, format!("cannot run {S6_LOG}")).caused_by(error))
}
