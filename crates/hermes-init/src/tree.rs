//! The supervision trees: their place, their content before they start, and the commands to them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::paths;

/// The number of slots, loggers included, that `s6-svscan` must expect: more than 5,000 logged gateways. Each costs at most 200
/// bytes of stack.
pub(crate) const SERVICES_MAX: &str = "20480";

/// The time that `s6-svscan` has to start if there is no other limit.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The handlers of the tree that ends the container. Each is a link to `/init`.
const HANDLERS: [&str; 6] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "finish", "crash"];

/// A supervision tree, by its scan directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    /// The tree of root, below `/run/s6/scandir`, which supervises the user tree.
    Root,
    /// The tree of the account, below `/run/service`. Without root it is the only one.
    User,
}

impl Tree {
    /// Returns the tree of the `s6-svscan` that `/init` becomes.
    pub(crate) fn supervisor() -> Self {
        if geteuid().is_root() { Self::Root } else { Self::User }
    }

    pub(crate) fn scandir(self) -> &'static str {
        match self {
            Self::Root => paths::SCANDIR,
            Self::User => paths::SERVICE,
        }
    }

    /// Writes the files of the tree that `/init` becomes, into its empty directory.
    pub(crate) fn write(self) -> Result<()> {
        let scandir = Path::new(self.scandir());
        if self == Self::Root {
            private_directory(scandir)?;
            for slot in [paths::USER_TREE, paths::STOP_RELAY].map(Path::new) {
                private_directory(slot)?;
                link_to_init(&slot.join("run"))?;
            }
        }
        let control = scandir.join(".s6-svscan");
        private_directory(&control)?;
        HANDLERS.iter().try_for_each(|name| link_to_init(&control.join(name)))
    }
}

impl Tree {
    /// Makes `s6-svscan` look for new slots, as soon as it listens, as `s6-svscanctl -a` does.
    pub(crate) fn rescan(self, deadline: Option<Instant>) -> Result<()> {
        let deadline = deadline.unwrap_or_else(|| Instant::now() + LISTEN_TIMEOUT);
        ensure!(self.wait_until_listening(deadline), "s6-svscan does not listen on {}", self.scandir());
        write_to_fifo(&self.control(), b"a")
            .with_context(|| format!("failed to notify s6-svscan of the slots in {}", self.scandir()))
    }

    /// Tells `s6-svscan` to take the whole tree down, as `s6-svscanctl -t` does. Returns `false` if it does not listen.
    pub(crate) fn terminate(self) -> bool {
        write_to_fifo(&self.control(), b"t").is_ok()
    }

    /// Returns the FIFO through which `s6-svscan` takes commands.
    fn control(self) -> PathBuf {
        Path::new(self.scandir()).join(".s6-svscan/control")
    }

    fn wait_until_listening(self, deadline: Instant) -> bool {
        let control = self.control();
        poll_until(deadline, || is_listening(&control))
    }
}

/// Makes a directory that only its owner can enter.
fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path).with_context(|| format!("failed to create {}", path.display()))
}

/// Makes a link to `/init`, which gets its role from the link's name. A link works on a `noexec` file system; a copy would not.
pub(crate) fn link_to_init(path: &Path) -> Result<()> {
    symlink(paths::INIT, path).with_context(|| format!("failed to create the link {}", path.display()))
}

/// Tells if a process reads the FIFO of an `s6-svscan` or `s6-supervise`, as s6-svok(1) does.
pub(crate) fn is_listening(fifo: &Path) -> bool {
    open_fifo(fifo).is_ok()
}

/// Writes to the FIFO of an `s6-svscan` or `s6-supervise`. Fails if no process reads it.
pub(crate) fn write_to_fifo(fifo: &Path, commands: &[u8]) -> io::Result<()> {
    open_fifo(fifo)?.write_all(commands)
}

fn open_fifo(fifo: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(fifo)
}

/// Waits until a process of s6 is there. Returns `false` if the deadline passes first.
///
/// Before that process exists, s6 offers no event to wait for. So this polls, with pauses from half a millisecond to two.
pub(crate) fn poll_until(deadline: Instant, condition: impl Fn() -> bool) -> bool {
    let mut pause = Duration::from_micros(500);
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
    true
}
