//! The booter: a child of `/init` that runs the set-up scripts, starts the services, runs the command, and stops everything.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use hermes_account::withheld;
use rustix::process::Pid;

use crate::account::{self, Account};
use crate::boot_record::BootRecord;
use crate::children::{Children, Waited, signal_exit_code};
use crate::command;
use crate::environment::Environment;
use crate::forwarder::{Forwarder, Inlets, Outlets};
use crate::held;
use crate::message::{self, EX_CONFIG};
use crate::paths;
use crate::scripts::{self, Outcome};
use crate::services::{self, Graph, Plan, Plans, Worker};
use crate::settings::{OnFailure, Settings};
use crate::stop::{self, Stop};
use crate::streams;
use crate::tree::Tree;

/// The data of the booter, from the preparation.
pub(crate) struct Booter {
    pub(crate) account: Account,
    pub(crate) settings: Settings,
    pub(crate) record: BootRecord,
    /// The container's environment, as the engine gave it.
    pub(crate) environment: Environment,
    /// The environment of the trees and their scripts.
    pub(crate) tree_environment: Environment,
    /// The command and its arguments; empty if the container runs services only.
    pub(crate) arguments: Vec<OsString>,
    /// The locked file that the user tree waits for.
    pub(crate) gate: File,
    /// The output streams of all processes of the trees.
    pub(crate) inlets: Inlets,
}

/// The result of the boot.
enum Booted {
    /// Everything started, or the settings ignore failures.
    Complete,
    /// Something failed, and the settings require a stop with this exit code.
    Failed(u8),
    /// Somebody asked for a stop, or the tree ended.
    Interrupted,
}

impl Booter {
    /// Runs the container from the boot to the stop, and returns its exit code. The forwarder reads the `outlets`.
    pub(crate) fn run(mut self, outlets: Outlets) -> u8 {
        let mut children = match Children::watch() {
            Ok(children) => children,
            Err(error) => {
                message::fatal(&error);
                return EX_CONFIG;
            }
        };
        match Forwarder::start(outlets) {
            Ok(forwarder) => children.keep(forwarder),
            Err(error) => {
                message::fatal(&error.context("failed to start the log forwarder"));
                return EX_CONFIG;
            }
        }
        let mut plans = Plans::default();
        let mut program = None;
        let mut code = None;
        match self.boot(&mut children, &mut plans) {
            Ok(Booted::Complete) => match self.start_command() {
                Ok(started) => program = started,
                Err(failed) => code = Some(failed),
            },
            Ok(Booted::Failed(failed)) => code = Some(failed),
            Ok(Booted::Interrupted) => {}
            Err(error) => {
                message::fatal(&error);
                code = Some(EX_CONFIG);
            }
        }
        if code.is_none() {
            match program {
                Some(program) => {
                    if let Waited::Ended(ended) = children.wait_or_stop(program, None) {
                        code = Some(ended);
                    }
                }
                None => {
                    children.wait_until(None, |children| {
                        children.stop_requested().is_some() || children.tree_has_ended()
                    });
                }
            }
        }
        let asked_by = children.stop_requested();
        let stop = Stop {
            settings: &self.settings,
            environment: &self.tree_environment,
            account: &self.account,
            inlets: &self.inlets,
        };
        let ended = stop.run(&mut children, &plans, program);
        let code = code.or(ended).or(asked_by.map(|signal| signal_exit_code(signal.as_raw()))).unwrap_or(0);
        stop::store_exit_code(code);
        code
    }

    fn boot(&mut self, children: &mut Children, plans: &mut Plans) -> Result<Booted> {
        let mut failure = None;
        let start = self.record.now_us();
        let mut account = self.account.clone();
        let mut settled = Ok(());
        let outcome = scripts::run_all(
            paths::CONT_INIT,
            &self.arguments,
            &self.tree_environment,
            children,
            None,
            Some(&mut self.record),
            || {
                if settled.is_ok() {
                    settled = settle_account(&mut account, &self.inlets);
                }
            },
        );
        self.account = account;
        if let Err(error) = withheld::discard(Path::new(withheld::DIRECTORY)) {
            message::warning(format_args!("failed to remove {}: {error}", withheld::DIRECTORY));
        }
        settled?;
        self.record.add_phase("cont-init.d", start);
        match outcome {
            Outcome::Interrupted => return Ok(Booted::Interrupted),
            Outcome::Done(code) => {
                if let Some(stop) = self.stop_on_failure(code) {
                    return Ok(stop);
                }
                failure = failure.or(code);
            }
        }
        *plans = Graph::load(Path::new(paths::DEFINITIONS))?.plans(Tree::supervisor())?;
        if plans.has_order_at_stop() {
            held::hold(Path::new(paths::USER_TREE))
                .with_context(|| format!("failed to write into {}", paths::USER_TREE))?;
        }

        let start = self.record.now_us();
        let deadline = self.settings.services_up.map(|limit| Instant::now() + limit);
        for tree in [Tree::Root, Tree::User] {
            let plan = if tree == Tree::Root { &plans.system } else { &plans.user };
            if tree == Tree::Root && plan.services.is_empty() {
                continue;
            }
            let code = match self.bring_up(plan, tree, deadline, children)? {
                Waited::Ended(0) => None,
                Waited::Ended(code) => Some(code),
                Waited::TimedOut => {
                    message::warning("the services are not up within S6_CMD_WAIT_FOR_SERVICES_MAXTIME");
                    Some(1)
                }
                Waited::Stop | Waited::TreeEnded => return Ok(Booted::Interrupted),
            };
            if let Some(stop) = self.stop_on_failure(code) {
                return Ok(stop);
            }
            failure = failure.or(code);
        }
        self.record.add_phase("services", start);
        if failure.is_some() && self.settings.on_failure == OnFailure::Warn {
            message::warning(
                "the boot had failures; the container continues (S6_BEHAVIOUR_IF_STAGE2_FAILS=1)",
            );
        }
        self.record.write(Tree::supervisor() == Tree::User)?;
        Ok(Booted::Complete)
    }

    /// Returns the failed boot if the settings require a stop after this failure.
    fn stop_on_failure(&self, code: Option<u8>) -> Option<Booted> {
        let code = code.filter(|_| self.settings.on_failure == OnFailure::Stop)?;
        message::warning("the boot failed; the container stops (S6_BEHAVIOUR_IF_STAGE2_FAILS=2)");
        Some(Booted::Failed(code))
    }

    /// Starts the services of one tree, with the rights of the tree's owner.
    fn bring_up(
        &mut self,
        plan: &Plan,
        tree: Tree,
        deadline: Option<Instant>,
        children: &mut Children,
    ) -> Result<Waited> {
        let as_root = tree == Tree::Root;
        let environment =
            if self.settings.keep_environment { self.environment.clone() } else { Environment::minimal() };
        let environment = environment.adapted_to(&self.account, as_root);
        let account = (!as_root).then_some(&self.account);
        let gate = &self.gate;
        // Read here, since the worker may have left root behind later.
        let supervisor = Tree::supervisor();
        let worker = Worker::start(account, &self.inlets, self.record.clone(), |record| {
            let tree_starts = || match supervisor {
                // The user tree waits at the gate until its slots are in place.
                Tree::Root if tree == Tree::User => Ok(gate.unlock()?),
                Tree::Root | Tree::User => supervisor.rescan(deadline),
            };
            services::bring_up(plan, tree, &environment, deadline, record, tree_starts)
        })?;
        Ok(worker.wait(children, deadline, &mut self.record))
    }

    /// Starts the command. Returns `None` if there is none. The error is the container's exit code.
    fn start_command(&self) -> std::result::Result<Option<Pid>, u8> {
        let Some((program, arguments)) = self.arguments.split_first() else { return Ok(None) };
        // The stored environment with the changes of the set-up scripts, and the variables that no file could store.
        let stored = Environment::load().unwrap_or_else(|error| {
            message::warning(format_args!("{error:#}; the command gets the environment of the container"));
            self.environment.clone()
        });
        let mut environment = stored.overlaid_with(self.environment.unstorable());
        if let Some(home) = self.environment.get("HOME") {
            environment.set("HOME", home);
        }
        match command::start(program, arguments, &environment) {
            Ok(pid) => Ok(Some(pid)),
            Err(error) => {
                message::line(format_args!("error: failed to run {program:?}: {error}"));
                Err(command::exec_failure_code(&error))
            }
        }
    }
}

/// Hands the account's runtime files over, if a set-up script gave the account other IDs. The next script may run as the account.
fn settle_account(account: &mut Account, inlets: &Inlets) -> Result<()> {
    let settled = account::resolve()?;
    if (settled.uid, settled.gid) != (account.uid, account.gid) {
        let uid = settled.uid.as_raw();
        let gid = settled.gid.as_raw();
        let failed = || "failed to hand the runtime directory over to the account".to_owned();
        // The account's tree does not run yet, so no process can swap these paths.
        chown(paths::SERVICE, Some(uid), Some(gid)).with_context(failed)?;
        chown(paths::CONTAINER_ENVIRONMENT, None, Some(gid)).with_context(failed)?;
        for entry in std::fs::read_dir(paths::CONTAINER_ENVIRONMENT).with_context(failed)? {
            chown(entry.with_context(failed)?.path(), None, Some(gid)).with_context(failed)?;
        }
        streams::hand_over(&settled);
        inlets.hand_over(&settled);
    }
    *account = settled;
    Ok(())
}
