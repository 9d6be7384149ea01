//! What the slot of a gateway looks like. Registration and boot reconciliation both make it here.
//!
//! Nothing in it is rendered: `run`, `finish`, `log/run` and the settings are links to what lies in the image, the same for every
//! slot. The profile's name is the slot's name.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hermes_core::{BootAction, ProfileName};
use hermes_os::removal;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Where the image keeps what the slots link to.
pub const IMAGE_PARTS: &str = "/opt/hermes/docker/gateway";

/// What a slot links to, by the name that it has in the slot and in the image; servicedir(7) tells what each is for.
const PARTS: [&str; 5] = ["type", "run", "finish", "notification-fd", "timeout-kill"];
/// The same for the slot's logger.
const LOGGER_PARTS: [(&str, &str); 1] = [("run", "log-run")];

/// Why a slot was not made, or not removed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct SlotError {
    /// What was tried.
    pub operation: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl SlotError {
    fn new(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Self {
        let path = path.into();
        move |errno| Self { operation, path, source: errno.into() }
    }
}

/// Makes slots in one scan directory.
#[derive(Debug)]
pub struct SlotMaker {
    scandir: PathBuf,
    directory: OwnedFd,
    /// Every link of a slot: its name, and what it leads to.
    links: Vec<(&'static str, CString)>,
    logger_links: Vec<(&'static str, CString)>,
}

/// Tells two that are being made by one process apart.
static SERIAL: AtomicU64 = AtomicU64::new(0);

impl SlotMaker {
    /// For the scan directory `scandir`, with links into `parts`.
    ///
    /// # Errors
    /// The scan directory cannot be opened.
    pub fn new(scandir: &Path, parts: &Path) -> Result<Self, SlotError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(scandir, flags, Mode::empty()).map_err(SlotError::new("open", scandir))?;
        // A path of a Rust program has no zero byte in it.
        let target =
            |part: &str| CString::new(parts.join(part).into_os_string().into_vec()).unwrap_or_default();
        Ok(Self {
            scandir: scandir.to_owned(),
            directory,
            links: PARTS.map(|name| (name, target(name))).into(),
            logger_links: LOGGER_PARTS.map(|(name, part)| (name, target(part))).into(),
        })
    }

    /// Where the slot of `profile` lies.
    pub fn path(&self, profile: &ProfileName) -> PathBuf {
        self.scandir.join(profile.gateway_slot_name())
    }

    /// Makes the slot of `profile`, whole: `s6-svscan` skips the name that it is made under. Returns whether it was made; one
    /// that is there is left alone.
    ///
    /// # Errors
    /// Any step failed; then nothing of it is left.
    pub fn make(&self, profile: &ProfileName, action: BootAction) -> Result<bool, SlotError> {
        let slot = profile.gateway_slot_name();
        if rustix::fs::accessat(&self.directory, &slot, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
        {
            return Ok(false);
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let hidden = format!(".new-{}-{serial}", std::process::id());
        let made = self.fill(&hidden, action).and_then(|()| {
            let renamed = rustix::fs::renameat_with(
                &self.directory,
                &hidden,
                &self.directory,
                &slot,
                RenameFlags::NOREPLACE,
            );
            match renamed {
                Ok(()) => Ok(true),
                Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
                Err(error) => Err(SlotError::new("make", self.scandir.join(&slot))(error)),
            }
        });
        if !matches!(made, Ok(true)) {
            let _ = removal::remove(&self.scandir.join(&hidden), removal::A_MINUTE);
        }
        made
    }

    /// Makes the slot of `profile` under its own name: for a boot, before anything supervises, with no slot there yet. Saves
    /// the rename.
    ///
    /// # Errors
    /// Any step failed; then nothing of it is left.
    pub fn make_before_boot(&self, profile: &ProfileName, action: BootAction) -> Result<(), SlotError> {
        let slot = profile.gateway_slot_name();
        let made = self.fill(&slot, action);
        if made.is_err() {
            let _ = removal::remove(&self.scandir.join(&slot), removal::A_MINUTE);
        }
        made
    }

    /// All paths are relative to the scan directory: a look-up more is cheaper than two directories opened for a slot, and a boot
    /// makes thousands.
    fn fill(&self, name: &str, action: BootAction) -> Result<(), SlotError> {
        let failed = |file: &str| SlotError::new("make", self.scandir.join(file));
        let make_directory = |path: &str| {
            rustix::fs::mkdirat(&self.directory, path, Mode::from_raw_mode(0o755)).map_err(failed(path))
        };
        let log = format!("{name}/log");
        make_directory(name)?;
        make_directory(&log)?;
        for (directory, links) in [(name, &self.links), (&*log, &self.logger_links)] {
            for (link, target) in links {
                let path = format!("{directory}/{link}");
                rustix::fs::symlinkat(target, &self.directory, &*path).map_err(failed(&path))?;
            }
            if action == BootAction::Register {
                // The logger of a gateway that is down would be a process for nothing; the gateway brings it up.
                let path = format!("{directory}/down");
                let mode = Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(&self.directory, &*path, FileType::RegularFile, mode, 0)
                    .map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// Takes the slot of `profile` out of `s6-svscan`'s sight, and returns where it now lies: what supervises it still has it.
    /// Nothing when there is none.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(super) fn hide(&self, profile: &ProfileName) -> Result<Option<PathBuf>, SlotError> {
        let slot = profile.gateway_slot_name();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let hidden = format!(".gone-{}-{serial}", std::process::id());
        match rustix::fs::renameat(&self.directory, &slot, &self.directory, &hidden) {
            Ok(()) => Ok(Some(self.scandir.join(hidden))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(SlotError::new("remove", self.scandir.join(slot))(error)),
        }
    }

    /// Removes a slot that [`hide`](Self::hide) put away.
    pub(super) fn remove(&self, hidden: &Path) -> Result<(), SlotError> {
        removal::remove(hidden, removal::A_MINUTE).map_err(|source| SlotError {
            operation: "remove",
            path: hidden.to_owned(),
            source,
        })
    }
}
