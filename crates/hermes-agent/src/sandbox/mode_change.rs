//! The change of a file's mode in place of a confined process: only below the writable directories.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, chmod, openat, openat2, readlink};
use rustix::io::Errno;

/// The file whose mode a process changes.
pub(super) enum Target {
    /// An open descriptor.
    Descriptor(u32),
    /// A path, from a directory.
    Path {
        /// The descriptor of the directory. `None` is the working directory.
        directory: Option<u32>,
        path: PathBuf,
        /// `AT_SYMLINK_NOFOLLOW`.
        no_follow: bool,
    },
    /// Flags that this program does not know.
    Unknown,
}

impl Target {
    /// Returns the target of a call with these arguments.
    pub(super) fn path(directory: i32, path: PathBuf, flags: u32) -> Self {
        let flags = flags.cast_signed();
        if flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
            return Self::Unknown;
        }
        let directory = u32::try_from(directory).ok();
        match directory {
            Some(descriptor) if path.as_os_str().is_empty() && flags & libc::AT_EMPTY_PATH != 0 => {
                Self::Descriptor(descriptor)
            }
            _ => Self::Path { directory, path, no_follow: flags & libc::AT_SYMLINK_NOFOLLOW != 0 },
        }
    }

    /// Opens the file, without access to its content.
    ///
    /// # Errors
    /// No such file exists, or its path leads through a magic link of `/proc`: that would be the link of this process.
    pub(super) fn open(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let place = OFlags::PATH | OFlags::CLOEXEC;
        match self {
            Self::Unknown => Err(Errno::INVAL),
            Self::Descriptor(descriptor) => {
                openat(CWD, format!("/proc/{pid}/fd/{descriptor}"), place, Mode::empty())
            }
            Self::Path { path, .. } if path.as_os_str().is_empty() => Err(Errno::NOENT),
            Self::Path { directory, path, no_follow } => {
                let base = match directory {
                    _ if path.is_absolute() => "/".to_owned(),
                    Some(descriptor) => format!("/proc/{pid}/fd/{descriptor}"),
                    None => format!("/proc/{pid}/cwd"),
                };
                let base = openat(CWD, base, place, Mode::empty())?;
                let flags = if *no_follow { place | OFlags::NOFOLLOW } else { place };
                openat2(base, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
            }
        }
    }
}

/// Changes the mode of an open file below one of the `writable` paths.
///
/// # Errors
/// The file is elsewhere, or the account does not own it.
pub(super) fn change(file: &OwnedFd, mode: u32, writable: &[PathBuf]) -> Result<(), Errno> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let name = readlink(&link, Vec::new())?;
    // The kernel names the place of the open file itself: no symbolic link and no `..` is left.
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    if !writable.iter().any(|root| path.starts_with(root)) {
        return Err(Errno::PERM);
    }
    chmod(link, Mode::from_raw_mode(mode & 0o1777))
}

use std::os::unix::ffi::OsStrExt as _;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn only_files_below_a_writable_path_change() {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        let (inside, outside) = (root.join("workspace/script"), root.join("workspaces"));
        fs::create_dir(root.join("workspace")).unwrap();
        for file in [&inside, &outside] {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, root.join("workspace/link")).unwrap();
        let writable = [root.join("workspace")];
        let change = |path: PathBuf, flags| {
            let target = Target::path(libc::AT_FDCWD, path, flags);
            change(&target.open(std::process::id())?, 0o6755, &writable)
        };
        assert_eq!(change(inside.clone(), 0), Ok(()));
        assert_eq!(mode_of(&inside), 0o755, "without the bits that change the user");
        for path in ["workspaces", "workspace/link", "workspace/../workspaces"] {
            assert_eq!(change(root.join(path), 0), Err(Errno::PERM), "{path}");
        }
        assert_eq!(mode_of(&outside), 0o600);
        assert_eq!(change(root.join("absent"), 0), Err(Errno::NOENT));
        assert_eq!(change(inside.clone(), 0x8000), Err(Errno::INVAL));
        assert_eq!(change(PathBuf::from("/proc/self/cwd"), 0), Err(Errno::LOOP));
    }
}
