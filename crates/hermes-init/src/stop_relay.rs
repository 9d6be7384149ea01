//! `run` of the slot `stop-relay` in the root tree: passes a SIGTERM to `s6-svscan` on to the booter.
//!
//! `s6-svscan` must fork to run a handler. If no PID is left, that fails and the booter does not learn of the signal. Without a
//! handler `s6-svscan` signals each `s6-supervise` with kill(2). The one of this slot sends SIGTERM to this process, which already
//! runs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use rustix::process::{Signal, kill_process};

use crate::held;
use crate::message;
use crate::paths;
use crate::process_identity::ProcessIdentity;
use crate::signals;

/// Waits for SIGTERM and passes it on to the booter.
pub(crate) fn wait() -> Result<ExitCode> {
    signals::block(&[Signal::TERM]).context("failed to block SIGTERM")?;
    let _ = rustix::thread::set_name(c"stop-relay");
    // The handler covered the time before. From here on no SIGTERM is lost.
    let handler = Path::new(paths::SCANDIR).join(".s6-svscan/SIGTERM");
    match fs::remove_file(&handler) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            message::warning(format_args!("failed to remove {}: {error}", handler.display()));
        }
        Ok(()) | Err(_) => {}
    }
    signals::wait_for(&[Signal::TERM]).context("failed to wait for SIGTERM")?;
    let booter = ProcessIdentity::read_alive(paths::BOOTER);
    if booter.is_none_or(|booter| kill_process(booter.pid(), Signal::TERM).is_err()) {
        held::release_all();
    }
    Ok(ExitCode::SUCCESS)
}
