//! A real supervision tree in a temporary directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{Home, ProfileName};
use hermes_service::Wait;
use hermes_service::s6::S6;
use rustix::fs::{Mode, OFlags};

pub(crate) const TOOLS: &str = "/usr/bin";
pub(crate) const SOON: Wait = Wait::AtMost(Duration::from_secs(20));

/// A gateway that reports readiness and stays.
pub(crate) const READY: &str = "#!/bin/sh\necho >&3; exec 3>&-; exec sleep 1000\n";
/// A gateway that cannot start.
pub(crate) const FAILS: &str = "#!/bin/sh\nexit 78\n";

/// A scan directory, its `s6-svscan`, and the link targets of its slots.
pub(crate) struct Tree {
    pub(crate) folder: tempfile::TempDir,
    svscan: Option<Child>,
    pub(crate) s6: S6,
}

impl Tree {
    /// Starts a tree without slots. `run` is the script of later slots. Returns `None` if s6 is not
    /// installed.
    pub(crate) fn start(run: &str) -> Option<Self> {
        let mut tree = Self::without_svscan(run)?;
        tree.supervise();
        Some(tree)
    }

    /// Creates the same tree without its `s6-svscan`.
    pub(crate) fn without_svscan(run: &str) -> Option<Self> {
        if !Path::new(TOOLS).join("s6-svscan").exists() {
            assert!(std::env::var_os("HERMES_NEED_S6").is_none(), "s6 is not installed");
            eprintln!("not checked: s6 is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for directory in ["home", "scan", "parts", "tools"] {
            fs::create_dir(path(directory)).unwrap();
        }
        for tool in ["s6-svc", "s6-svscanctl"] {
            symlink(Path::new(TOOLS).join(tool), path("tools").join(tool)).unwrap();
        }
        fs::write(path("parts/type"), "longrun\n").unwrap();
        fs::write(path("parts/notification-fd"), "3\n").unwrap();
        fs::write(path("parts/timeout-kill"), "3000\n").unwrap();
        executable(&path("parts/run"), run);
        executable(&path("parts/finish"), "#!/bin/sh\ntest \"$1\" != 78 || exit 125\n");
        executable(&path("parts/log-run"), "#!/bin/sh\nexec cat\n");
        let s6 = S6::new(Home::new(path("home")).unwrap(), path("scan"), path("tools"), path("parts"));
        Some(Self { folder, svscan: None, s6 })
    }

    /// Starts `s6-svscan`.
    pub(crate) fn supervise(&mut self) {
        let stdout = fs::File::create(self.folder.path().join("stdout")).unwrap();
        let mut svscan = Command::new(Path::new(TOOLS).join("s6-svscan"));
        svscan.arg("--").arg(self.scan()).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
        self.svscan = Some(svscan.spawn().unwrap());
        // The FIFO exists before its reader. Without a reader, it cannot be opened for writing at once.
        let control = self.scan().join(".s6-svscan/control");
        let to_write = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        until("s6-svscan listens", || rustix::fs::open(&control, to_write, Mode::empty()).is_ok());
    }

    pub(crate) fn scan(&self) -> PathBuf {
        self.folder.path().join("scan")
    }

    /// Returns the names in the scan directory except `.s6-svscan` and the lock.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scan()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != ".s6-svscan" && name != ".lock").collect();
        names.sort();
        names
    }

    /// Returns the number of `s6-supervise` children of this tree's `s6-svscan`.
    pub(crate) fn supervisors(&self) -> usize {
        let id = self.svscan.as_ref().unwrap().id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_ascii_whitespace().count()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Some(svscan) = &mut self.svscan {
            let svscanctl = Path::new(TOOLS).join("s6-svscanctl");
            let _ = Command::new(svscanctl).arg("-t").arg(self.folder.path().join("scan")).status();
            let _ = svscan.wait();
        }
    }
}

pub(crate) fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        thread::yield_now();
    }
}

pub(crate) fn coder() -> ProfileName {
    ProfileName::new("coder").unwrap()
}
