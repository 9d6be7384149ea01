//! Starts the services of one tree, each after its dependencies.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::definition::{Definition, Kind};
use super::longrun::{self, Slot};
use super::plan::Plan;
use super::worker::run_to_end;
use crate::boot_record::BootRecord;
use crate::environment::Environment;
use crate::message;
use crate::paths::tool;
use crate::tree::Tree;

/// Starts the services of a plan in a tree. Calls `tree_starts` when all slots are in place; it makes the tree see them.
///
/// Returns `false` if a service did not start. Then it prints a warning, and the services that depend on it stay down. It starts
/// all others.
pub(crate) fn bring_up(
    plan: &Plan,
    tree: Tree,
    environment: &Environment,
    deadline: Option<Instant>,
    record: &mut BootRecord,
    tree_starts: impl FnOnce() -> Result<()>,
) -> bool {
    // The tools of s6 need a limit in any case: the longest that they accept.
    let deadline = deadline.unwrap_or_else(|| Instant::now() + longrun::LONGEST_WAIT);
    let mut failed = BTreeSet::new();
    let fail = |failed: &mut BTreeSet<String>, service: &Definition, error: anyhow::Error| {
        message::warning(format_args!("service {:?} did not come up: {error:#}", service.name));
        failed.insert(service.name.clone());
    };
    for service in plan.services.iter().filter(|service| service.kind == Kind::Longrun) {
        let held = !plan.needs[&service.name].is_empty();
        if let Err(error) = Slot::of(service, tree).write(service, held) {
            fail(&mut failed, service, error);
        }
    }
    if let Err(error) = tree_starts() {
        message::warning(format_args!("the services' tree cannot start: {error:#}"));
        return false;
    }
    for service in &plan.services {
        if failed.contains(&service.name) {
            continue;
        }
        let start = record.now_us();
        let missing = plan.needs[&service.name].intersection(&failed).next();
        let result = match missing {
            Some(needed) => Err(anyhow::anyhow!("it needs {needed:?}, which is not up")),
            None => {
                message::info(format_args!("starting service {:?}", service.name));
                start_one(service, tree, plan, environment, deadline)
            }
        };
        record.add_part("services", format!("service {}", service.name), start, None);
        if let Err(error) = result {
            fail(&mut failed, service, error);
        }
    }
    failed.is_empty()
}

fn start_one(
    service: &Definition,
    tree: Tree,
    plan: &Plan,
    environment: &Environment,
    deadline: Instant,
) -> Result<()> {
    if service.kind == Kind::Oneshot {
        return run_oneshot(service, "up", environment, deadline);
    }
    let slot = Slot::of(service, tree);
    slot.wait_until_supervised(deadline)?;
    if service.is_down() {
        return Ok(());
    }
    if !plan.needs[&service.name].is_empty() {
        return slot.start(deadline);
    }
    // A supervised service counts as started, unless another service or a readiness notification needs more.
    if plan.ordered.contains(&service.name) || slot.notifies_readiness() {
        return slot.wait_until_up(deadline);
    }
    Ok(())
}

/// Runs `up` or `down` of a oneshot: one execline command line, as in s6-rc.
pub(super) fn run_oneshot(
    service: &Definition,
    script: &str,
    environment: &Environment,
    deadline: Instant,
) -> Result<()> {
    let Some(file) = service.file(script) else { return Ok(()) };
    let own_limit = service.timeout(&format!("timeout-{script}"))?;
    let limit =
        own_limit.map_or(deadline, |limit| deadline.min(Instant::now() + Duration::from_millis(limit)));
    let mut command = Command::new(tool::EXECLINEB);
    command.arg("-P").arg(&file).stdin(Stdio::null()).current_dir("/").env_clear().envs(environment.iter());
    match run_to_end(command, limit).with_context(|| format!("failed to run {}", file.display()))? {
        Some(0) => Ok(()),
        Some(code) => bail!("{} exited {code}", file.display()),
        None => bail!("{} took too long and was ended", file.display()),
    }
}
