//! `logs/container-boot.log`: one line for each profile at each boot, in the format of `docs/gateways.md`.

mod entry;

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hermes_os::file_kind;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::profile::name::ProfileName;
use crate::timestamp;

pub use entry::{Entry, READ_MAX, read, read_newest};

/// The size of the log, in bytes, at which it is renamed to `container-boot.log.1`.
pub const ROTATE_AT: u64 = 256 * 1024;

/// The longest reason or stray name that a line holds, in bytes.
const TEXT_MAX: usize = 400;

/// The action of a boot for one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The slot is up.
    Started,
    /// The slot is down.
    Registered,
    /// The entry of `profiles/` is no profile.
    Skipped,
    /// The slot could not be made.
    Failed {
        /// The cause. It fills the rest of the line.
        reason: String,
    },
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    time: SystemTime,
    profile: &'a OsStr,
    prior_state: &'a str,
    action: Action,
}

impl<'a> Line<'a> {
    /// Returns the line of `profile`. `prior_state` is the result of [`crate::gateway::state::prior_state`].
    pub fn of_profile(
        time: SystemTime,
        profile: &'a ProfileName,
        prior_state: &'a str,
        action: Action,
    ) -> Self {
        Self { time, profile: OsStr::new(profile.as_str()), prior_state, action }
    }

    /// Returns the line of an entry of `profiles/` that is no profile. The name may hold any bytes.
    pub fn of_stray(time: SystemTime, name: &'a OsStr) -> Self {
        Self { time, profile: name, prior_state: "none", action: Action::Skipped }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} profile=", timestamp::rfc3339(self.time))?;
        for &byte in self.profile.as_bytes().iter().take(TEXT_MAX) {
            // Readers split the line at spaces and at '='.
            if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'=') {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        write!(f, " prior_state={} action=", self.prior_state)?;
        match &self.action {
            Action::Started => f.write_str("started"),
            Action::Registered => f.write_str("registered"),
            Action::Skipped => f.write_str("skipped"),
            Action::Failed { reason } => {
                f.write_str("failed reason=")?;
                let mut left = TEXT_MAX;
                for character in reason.chars() {
                    left = match left.checked_sub(character.len_utf8()) {
                        Some(left) => left,
                        None => return f.write_char('…'),
                    };
                    f.write_char(if character.is_control() { ' ' } else { character })?;
                }
                Ok(())
            }
        }
    }
}

/// The step that failed. The log may lack lines of this boot.
#[derive(Debug, thiserror::Error)]
pub enum BootLogError {
    /// The log, or its directory, could not be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// The log.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The path is a symlink, a FIFO or another kind of file. It was not changed.
    #[error("failed to write {}: what lies there is a {kind}, not a file; remove it", path.display())]
    NotAFile {
        /// The log.
        path: PathBuf,
        /// The kind of the file.
        kind: &'static str,
    },
    /// The full log could not be renamed.
    #[error("failed to rotate {}", path.display())]
    Rotate {
        /// The log.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The lines could not be written.
    #[error("failed to append to {}", path.display())]
    Append {
        /// The log.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

/// Appends the lines of one boot with one write. Renames the log to `.1` first if the lines would exceed
/// [`ROTATE_AT`], so that the lines of a boot stay in one file. The lines of one boot alone may exceed the
/// limit, with thousands of profiles.
///
/// # Errors
/// Returns the step that failed. The caller continues the boot.
pub fn append<'a>(path: &Path, lines: impl IntoIterator<Item = Line<'a>>) -> Result<(), BootLogError> {
    let mut text = String::new();
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    }
    if text.is_empty() {
        return Ok(());
    }
    let (mut file, size) = open(path)?;
    if size > 0 && size.saturating_add(text.len() as u64) > ROTATE_AT {
        fs::rename(path, rotated(path))
            .map_err(|source| BootLogError::Rotate { path: path.to_owned(), source })?;
        file = open(path)?.0;
    }
    file.write_all(text.as_bytes()).map_err(|source| BootLogError::Append { path: path.to_owned(), source })
}

/// Returns the path of the full log: `path` with `.1` appended.
pub fn rotated(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}

fn open(path: &Path) -> Result<(File, u64), BootLogError> {
    let open_error = |error: Errno| BootLogError::Open { path: path.to_owned(), source: error.into() };
    // NONBLOCK: without it, open(2) of a FIFO blocks until a reader comes.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC
        | OFlags::NOCTTY;
    let not_a_file = |kind| BootLogError::NotAFile { path: path.to_owned(), kind: file_kind::name(kind) };
    let file = match rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(not_a_file(FileType::Symlink)),
        Err(Errno::ISDIR) => return Err(not_a_file(FileType::Directory)),
        Err(Errno::NXIO) => return Err(not_a_file(FileType::Fifo)),
        Err(error) => return Err(open_error(error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(open_error)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, u64::try_from(stat.st_size).unwrap_or(0))),
        kind => Err(not_a_file(kind)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    use rstest::rstest;

    use super::*;

    fn time() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_000_000)
    }

    #[rstest]
    #[case(Action::Started, "started")]
    #[case(Action::Registered, "registered")]
    #[case(Action::Skipped, "skipped")]
    #[case(Action::Failed { reason: "disk full\nprofile=x".into() }, "failed reason=disk full profile=x")]
    fn lines_have_the_form_of_the_contract(#[case] action: Action, #[case] expected: &str) {
        let coder = ProfileName::new("coder").unwrap();
        assert_eq!(
            Line::of_profile(time(), &coder, "running", action).to_string(),
            format!("2026-11-18T11:06:40.000000Z profile=coder prior_state=running action={expected}")
        );
    }

    #[test]
    fn stray_names_cannot_forge_a_line() {
        let name = OsStr::from_bytes(b"a b\nprofile=x%\xff");
        assert_eq!(
            Line::of_stray(time(), name).to_string(),
            "2026-11-18T11:06:40.000000Z profile=a%20b%0Aprofile%3Dx%25%FF prior_state=none action=skipped"
        );
    }

    #[test]
    fn long_reasons_are_truncated() {
        let coder = ProfileName::new("coder").unwrap();
        let action = Action::Failed { reason: "ä".repeat(100_000) };
        assert!(Line::of_profile(time(), &coder, "none", action).to_string().len() < TEXT_MAX + 100);
    }

    #[test]
    fn the_log_is_rotated_before_it_exceeds_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        let coder = ProfileName::new("coder").unwrap();
        let boot = || append(&path, [Line::of_profile(time(), &coder, "running", Action::Started)]).unwrap();
        boot();
        let one = fs::metadata(&path).unwrap().len();
        boot();
        assert_eq!(fs::metadata(&path).unwrap().len(), 2 * one, "appended");

        fs::write(&path, vec![b'x'; usize::try_from(ROTATE_AT - one).unwrap()]).unwrap();
        boot();
        assert_eq!(fs::metadata(&path).unwrap().len(), ROTATE_AT, "it just fits");
        assert!(!rotated(&path).exists());
        boot();
        assert_eq!(fs::metadata(rotated(&path)).unwrap().len(), ROTATE_AT);
        assert_eq!(fs::metadata(&path).unwrap().len(), one);
    }

    #[test]
    fn symlinks_directories_and_fifos_are_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let coder = ProfileName::new("coder").unwrap();
        let boot = |path: &Path| append(path, [Line::of_profile(time(), &coder, "none", Action::Registered)]);
        let (link, directory, fifo) =
            (folder.path().join("link"), folder.path().join("dir"), folder.path().join("fifo"));
        symlink(folder.path().join("precious"), &link).unwrap();
        fs::create_dir(&directory).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(matches!(boot(&link).unwrap_err(), BootLogError::NotAFile { kind: "symlink", .. }));
        assert!(matches!(boot(&directory).unwrap_err(), BootLogError::NotAFile { kind: "directory", .. }));
        assert!(matches!(boot(&fifo).unwrap_err(), BootLogError::NotAFile { kind: "FIFO", .. }));
        assert!(!folder.path().join("precious").exists());
    }
}
