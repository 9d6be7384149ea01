//! The roles that the supervision tree calls: its signal handlers, its `finish`,
//! and `halt`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd;

use crate::account;
use crate::children::{Children, TREE_ENDED};
use crate::environment::Environment;
use crate::forwarder;
use crate::message::{self, Hinted};
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::processes::{Processes, signal_all};
use crate::settings::Settings;
use crate::stop;
use crate::tree::Tree;

/// How long a killed process may take to disappear before the container ends without it.
const KILLED_GRACE: Duration = Duration::from_secs(1);

/// The forwarder of an idle container ends within this time.
const FORWARDER_ENDS: Duration = Duration::from_millis(20);

/// How often the end looks for processes that came up meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// The exit code of a container whose booter was killed before it could tell one.
const EXIT_LOST_BOOTER: u8 = 1;

/// A signal came to `s6-svscan`: the booter stops everything. When it is gone
/// (killed), the tree is told to end, and `finish` does the rest.
pub(crate) fn signalled(signal: &str) -> Result<ExitCode> {
    let signal = Signal::from_str(signal).context("cannot tell which signal came")?;
    if let Some(booter) = ProcessIdentity::read_alive(paths::BOOTER) {
        kill(booter.pid(), signal).context("cannot reach the booter")?;
        return Ok(ExitCode::SUCCESS);
    }
    let error = Command::new(tool::S6_SVSCANCTL).args(["-t", "--", Tree::supervisor().scandir()]).exec();
    Err(error).with_context(|| format!("cannot run {}", tool::S6_SVSCANCTL))
}

/// `halt`: an orderly stop of the container, asked for inside it.
pub(crate) fn halt() -> Result<ExitCode> {
    let not_here =
        || Hinted::new("nothing to halt: this container does not run under /init", "docker stop ends it");
    let booter = ProcessIdentity::read_alive(paths::BOOTER).ok_or_else(not_here)?;
    match kill(booter.pid(), Signal::SIGTERM) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Errno::EPERM) => Err(Hinted::new(
            "only root may halt the container",
            "end the container's command, or use docker stop",
        )
        .into()),
        Err(error) => Err(error).context("cannot reach the booter"),
    }
}

/// The tree has ended, and this process, which was `s6-svscan`, ends the
/// container: lets the booter finish, ends whatever is left, returns the exit code.
pub(crate) fn finish() -> Result<ExitCode> {
    let mut children = Children::watch()?;
    let settings = Settings::stored();
    match ProcessIdentity::read_alive(paths::BOOTER) {
        Some(booter) if kill(booter.pid(), TREE_ENDED).is_ok() => {
            children.wait_until(None, |children| {
                children.code_of(booter.pid()).is_some() || children.none_left()
            });
        }
        _ => {
            let environment =
                Environment::minimal().fitted_to(&account::resolve()?, unistd::geteuid().is_root());
            stop::run_finish_scripts(&settings, &environment, &mut children);
            stop::store_exit_code(EXIT_LOST_BOOTER);
        }
    }
    end_the_rest(&mut children, settings.kill_grace);
    let code = fs::read_to_string(paths::EXIT_CODE).ok().and_then(|text| text.trim().parse().ok());
    Ok(ExitCode::from(code.unwrap_or(EXIT_LOST_BOOTER)))
}

/// `s6-svscan` met something that it cannot handle.
pub(crate) fn crash() -> Result<ExitCode> {
    message::line(format_args!("error: the supervision tree crashed; the container ends"));
    finish()
}

/// Ends what neither s6 nor the booter knew of: orphans of the command and of services.
fn end_the_rest(children: &mut Children, grace: Duration) {
    forwarder::release_inlets();
    // Where no orphan can write, the forwarder is the only one left, and about to end.
    if children.wait_until(Some(Instant::now() + FORWARDER_ENDS), Children::none_left) {
        return;
    }
    let deadline = Instant::now() + grace;
    let mut told = HashSet::new();
    while Instant::now() < deadline {
        // One that forked between the look and the signal is told after the next look.
        let below = Processes::now().below(unistd::getpid()).into_iter();
        signal_all(below.filter(|&pid| told.insert(pid)), Signal::SIGTERM);
        if children.wait_until(Some(deadline.min(Instant::now() + LOOK)), Children::none_left) {
            return;
        }
    }
    let deadline = Instant::now() + KILLED_GRACE;
    // One that forked between the look and the signal is found by the next look.
    while !children.none_left() && Instant::now() < deadline {
        signal_all(Processes::now().below(unistd::getpid()), Signal::SIGKILL);
        let soon = Instant::now() + KILLED_GRACE / 20;
        children.wait_until(Some(soon.min(deadline)), Children::none_left);
    }
}
