//! `run` of the slot that supervises the user tree: waits for the booter's go,
//! becomes the account for good, and becomes `s6-svscan` on `/run/service`.

use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account;
use crate::environment::Environment;
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::settings;
use crate::tree::SERVICES_MAX;

/// Becomes the user tree. The gate opens when the booter unlocks it, or dies.
pub(crate) fn exec() -> Result<ExitCode> {
    let gate = std::fs::File::open(paths::GATE).with_context(|| format!("cannot open {}", paths::GATE))?;
    gate.lock_shared().with_context(|| format!("cannot wait at {}", paths::GATE))?;
    drop(gate);

    // Resolved only now: the set-up may have given the account other IDs.
    let account = account::resolve()?;
    let environment =
        if settings::keeps_environment() { Environment::load()? } else { Environment::minimal() };
    let environment = environment.fitted_to(&account, false);
    let mut program = Command::new(tool::S6_SVSCAN);
    program.args(["-C", SERVICES_MAX, "--", paths::SERVICE]).env_clear().envs(environment.iter());
    account.assume().context("cannot become the account of the user tree")?;
    end_strays();
    Err(program.exec()).with_context(|| format!("cannot run {}", tool::S6_SVSCAN))
}

/// How long the supervisors of a tree that was killed have to stop their services.
const STRAYS_GRACE: Duration = Duration::from_secs(5);

/// An `s6-svscan` that was killed leaves its `s6-supervise`s behind, holding
/// their slots: the new one could supervise nothing. They are told to take their
/// services down and end; done as the account, so that it can reach no others.
fn end_strays() {
    let Some(supervisor) = ProcessIdentity::read_alive(paths::SUPERVISOR) else { return };
    let strays = || Processes::now().children_named(supervisor.pid(), b"s6-supervise");
    let deadline = Instant::now() + STRAYS_GRACE;
    let mut told = HashSet::new();
    loop {
        // Those of the root tree are root's: the signal does not reach them, and they are not waited for.
        let found = strays().into_iter();
        let left: Vec<i32> = found.filter(|&pid| kill(Pid::from_raw(pid), None).is_ok()).collect();
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            signal_all(left, Signal::SIGKILL);
            return;
        }
        signal_all(left.into_iter().filter(|&pid| told.insert(pid)), Signal::SIGTERM);
        std::thread::sleep(Duration::from_millis(5));
    }
}
