//! `run` of the slot `stop-relay` in the root tree: tells the booter of a SIGTERM to `s6-svscan`.
//!
//! `s6-svscan` must fork to run a handler, and the booter never learns of the signal when no PID is left. Without one it tells each
//! `s6-supervise` by kill(2), and the one of this slot sends SIGTERM to this process, which was there before.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};

use crate::held;
use crate::message;
use crate::paths;
use crate::process_identity::ProcessIdentity;

/// Waits for SIGTERM and passes it on to the booter.
pub(crate) fn wait() -> Result<ExitCode> {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block().context("failed to block SIGTERM")?;
    let _ = prctl::set_name(c"stop-relay");
    // The handler was for the time before: from here on no SIGTERM is lost.
    let handler = Path::new(paths::SCANDIR).join(".s6-svscan/SIGTERM");
    match fs::remove_file(&handler) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            message::warning(format_args!("failed to remove {}: {error}", handler.display()));
        }
        Ok(()) | Err(_) => {}
    }
    term.wait().context("failed to wait for SIGTERM")?;
    let booter = ProcessIdentity::read_alive(paths::BOOTER);
    if booter.is_none_or(|booter| kill(booter.pid(), Signal::SIGTERM).is_err()) {
        held::release_all();
    }
    Ok(ExitCode::SUCCESS)
}
