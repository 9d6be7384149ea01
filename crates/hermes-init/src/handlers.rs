//! The roles that the supervision tree calls (its signal handlers and its `finish`), and `halt`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Signal, geteuid, getpid, kill_process};

use crate::account;
use crate::children::{Children, TREE_ENDED};
use crate::environment::Environment;
use crate::message::{self, Report};
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::settings::Settings;
use crate::stop;
use crate::streams;
use crate::tree::Tree;

/// The time that killed processes have to disappear. Then the container ends without waiting for them.
const KILLED_GRACE: Duration = Duration::from_secs(1);

/// The time in which the forwarder of an idle container ends.
const FORWARDER_GRACE: Duration = Duration::from_millis(20);

/// The interval between two searches for new processes, while the container ends.
const SEARCH_INTERVAL: Duration = Duration::from_millis(100);

/// The exit code if the booter was killed before it stored one.
const EXIT_LOST_BOOTER: u8 = 1;

/// Returns the signal of a handler, by the handler's name.
pub(crate) fn signal_named(name: &str) -> Option<Signal> {
    match name {
        "SIGTERM" => Some(Signal::TERM),
        "SIGINT" => Some(Signal::INT),
        "SIGHUP" => Some(Signal::HUP),
        "SIGQUIT" => Some(Signal::QUIT),
        _ => None,
    }
}

/// Handles a signal to `s6-svscan`: passes it on to the booter, which stops everything.
///
/// If the booter was killed, it tells the tree to end, and `finish` does the rest.
pub(crate) fn signalled(signal: Signal) -> Result<ExitCode> {
    if let Some(booter) = ProcessIdentity::read_alive(paths::BOOTER) {
        kill_process(booter.pid(), signal).context("failed to signal the booter")?;
        return Ok(ExitCode::SUCCESS);
    }
    let error = Command::new(tool::S6_SVSCANCTL).args(["-t", "--", Tree::supervisor().scandir()]).exec();
    Err(error).with_context(|| format!("failed to run {}", tool::S6_SVSCANCTL))
}

/// Handles `halt`, which asks for an orderly stop from inside the container.
pub(crate) fn halt() -> Result<ExitCode> {
    let not_here = || {
        Report::new("nothing to halt: this container does not run under /init", "stop it with docker stop")
    };
    let booter = ProcessIdentity::read_alive(paths::BOOTER).ok_or_else(not_here)?;
    match kill_process(booter.pid(), Signal::TERM) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Errno::PERM) => Err(Report::new(
            "only root may halt the container",
            "end the container's command, or use docker stop",
        )
        .into()),
        Err(error) => Err(error).context("failed to signal the booter"),
    }
}

/// Ends the container after the tree has ended, in the process that was `s6-svscan`.
///
/// Waits for the booter, ends all other processes and returns the exit code.
pub(crate) fn finish() -> Result<ExitCode> {
    let mut children = Children::watch()?;
    let settings = Settings::stored();
    match ProcessIdentity::read_alive(paths::BOOTER) {
        Some(booter) if kill_process(booter.pid(), TREE_ENDED).is_ok() => {
            children.wait_until(None, |children| {
                children.code_of(booter.pid()).is_some() || children.none_left()
            });
        }
        _ => {
            let environment = Environment::minimal().adapted_to(&account::resolve()?, geteuid().is_root());
            stop::run_finish_scripts(&settings, &environment, &mut children);
            stop::store_exit_code(EXIT_LOST_BOOTER);
        }
    }
    end_remaining(&mut children, settings.kill_grace);
    let code = fs::read_to_string(paths::EXIT_CODE).ok().and_then(|text| text.trim().parse().ok());
    Ok(ExitCode::from(code.unwrap_or(EXIT_LOST_BOOTER)))
}

/// Handles a fault that `s6-svscan` cannot recover from.
pub(crate) fn crash() -> Result<ExitCode> {
    message::line(format_args!("error: the supervision tree crashed; the container ends"));
    finish()
}

/// Ends the processes that neither s6 nor the booter know: orphans of the command and of services.
fn end_remaining(children: &mut Children, grace: Duration) {
    streams::silence();
    // If no orphan can write, only the forwarder is left, and it ends by itself.
    if children.wait_until(Some(Instant::now() + FORWARDER_GRACE), Children::none_left) {
        return;
    }
    let deadline = Instant::now() + grace;
    let mut signalled = HashSet::new();
    while Instant::now() < deadline {
        // A process that forked after the search gets the signal after the next one.
        let below = Processes::now().below(getpid()).into_iter();
        signal_all(below.filter(|&pid| signalled.insert(pid)), Signal::TERM);
        if children.wait_until(Some(deadline.min(Instant::now() + SEARCH_INTERVAL)), Children::none_left) {
            return;
        }
    }
    let deadline = Instant::now() + KILLED_GRACE;
    // The next search finds a process that forked after this one.
    while !children.none_left() && Instant::now() < deadline {
        signal_all(Processes::now().below(getpid()), Signal::KILL);
        let soon = Instant::now() + KILLED_GRACE / 20;
        children.wait_until(Some(soon.min(deadline)), Children::none_left);
    }
}
