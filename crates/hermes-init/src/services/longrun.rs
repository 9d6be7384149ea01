//! A longrun as s6 sees it: its slot in the scan directory, and commands to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::definition::Definition;
use crate::held;
use crate::paths::tool;
use crate::tree::{self, Tree};

/// What of a definition is s6-rc's own and has no meaning in a slot.
const NOT_IN_A_SLOT: [&str; 6] = ["type", "dependencies.d", "contents.d", "down", "event", "supervise"];

/// The longest time that s6-svwait(1) and s6-svc(1) can be told: milliseconds in 31 bits, 24 days.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// A longrun's slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    directory: PathBuf,
    says_when_ready: bool,
    tree: Tree,
}

impl Slot {
    pub(crate) fn of(definition: &Definition, tree: Tree) -> Self {
        Self {
            directory: Path::new(tree.scandir()).join(&definition.name),
            says_when_ready: definition.file("notification-fd").is_some(),
            tree,
        }
    }

    /// Whether the service tells when it is ready, beyond being up.
    pub(crate) fn says_when_ready(&self) -> bool {
        self.says_when_ready
    }

    /// Makes the slot of links to the definition: nothing is copied, so nothing
    /// executable lies in `/run`. `held` slots do not start by themselves.
    pub(crate) fn write(&self, definition: &Definition, held: bool) -> Result<()> {
        let failed = || format!("cannot write the slot {}", self.directory.display());
        fs::create_dir(&self.directory).with_context(failed)?;
        if held || definition.is_down() {
            fs::write(self.directory.join("down"), "").with_context(failed)?;
        }
        for entry in fs::read_dir(&definition.directory).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            let name = entry.file_name();
            if NOT_IN_A_SLOT.iter().any(|own| name == **own) {
                continue;
            }
            if name == "log" {
                self.write_logger(&entry.path()).with_context(failed)?;
            } else {
                symlink(entry.path(), self.directory.join(name)).with_context(failed)?;
            }
        }
        if self.tree == Tree::Root {
            held::hold(&self.directory).with_context(failed)?;
        }
        Ok(())
    }

    /// s6 keeps state in `log/` as well, so that one is a directory of links.
    fn write_logger(&self, definition: &Path) -> Result<()> {
        let logger = self.directory.join("log");
        fs::create_dir(&logger)?;
        for entry in fs::read_dir(definition)? {
            let entry = entry?;
            symlink(entry.path(), logger.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// Waits until an `s6-supervise` holds the slot, and has written its state: it listens a
    /// moment before that, and the tools that read the state fail in between.
    pub(crate) fn wait_until_supervised(&self, deadline: Instant) -> Result<()> {
        let supervise = self.directory.join("supervise");
        let (control, status) = (supervise.join("control"), supervise.join("status"));
        if tree::wait_until_there(deadline, || tree::is_listening(&control) && status.exists()) {
            return Ok(());
        }
        anyhow::bail!("nothing supervises {}", self.directory.display())
    }

    /// Waits until the service is up, and ready where it says so.
    pub(crate) fn wait_until_up(&self, deadline: Instant) -> Result<()> {
        let flag = if self.says_when_ready { "-U" } else { "-u" };
        self.call(tool::S6_SVWAIT, &[flag], "-t", deadline)
    }

    /// Starts a held slot for good, and waits until it is up.
    pub(crate) fn start(&self, deadline: Instant) -> Result<()> {
        let flag = if self.says_when_ready { "-wU" } else { "-wu" };
        self.call(tool::S6_SVC, &["-u", flag], "-T", deadline)?;
        let down = self.directory.join("down");
        fs::remove_file(&down).with_context(|| format!("cannot remove {}", down.display()))
    }

    /// Stops the service and waits until its finish script is over; kills it when the time is.
    ///
    /// It needs no new process.
    pub(crate) fn stop(&self, deadline: Instant) -> Result<()> {
        self.release();
        if held::wait_until_down(&self.directory, deadline) {
            return Ok(());
        }
        let soon = Instant::now() + Duration::from_secs(1);
        let _ = held::tell(&self.directory, b"k");
        ensure!(held::wait_until_down(&self.directory, soon), "{} does not end", self.directory.display());
        Ok(())
    }

    /// Tells the service to stop.
    pub(crate) fn release(&self) {
        held::release(&self.directory);
    }

    fn call(&self, program: &str, flags: &[&str], limit: &str, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now()).min(LONGEST_WAIT).as_millis().max(1);
        let output = Command::new(program)
            .args(flags)
            .args([limit, &left.to_string(), "--"])
            .arg(&self.directory)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        anyhow::bail!("{program} {} {}: {}{said}", flags.join(" "), self.directory.display(), output.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs::OpenOptions;

    #[test]
    fn a_slot_is_supervised_only_when_its_state_is_written_too() {
        let folder = tempfile::tempdir().unwrap();
        let supervise = folder.path().join("supervise");
        fs::create_dir(&supervise).unwrap();
        nix::unistd::mkfifo(&supervise.join("control"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        // Listens, as s6-supervise does.
        let _reader = OpenOptions::new().read(true).write(true).open(supervise.join("control")).unwrap();
        let slot = Slot { directory: folder.path().to_owned(), says_when_ready: false, tree: Tree::User };
        let soon = || Instant::now() + Duration::from_millis(20);
        assert!(slot.wait_until_supervised(soon()).is_err());
        fs::write(supervise.join("status"), "").unwrap();
        slot.wait_until_supervised(soon()).unwrap();
    }
}
