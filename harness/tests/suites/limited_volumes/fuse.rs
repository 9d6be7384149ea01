//! A file system that lacks abilities, from `limited_filesystem.py` beside this file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use hermes_harness::suite::not_run;
use hermes_harness::{Look, secs, wait_until};
use nix::sys::signal::Signal;

/// A mounted file system. The mount ends with the handle.
pub(super) struct Limited {
    server: Child,
    folder: tempfile::TempDir,
}

impl Limited {
    /// Mounts a file system that lacks these abilities. The test counts as not run if this machine cannot mount it.
    pub(super) async fn lacking(words: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("source"))?;
        std::fs::create_dir(folder.path().join("mount"))?;
        let python = can_mount()?;
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/limited_volumes/limited_filesystem.py");
        let server = as_root(&python)
            .arg(program)
            .arg(folder.path().join("source"))
            .arg(folder.path().join("mount"))
            .arg(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let mut limited = Self { server, folder };
        let mounted = async || {
            let log = std::fs::read_to_string(limited.folder.path().join("log")).unwrap_or_default();
            if let Some(status) = limited.server.try_wait()? {
                return Ok(Look::Never(format!("it ended with {status}:\n{log}")));
            }
            let mounts = std::fs::read_to_string("/proc/self/mounts")?;
            let path = limited.path();
            Ok(Look::holds(mounts.contains(&*path.to_string_lossy()), || "it is not mounted".to_owned()))
        };
        wait_until("the file system is mounted", mounted, secs(20)).await?;
        Ok(limited)
    }

    /// The mount point.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // The unmount is lazy: the container may still use the mount while it ends. The server ends now. sudo passes
        // SIGTERM on, but not SIGKILL.
        let _ = as_root(Path::new("fusermount3"))
            .args(["-u", "-z"])
            .arg(self.path())
            .stdin(Stdio::null())
            .status();
        let server = nix::unistd::Pid::from_raw(i32::try_from(self.server.id()).unwrap_or_default());
        let signal = if is_root() { Signal::SIGKILL } else { Signal::SIGTERM };
        if nix::sys::signal::kill(server, signal).is_ok() {
            let _ = self.server.wait();
        }
    }
}

/// Returns the path of a Python that can serve such a file system.
fn can_mount() -> Result<PathBuf> {
    if !Path::new("/dev/fuse").exists() || Command::new("fusermount3").arg("-V").output().is_err() {
        return Err(not_run("there is no FUSE: install fuse3").into());
    }
    let script = "import mfusepy, sys; print(sys.executable)";
    let asked = Command::new("python3").args(["-c", script]).stdin(Stdio::null()).output();
    let asked = asked.map_err(|error| not_run(format!("there is no python3: {error}")))?;
    if !asked.status.success() {
        return Err(not_run("Python has no mfusepy: pip install -r .ci/requirements.txt").into());
    }
    let python = PathBuf::from(String::from_utf8(asked.stdout).context("the path is text")?.trim());
    let may = as_root(Path::new("true")).stdin(Stdio::null()).stderr(Stdio::null()).status();
    if may.is_ok_and(|status| status.success()) {
        Ok(python)
    } else {
        Err(not_run("the file system changes owners, and this user cannot become root (sudo -n)").into())
    }
}

/// Returns a command that runs a program as root. The file system needs root to change owners.
fn as_root(program: &Path) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    command
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
