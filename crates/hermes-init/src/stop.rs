//! The orderly stop. No step waits a fixed time: each ends when its condition holds.
//!
//! The command and the services get SIGTERM together. `s6-svscan` takes its tree down and becomes `finish`, which reports the end
//! of the tree. Then `cont-finish.d` runs. `finish` ends all processes that are left after that (`handlers`).
//!
//! These steps need no new process, except for scripts and for the order of the user tree's services: an agent may have taken
//! every PID.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process, kill_process_group};

use crate::account::Account;
use crate::boot_record::BootRecord;
use crate::children::Children;
use crate::environment::Environment;
use crate::forwarder::Inlets;
use crate::held;
use crate::message;
use crate::paths;
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::scripts;
use crate::services::{self, Plan, Plans, Worker};
use crate::settings::Settings;
use crate::streams;
use crate::tree::Tree;

/// The time for services whose turn comes after the end of the grace time.
const LAST_GRACE: Duration = Duration::from_millis(500);

/// The interval between two attempts to reach `s6-svscan`.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(2);

/// The inputs of a stop.
pub(crate) struct Stop<'a> {
    pub(crate) settings: &'a Settings,
    /// The environment of the trees and their scripts.
    pub(crate) environment: &'a Environment,
    pub(crate) account: &'a Account,
    /// The output streams of all processes of the trees.
    pub(crate) inlets: &'a Inlets,
}

impl Stop<'_> {
    /// Stops everything and runs `cont-finish.d`. Returns the exit code of the command, if it ran.
    pub(crate) fn run(&self, children: &mut Children, plans: &Plans, program: Option<Pid>) -> Option<u8> {
        let deadline = Instant::now() + self.settings.services_grace;
        if let Some(program) = program.filter(|&program| children.code_of(program).is_none()) {
            request_end(program);
        }
        self.take_down(&plans.user, Tree::User, children, deadline);
        if plans.has_order_at_stop() && !children.tree_has_ended() {
            let user_tree = Path::new(paths::USER_TREE);
            held::release(user_tree);
            if !plans.system.services.is_empty() {
                // Root's services may be dependencies of the user tree.
                held::wait_until_down(user_tree, deadline);
                self.take_down(&plans.system, Tree::Root, children, deadline);
                services::release_unordered(&plans.system);
            }
        }
        terminate(children, deadline);
        let ended =
            |children: &mut Children| program.is_none_or(|program| children.code_of(program).is_some());
        if !children.wait_until(Some(deadline), |children| children.tree_has_ended() && ended(children)) {
            if let Some(program) = program.filter(|&program| children.code_of(program).is_none()) {
                let _ = kill_process_group(program, Signal::KILL);
            }
            if let Some(supervisor) = supervisor() {
                signal_all(Processes::now().supervised_below(supervisor), Signal::KILL);
            }
            let last = Some(Instant::now() + LAST_GRACE);
            children.wait_until(last, |children| children.tree_has_ended() && ended(children));
        }
        run_finish_scripts(self.settings, self.environment, children);
        program.and_then(|program| children.code_of(program))
    }

    fn take_down(&self, plan: &Plan, tree: Tree, children: &mut Children, deadline: Instant) {
        if !plan.has_order_at_stop() || children.tree_has_ended() {
            return;
        }
        let account = (tree == Tree::User).then_some(self.account);
        let environment = self.environment.clone().adapted_to(self.account, tree == Tree::Root);
        let worker = Worker::start(account, self.inlets, BootRecord::start(), |_| {
            services::take_down(plan, tree, &environment, deadline);
            true
        });
        match worker {
            Ok(worker) => worker.wait_through(children, deadline + LAST_GRACE),
            // Root's own longruns need no other process: root writes into their FIFOs.
            Err(error) if tree == Tree::Root => {
                message::warning(format_args!("root's oneshots do not run `down`: {error:#}"));
                services::stop_longruns(plan, tree, deadline);
            }
            Err(error) => message::warning(format_args!("the services do not stop in order: {error:#}")),
        }
    }
}

/// Tells `s6-svscan` to take its tree down. Tries again, since it may be about to start.
fn terminate(children: &mut Children, deadline: Instant) {
    while !children.tree_has_ended() && !Tree::supervisor().terminate() && Instant::now() < deadline {
        let soon = deadline.min(Instant::now() + ATTEMPT_INTERVAL);
        children.wait_until(Some(soon), |children| children.tree_has_ended());
    }
}

/// Runs `cont-finish.d` within its grace time, after the end of the supervision.
pub(crate) fn run_finish_scripts(settings: &Settings, environment: &Environment, children: &mut Children) {
    children.forget_requests();
    let deadline = Some(Instant::now() + settings.finish_grace);
    scripts::run_all(paths::CONT_FINISH, &[], environment, children, deadline, None, || ());
}

/// Stores the container's exit code for `finish`, unless a service has stored one.
pub(crate) fn store_exit_code(code: u8) {
    if fs::symlink_metadata(paths::EXIT_CODE).is_ok() {
        return;
    }
    if let Err(error) = fs::write(paths::EXIT_CODE, format!("{code}\n")) {
        message::warning(format_args!("failed to write {}: {error}", paths::EXIT_CODE));
    }
}

/// Sends SIGTERM, as to every service. A program on a terminal also gets SIGHUP, since an interactive shell ignores SIGTERM.
fn request_end(program: Pid) {
    let _ = kill_process(program, Signal::TERM);
    if streams::has_terminal() {
        let _ = kill_process(program, Signal::HUP);
    }
    let _ = kill_process(program, Signal::CONT);
}

/// Returns the process that is `s6-svscan` or, later, `finish`.
fn supervisor() -> Option<Pid> {
    ProcessIdentity::read_alive(paths::SUPERVISOR).map(ProcessIdentity::pid).or_else(getppid)
}
