//! `run` of the slot that supervises the user tree: waits for the booter, becomes the account for good, and becomes `s6-svscan` on
//! `/run/service`.

use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Signal, test_kill_process};

use crate::account;
use crate::environment::Environment;
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::settings;
use crate::tree::SERVICES_MAX;

/// Becomes the user tree. The gate opens when the booter unlocks it, or ends.
pub(crate) fn exec() -> Result<ExitCode> {
    let gate = std::fs::File::open(paths::GATE).with_context(|| format!("failed to open {}", paths::GATE))?;
    gate.lock_shared().with_context(|| format!("failed to wait for {}", paths::GATE))?;
    drop(gate);

    // Not earlier: the set-up may have given the account other IDs.
    let account = account::resolve()?;
    let environment =
        if settings::keeps_environment() { Environment::load()? } else { Environment::minimal() };
    let environment = environment.adapted_to(&account, false);
    let mut program = Command::new(tool::S6_SVSCAN);
    program.args(["-C", SERVICES_MAX, "--", paths::SERVICE]).env_clear().envs(environment.iter());
    account.assume().context("failed to become the account of the user tree")?;
    end_orphaned_supervisors();
    Err(program.exec()).with_context(|| format!("failed to run {}", tool::S6_SVSCAN))
}

/// The time that the supervisors of a killed tree have to stop their services.
const ORPHANS_GRACE: Duration = Duration::from_secs(5);

/// Ends the `s6-supervise` processes that a killed `s6-svscan` left behind.
///
/// They hold their slots, so the new tree could supervise no service. SIGTERM makes them stop their services and end. This runs as
/// the account, so it reaches no other processes.
fn end_orphaned_supervisors() {
    let Some(supervisor) = ProcessIdentity::read_alive(paths::SUPERVISOR) else { return };
    let orphans = || Processes::now().children_named(supervisor.pid(), b"s6-supervise");
    let deadline = Instant::now() + ORPHANS_GRACE;
    let mut signalled = HashSet::new();
    loop {
        // Those of the root tree are root's: the signal does not reach them, and this does not wait for them.
        let found = orphans().into_iter();
        let left: Vec<_> = found.filter(|&pid| test_kill_process(pid).is_ok()).collect();
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            signal_all(left, Signal::KILL);
            return;
        }
        signal_all(left.into_iter().filter(|&pid| signalled.insert(pid)), Signal::TERM);
        std::thread::sleep(Duration::from_millis(5));
    }
}
