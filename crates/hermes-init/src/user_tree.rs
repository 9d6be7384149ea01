//! `run` of the slot that supervises the user tree: waits for the booter's go,
//! becomes the account for good, and becomes `s6-svscan` on `/run/service`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::account::Account;
use crate::environment::Environment;
use crate::paths::{self, tool};
use crate::settings;
use crate::tree::SERVICES_MAX;

/// Becomes the user tree. The gate opens when the booter unlocks it, or dies.
pub(crate) fn exec() -> Result<ExitCode> {
    let gate = std::fs::File::open(paths::GATE).with_context(|| format!("cannot open {}", paths::GATE))?;
    gate.lock_shared().with_context(|| format!("cannot wait at {}", paths::GATE))?;
    drop(gate);

    // Resolved only now: the set-up may have given the account other IDs.
    let account = Account::resolve()?;
    let mut program = Command::new(tool::S6_SVSCAN);
    program.args(["-d", "3", "-C", SERVICES_MAX, "--", paths::SERVICE]);
    if !settings::keeps_environment() {
        program.env_clear();
        let environment = Environment::minimal().fitted_to(&account, false);
        program.envs(environment.iter());
    }
    account.assume().context("cannot become the account of the user tree")?;
    Err(program.exec()).with_context(|| format!("cannot run {}", tool::S6_SVSCAN))
}
