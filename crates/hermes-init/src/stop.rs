//! The orderly stop. Nothing waits a fixed time: each step is over the moment
//! that what it waits for has happened.
//!
//! The command and the services get SIGTERM together; `s6-svscan` takes its tree
//! down and becomes `finish`, which says so; then `cont-finish.d` runs. What is
//! left after that is `finish`'s to end (`handlers`).
//!
//! None of these steps needs a new process, except scripts and the order of the user tree's services: an agent may have
//! taken every PID.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{self, Pid};

use crate::account::Account;
use crate::boot_record::BootRecord;
use crate::booter::Plans;
use crate::children::Children;
use crate::environment::Environment;
use crate::forwarder::Inlets;
use crate::held;
use crate::message;
use crate::paths;
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::scripts;
use crate::services::{self, Plan, Worker};
use crate::settings::Settings;
use crate::tree::Tree;

/// What is left to services whose turn comes when the grace time is over already.
const LAST_CALL: Duration = Duration::from_millis(500);

/// How often a stop looks whether `s6-svscan` listens.
const LOOK: Duration = Duration::from_millis(2);

/// What a stop needs to know.
pub(crate) struct Stop<'a> {
    pub(crate) settings: &'a Settings,
    /// Of the trees and their scripts.
    pub(crate) environment: &'a Environment,
    pub(crate) account: &'a Account,
    /// The streams of whatever belongs to the trees.
    pub(crate) inlets: &'a Inlets,
}

impl Stop<'_> {
    /// Stops everything and runs `cont-finish.d`; returns the exit code of the command, if it ran.
    pub(crate) fn run(&self, children: &mut Children, plans: &Plans, program: Option<Pid>) -> Option<u8> {
        let deadline = Instant::now() + self.settings.services_grace;
        if let Some(program) = program.filter(|&program| children.code_of(program).is_none()) {
            ask_to_end(program);
        }
        self.take_down(&plans.user, Tree::User, children, deadline);
        if plans.need_order() && !children.tree_has_ended() {
            let user_tree = Path::new(paths::USER_TREE);
            held::release(user_tree);
            if !plans.system.services.is_empty() {
                // What root runs may be what the user tree needs.
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
                let _ = killpg(program, Signal::SIGKILL);
            }
            let all = Processes::now();
            signal_all(all.supervised_below(supervisor()), Signal::SIGKILL);
            let last = Some(Instant::now() + LAST_CALL);
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
        let environment = self.environment.clone().fitted_to(self.account, tree == Tree::Root);
        let worker = Worker::start(account, self.inlets, BootRecord::start(), |_| {
            services::take_down(plan, tree, &environment, deadline);
            true
        });
        match worker {
            Ok(worker) => worker.wait_through(children, deadline + LAST_CALL),
            // What root supervises needs no other process: root writes into its own FIFOs.
            Err(error) if tree == Tree::Root => {
                message::warning(format_args!("no oneshot of root's runs `down`: {error:#}"));
                services::stop_longruns(plan, tree, deadline);
            }
            Err(error) => message::warning(format_args!("the services do not stop in order: {error:#}")),
        }
    }
}

/// Tells `s6-svscan` to take its tree down. It may be about to start, or have ended just now.
fn terminate(children: &mut Children, deadline: Instant) {
    while !children.tree_has_ended() && !Tree::supervisor().terminate() && Instant::now() < deadline {
        let soon = deadline.min(Instant::now() + LOOK);
        children.wait_until(Some(soon), |children| children.tree_has_ended());
    }
}

/// Runs `cont-finish.d`, within its grace time. Nothing of the supervision runs any more.
pub(crate) fn run_finish_scripts(settings: &Settings, environment: &Environment, children: &mut Children) {
    children.forget_requests();
    let deadline = Some(Instant::now() + settings.finish_grace);
    scripts::run_all(paths::CONT_FINISH, &[], environment, children, deadline, None, || ());
}

/// Stores the container's exit code for `finish`, unless a service decided it already.
pub(crate) fn store_exit_code(code: u8) {
    if fs::symlink_metadata(paths::EXIT_CODE).is_ok() {
        return;
    }
    if let Err(error) = fs::write(paths::EXIT_CODE, format!("{code}\n")) {
        message::warning(format_args!("cannot write {}: {error}", paths::EXIT_CODE));
    }
}

/// SIGTERM, as to every service. A program on a terminal gets SIGHUP as well, for its
/// terminal goes away: an interactive shell ignores SIGTERM.
fn ask_to_end(program: Pid) {
    let _ = kill(program, Signal::SIGTERM);
    if crate::spawn::streams().iter().any(|stream| unistd::isatty(stream).unwrap_or(false)) {
        let _ = kill(program, Signal::SIGHUP);
    }
    let _ = kill(program, Signal::SIGCONT);
}

/// The process that is `s6-svscan`, or `finish` already.
fn supervisor() -> Pid {
    ProcessIdentity::read_alive(paths::SUPERVISOR).map_or_else(unistd::getppid, ProcessIdentity::pid)
}
