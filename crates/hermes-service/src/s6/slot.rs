//! The layout of a gateway's slot, for registration and boot reconciliation.
//!
//! A slot has no rendered files. `run`, `finish`, `log/run` and the settings are links into the image, the
//! same for every slot. The name of the profile is part of the slot's name.

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

/// The directory of the link targets in the image.
pub const IMAGE_PARTS: &str = "/opt/hermes/docker/gateway";

/// The links of a slot, with the same names as in the image; servicedir(7) explains each.
const PARTS: [&str; 5] = ["type", "run", "finish", "notification-fd", "timeout-kill"];
/// The links of the slot's logger: the name in the slot and the name in the image.
const LOGGER_PARTS: [(&str, &str); 1] = [("run", "log-run")];

/// The failure of an operation on a slot.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} {}", path.display())]
pub struct SlotError {
    /// The operation.
    pub operation: &'static str,
    /// The path of the operation.
    pub path: PathBuf,
    /// The error of the system call.
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
    /// The links of a slot: name and target.
    links: Vec<(&'static str, CString)>,
    logger_links: Vec<(&'static str, CString)>,
}

/// The counter for the temporary names of this process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

impl SlotMaker {
    /// Creates a maker for `scandir`, with links into `parts`.
    ///
    /// # Errors
    /// Fails if the scan directory cannot be opened.
    pub fn new(scandir: &Path, parts: &Path) -> Result<Self, SlotError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(scandir, flags, Mode::empty()).map_err(SlotError::new("open", scandir))?;
        // A path in Rust has no zero byte.
        let target =
            |part: &str| CString::new(parts.join(part).into_os_string().into_vec()).unwrap_or_default();
        Ok(Self {
            scandir: scandir.to_owned(),
            directory,
            links: PARTS.map(|name| (name, target(name))).into(),
            logger_links: LOGGER_PARTS.map(|(name, part)| (name, target(part))).into(),
        })
    }

    /// Returns the path of the slot of `profile`.
    pub fn path(&self, profile: &ProfileName) -> PathBuf {
        self.scandir.join(profile.gateway_slot_name())
    }

    /// Makes the slot of `profile` if there is none. Returns `false` if there is one.
    ///
    /// # Errors
    /// A step failed; nothing of the slot is left.
    pub fn make(&self, profile: &ProfileName, action: BootAction) -> Result<bool, SlotError> {
        let slot = profile.gateway_slot_name();
        if rustix::fs::accessat(&self.directory, &slot, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
        {
            return Ok(false);
        }
        match self.make_new(profile, action) {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Makes the slot of `profile`. `s6-svscan` never sees a part of it, since it skips the name under which the slot is made: in a
    /// container without root it scans while the boot makes the slots. It would start a slot whose file `down` is not there yet.
    ///
    /// # Errors
    /// A step failed, or the slot exists; nothing of the new slot is left.
    pub fn make_new(&self, profile: &ProfileName, action: BootAction) -> Result<(), SlotError> {
        let slot = profile.gateway_slot_name();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let hidden = format!(".new-{}-{serial}", std::process::id());
        let made = self.fill(&hidden, action).and_then(|()| {
            rustix::fs::renameat_with(
                &self.directory,
                &hidden,
                &self.directory,
                &slot,
                RenameFlags::NOREPLACE,
            )
            .map_err(SlotError::new("make", self.scandir.join(&slot)))
        });
        if made.is_err() {
            let _ = removal::remove(&self.scandir.join(&hidden), removal::A_MINUTE);
        }
        made
    }

    /// Fills the slot. All paths are relative to the scan directory: one more look-up is cheaper than two
    /// open directories for each slot, and a boot makes thousands.
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
                // A stopped gateway needs no logger. The gateway starts it.
                let path = format!("{directory}/down");
                let mode = Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(&self.directory, &*path, FileType::RegularFile, mode, 0)
                    .map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// Renames the slot of `profile` to a hidden name and returns the new path. Its supervisors keep running.
    /// Returns `None` if there is no slot.
    ///
    /// # Errors
    /// Fails if the slot cannot be renamed.
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

    /// Removes a slot that [`hide`](Self::hide) renamed.
    pub(super) fn remove(&self, hidden: &Path) -> Result<(), SlotError> {
        removal::remove(hidden, removal::A_MINUTE).map_err(|source| SlotError {
            operation: "remove",
            path: hidden.to_owned(),
            source,
        })
    }
}
