//! `hermes container sweep`: removes what a boot put away, as the account that owns it, while the container runs already.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use hermes_os::removal;

use hermes_operations::Report;

/// The places where `/init` puts directories away, and the prefix of their names (`leftovers.rs` of hermes-init).
const PLACES: [&str; 3] = ["/run", "/run/service", "/run/s6"];
const PUT_AWAY: &str = ".leftover-";

/// The time for one leftover. No process waits for the sweep.
const LIMIT: Duration = Duration::from_secs(60 * 60);

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Result<ExitCode, Report> {
    for leftover in leftovers() {
        // A leftover does no harm. Root removes an emptied directory in /run at the next boot.
        let _ = removal::remove(&leftover, LIMIT);
    }
    Ok(ExitCode::SUCCESS)
}

fn leftovers() -> impl Iterator<Item = PathBuf> {
    let entries = PLACES.into_iter().flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PUT_AWAY)))
        .map(|entry| entry.path())
}

/// Starts a sweep where there is something to sweep. Nobody waits for it: it ends by itself, and a stop of the container ends it as it
/// ends every orphan.
pub(super) fn start() {
    let Ok(program) = std::env::current_exe() else { return };
    if leftovers().next().is_none() {
        return;
    }
    let mut command = Command::new(program);
    command.args(["container", "sweep"]).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A later boot sweeps where this one cannot.
    let _ = command.spawn();
}
