//! The slot of a longrun in the scan directory, and the commands to it.

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

/// The files of a definition that belong to s6-rc and have no meaning in a slot.
const NOT_IN_A_SLOT: [&str; 6] = ["type", "dependencies.d", "contents.d", "down", "event", "supervise"];

/// The longest time that s6-svwait(1) and s6-svc(1) accept: milliseconds in 31 bits, 24 days.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// The exit code of s6-svwait(1) and s6-svc(1) after their own time-out.
const TIMED_OUT: i32 = 99;

/// A longrun's slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    directory: PathBuf,
    notifies_readiness: bool,
    tree: Tree,
}

impl Slot {
    pub(crate) fn of(definition: &Definition, tree: Tree) -> Self {
        Self {
            directory: Path::new(tree.scandir()).join(&definition.name),
            notifies_readiness: definition.file("notification-fd").is_some(),
            tree,
        }
    }

    /// Tells if the service notifies s6 of its readiness.
    pub(crate) fn notifies_readiness(&self) -> bool {
        self.notifies_readiness
    }

    /// Makes the slot of links to the definition, so `/run` holds no executable file. A `held` slot does not start by itself.
    ///
    /// The slot is renamed into its place when it is whole. In a container without root, `s6-svscan` scans at the same time, and
    /// would start a slot without its `down` file or without its notification descriptor.
    pub(crate) fn write(&self, definition: &Definition, held: bool) -> Result<()> {
        let failed = || format!("failed to write the slot {}", self.directory.display());
        let unfinished = self.directory.with_file_name(format!(".new-{}", definition.name));
        self.fill(&unfinished, definition, held).with_context(failed)?;
        fs::rename(&unfinished, &self.directory).with_context(failed)
    }

    fn fill(&self, directory: &Path, definition: &Definition, held: bool) -> Result<()> {
        fs::create_dir(directory)?;
        if held || definition.is_down() {
            fs::write(directory.join("down"), "")?;
        }
        for entry in fs::read_dir(&definition.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if NOT_IN_A_SLOT.iter().any(|own| name == **own) {
                continue;
            }
            if name == "log" {
                link_all(&entry.path(), &directory.join("log"))?;
            } else {
                symlink(entry.path(), directory.join(name))?;
            }
        }
        if self.tree == Tree::Root {
            held::hold(directory)?;
        }
        Ok(())
    }

    /// Waits until an `s6-supervise` holds the slot and has written its state. It listens a moment earlier, when the tools that read
    /// the state still fail.
    pub(crate) fn wait_until_supervised(&self, deadline: Instant) -> Result<()> {
        let supervise = self.directory.join("supervise");
        let (control, status) = (supervise.join("control"), supervise.join("status"));
        if tree::poll_until(deadline, || tree::is_listening(&control) && status.exists()) {
            return Ok(());
        }
        anyhow::bail!("no s6-supervise runs for {}", self.directory.display())
    }

    /// Waits until the service is up, and ready if it notifies s6 of that.
    pub(crate) fn wait_until_up(&self, deadline: Instant) -> Result<()> {
        let flag = if self.notifies_readiness { "-U" } else { "-u" };
        self.call(tool::S6_SVWAIT, &[flag], "-t", deadline)
    }

    /// Starts a held slot for good, and waits until it is up.
    pub(crate) fn start(&self, deadline: Instant) -> Result<()> {
        let flag = if self.notifies_readiness { "-wU" } else { "-wu" };
        self.call(tool::S6_SVC, &["-u", flag], "-T", deadline)?;
        let down = self.directory.join("down");
        fs::remove_file(&down).with_context(|| format!("failed to remove {}", down.display()))
    }

    /// Stops the service and waits until its finish script has ended. Kills it after the deadline.
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
            .with_context(|| format!("failed to run {program}"))?;
        if output.status.success() {
            return Ok(());
        }
        ensure!(
            output.status.code() != Some(TIMED_OUT),
            "it is not up within S6_CMD_WAIT_FOR_SERVICES_MAXTIME"
        );
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        anyhow::bail!("{program} {} {}: {}{said}", flags.join(" "), self.directory.display(), output.status)
    }
}

/// Makes `directory` with a link to each file of `source`. s6 keeps state in the directory, so it is no link itself.
fn link_all(source: &Path, directory: &Path) -> Result<()> {
    fs::create_dir(directory)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        symlink(entry.path(), directory.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::fs::OpenOptions;

    #[test]
    fn slot_is_supervised_after_its_state_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let supervise = folder.path().join("supervise");
        fs::create_dir(&supervise).unwrap();
        mkfifoat(CWD, supervise.join("control"), Mode::RUSR | Mode::WUSR).unwrap();
        // Listens, as s6-supervise does.
        let _reader = OpenOptions::new().read(true).write(true).open(supervise.join("control")).unwrap();
        let slot = Slot { directory: folder.path().to_owned(), notifies_readiness: false, tree: Tree::User };
        let soon = || Instant::now() + Duration::from_millis(20);
        assert!(slot.wait_until_supervised(soon()).is_err());
        fs::write(supervise.join("status"), "").unwrap();
        slot.wait_until_supervised(soon()).unwrap();
    }
}
