//! The supervision trees: where they are, what lies in them before they start,
//! and whether they listen.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::unistd;

use crate::paths;

/// As many slots, loggers included, as `s6-svscan` is told to expect: more than
/// 5,000 logged gateways. It costs at most 200 bytes of stack each.
pub(crate) const SERVICES_MAX: &str = "20480";

/// How long `s6-svscan` has to come up where no other limit is set.
const COMES_UP: Duration = Duration::from_secs(10);

/// The handlers of the tree that ends the container. Each is a link to `/init`.
const HANDLERS: [&str; 6] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "finish", "crash"];

/// A supervision tree, by its scan directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Run by root, below `/run/s6/scandir`; supervises the user tree.
    Root,
    /// Run by the account, below `/run/service`; the only one when there is no root.
    User,
}

impl Tree {
    /// The tree whose `s6-svscan` is what `/init` becomes.
    pub(crate) fn supervisor() -> Self {
        if unistd::geteuid().is_root() { Self::Root } else { Self::User }
    }

    pub(crate) fn scandir(self) -> &'static str {
        match self {
            Self::Root => paths::SCANDIR,
            Self::User => paths::SERVICE,
        }
    }

    /// Lays out the tree that `/init` becomes; its directory is empty.
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
    /// Makes `s6-svscan` look for new slots, once it listens, as `s6-svscanctl -a` does.
    pub(crate) fn rescan(self, deadline: Option<Instant>) -> Result<()> {
        let deadline = deadline.unwrap_or_else(|| Instant::now() + COMES_UP);
        ensure!(self.wait_until_listening(deadline), "s6-svscan does not listen on {}", self.scandir());
        write_to_fifo(&self.control(), b"a")
            .with_context(|| format!("failed to tell s6-svscan of the slots in {}", self.scandir()))
    }

    /// Tells `s6-svscan` to take the whole tree down, as `s6-svscanctl -t` does; `false` when it does not listen.
    pub(crate) fn terminate(self) -> bool {
        write_to_fifo(&self.control(), b"t").is_ok()
    }

    /// The FIFO through which `s6-svscan` takes commands.
    fn control(self) -> PathBuf {
        Path::new(self.scandir()).join(".s6-svscan/control")
    }

    fn wait_until_listening(self, deadline: Instant) -> bool {
        let control = self.control();
        wait_until_there(deadline, || is_listening(&control))
    }
}

/// A directory that only its owner enters.
fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// A link to `/init`, which knows its role by the link's name. It works on a
/// `noexec` file system, where a copy would not.
pub(crate) fn link_to_init(path: &Path) -> Result<()> {
    symlink(paths::INIT, path).with_context(|| format!("cannot create the link {}", path.display()))
}

/// Whether somebody reads the FIFO of an `s6-svscan` or `s6-supervise`: what s6-svok(1) tests.
pub(crate) fn is_listening(fifo: &Path) -> bool {
    open_fifo(fifo).is_ok()
}

/// Writes to the FIFO of an `s6-svscan` or `s6-supervise`; an error when nobody reads it.
pub(crate) fn write_to_fifo(fifo: &Path, commands: &[u8]) -> io::Result<()> {
    open_fifo(fifo)?.write_all(commands)
}

fn open_fifo(fifo: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    OpenOptions::new().write(true).custom_flags(flags).open(fifo)
}

/// Waits for a process of s6's to be there; `false` when the deadline passed.
///
/// s6 offers nothing to wait on before that process exists, so this looks, with
/// pauses that grow from half a millisecond to two.
pub(crate) fn wait_until_there(deadline: Instant, is_there: impl Fn() -> bool) -> bool {
    let mut pause = Duration::from_micros(500);
    while !is_there() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
    true
}
