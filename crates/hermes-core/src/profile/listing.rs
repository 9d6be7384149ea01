//! The profiles of a volume: the directories in `profiles/` that hold a `SOUL.md`, and the default profile.

use std::ffi::{CStr, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::name::{ProfileName, ProfileNameError};
use crate::home::{Home, HomeError, SOUL};

/// The name of the lock file in `profiles/`.
pub(super) const LOCK: &str = ".lock";
/// The prefix of a directory that becomes a profile.
pub(super) const NEW_PREFIX: &str = ".new-";
/// The prefix of a profile that is being removed.
pub(super) const REMOVED_PREFIX: &str = ".removed-";

/// The content of `profiles/`.
#[derive(Debug)]
pub struct Profiles {
    /// The profiles: the default one first, the others by name.
    pub names: Vec<ProfileName>,
    /// The other entries, by name.
    pub strays: Vec<Stray>,
}

/// An entry of `profiles/` that is no profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray {
    /// The name, with any bytes.
    pub name: OsString,
    /// The reason.
    pub why: StrayReason,
}

/// The reason why an entry of `profiles/` is no profile.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrayReason {
    /// The name is no profile name.
    #[error("{0}")]
    Name(ProfileNameError),
    /// The entry is a symlink, which could lead anywhere.
    #[error("it is a symlink")]
    Symlink,
    /// The entry is a file, a FIFO or another kind of file.
    #[error("it is no directory")]
    NotADirectory,
    /// The entry is called `default`, but the default profile lies in the root of `HERMES_HOME`.
    #[error("the default profile lies at the root of HERMES_HOME, not here")]
    Default,
    /// The directory has no `SOUL.md`, so it may belong to another program.
    #[error("it has no SOUL.md")]
    NoSoul,
    /// The entry may be a profile, but this process is not allowed to look.
    #[error("it cannot be looked into: {}", io::Error::from(*.0))]
    Unreadable(Errno),
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.why)
    }
}

impl Home {
    /// Returns `true` if the profile exists. The default profile always exists.
    ///
    /// # Errors
    /// Fails if the file system reports an error, such as a missing permission.
    pub fn has_profile(&self, profile: &ProfileName) -> Result<bool, HomeError> {
        if profile.is_default() {
            return Ok(true);
        }
        let directory = self.profile_directory(profile);
        let list_error =
            |error: Errno| HomeError::ListProfiles { path: directory.clone(), source: error.into() };
        match rustix::fs::lstat(&directory) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(error) => return Err(list_error(error)),
        }
        match rustix::fs::lstat(self.soul(profile)) {
            Ok(stat) => Ok(marks_a_profile(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(list_error(error)),
        }
    }

    /// Lists the profiles. The default one comes first, even if its directory is empty. Costs one read of the
    /// directory and one lstat(2) for each profile.
    ///
    /// # Errors
    /// Fails if `profiles/` exists and cannot be read, or is no directory.
    pub fn profiles(&self) -> Result<Profiles, HomeError> {
        let path = self.profiles_directory();
        let mut found = Profiles { names: Vec::new(), strays: Vec::new() };
        self.walk(&path, &mut found)
            .map_err(|error| HomeError::ListProfiles { path, source: error.into() })?;
        found.names.sort_unstable();
        found.names.insert(0, ProfileName::default_profile());
        found.strays.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn walk(&self, path: &Path, found: &mut Profiles) -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut soul = Vec::with_capacity(256);
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || name.to_str().is_ok_and(is_internal) {
                continue;
            }
            soul.clear();
            soul.extend_from_slice(name.to_bytes());
            soul.push(b'/');
            soul.extend_from_slice(SOUL.as_bytes());
            let classified = classify(
                name,
                || kind_of(&directory, &entry),
                || {
                    rustix::fs::statat(&directory, soul.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                        .map(|stat| FileType::from_raw_mode(stat.st_mode))
                },
            );
            match classified {
                Ok(name) => found.names.push(name),
                Err(why) => {
                    found.strays.push(Stray { name: OsStr::from_bytes(name.to_bytes()).to_owned(), why })
                }
            }
        }
        Ok(())
    }
}

/// Returns `true` for the name of a directory that is being made or removed.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(NEW_PREFIX) || name.starts_with(REMOVED_PREFIX)
}

/// Returns `true` for the lock and for a directory that is being made or removed. These are no strays.
fn is_internal(name: &str) -> bool {
    name == LOCK || is_unfinished(name)
}

fn classify(
    name: &CStr,
    kind: impl FnOnce() -> rustix::io::Result<FileType>,
    soul: impl FnOnce() -> rustix::io::Result<FileType>,
) -> Result<ProfileName, StrayReason> {
    let text = name.to_str().map_err(|_| StrayReason::Name(ProfileNameError::NotText))?;
    let name = ProfileName::new(text).map_err(StrayReason::Name)?;
    if name.is_default() {
        return Err(StrayReason::Default);
    }
    match kind().map_err(StrayReason::Unreadable)? {
        FileType::Directory => {}
        FileType::Symlink => return Err(StrayReason::Symlink),
        _ => return Err(StrayReason::NotADirectory),
    }
    match soul() {
        Ok(kind) if marks_a_profile(kind) => Ok(name),
        Ok(_) | Err(Errno::NOENT) => Err(StrayReason::NoSoul),
        Err(error) => Err(StrayReason::Unreadable(error)),
    }
}

/// Accepts a symlink, since some users keep their `SOUL.md` elsewhere.
fn marks_a_profile(soul: FileType) -> bool {
    matches!(soul, FileType::RegularFile | FileType::Symlink)
}

/// Returns the kind in the directory entry. Some file systems do not report it there.
fn kind_of(directory: &impl std::os::fd::AsFd, entry: &rustix::fs::DirEntry) -> rustix::io::Result<FileType> {
    match entry.file_type() {
        FileType::Unknown => rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode)),
        known => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        (folder, home)
    }

    fn make_profile(home: &Home, name: &str) {
        let name = ProfileName::new(name).unwrap();
        fs::create_dir_all(home.profile_directory(&name)).unwrap();
        fs::write(home.soul(&name), "You are.").unwrap();
    }

    #[test]
    fn an_empty_volume_has_the_default_profile() {
        let (_folder, home) = home();
        let profiles = home.profiles().unwrap();
        assert_eq!(profiles.names, [ProfileName::default_profile()]);
        assert!(profiles.strays.is_empty());
    }

    #[test]
    fn the_default_profile_is_listed_first() {
        let (_folder, home) = home();
        for name in ["writer", "a", "coder", "0"] {
            make_profile(&home, name);
        }
        let names: Vec<_> = home.profiles().unwrap().names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["default", "0", "a", "coder", "writer"]);
    }

    #[test]
    fn strays_are_skipped_and_reported() {
        let (_folder, home) = home();
        make_profile(&home, "good");
        let profiles = home.profiles_directory();
        let make = |name: &OsStr| {
            fs::create_dir(profiles.join(name)).unwrap();
            fs::write(profiles.join(name).join("SOUL.md"), "x").unwrap();
        };
        let (long, bytes) = ("x".repeat(250), OsStr::from_bytes(b"a\xff"));
        for name in ["default", "with space", "Upper", "-dash", &long] {
            make(OsStr::new(name));
        }
        make(bytes);
        fs::create_dir(profiles.join("empty")).unwrap();
        fs::create_dir_all(profiles.join("soul-is-a-directory/SOUL.md")).unwrap();
        fs::write(profiles.join("file"), "x").unwrap();
        symlink(profiles.join("good"), profiles.join("link")).unwrap();

        let found = home.profiles().unwrap();
        assert_eq!(found.names, ["default", "good"].map(|name| ProfileName::new(name).unwrap()));
        let why = |name: &OsStr| &found.strays.iter().find(|stray| stray.name == name).unwrap().why;
        assert_eq!(found.strays.len(), 10);
        assert_eq!(*why("default".as_ref()), StrayReason::Default);
        for name in ["with space", "Upper", "-dash", &long] {
            assert!(matches!(why(name.as_ref()), StrayReason::Name(_)), "{name}");
        }
        assert_eq!(*why(bytes), StrayReason::Name(ProfileNameError::NotText));
        assert_eq!(*why("empty".as_ref()), StrayReason::NoSoul);
        assert_eq!(*why("soul-is-a-directory".as_ref()), StrayReason::NoSoul);
        assert_eq!(*why("file".as_ref()), StrayReason::NotADirectory);
        assert_eq!(*why("link".as_ref()), StrayReason::Symlink);
        for name in &found.names {
            assert!(home.has_profile(name).unwrap(), "{name}");
        }
        for name in ["empty", "soul-is-a-directory", "file", "link", "missing"] {
            assert!(!home.has_profile(&ProfileName::new(name).unwrap()).unwrap(), "{name}");
        }
    }

    #[test]
    fn profiles_as_file_or_symlink_is_an_error() {
        let (_folder, home) = home();
        fs::write(home.profiles_directory(), "x").unwrap();
        assert!(matches!(home.profiles().unwrap_err(), HomeError::ListProfiles { .. }));
        fs::remove_file(home.profiles_directory()).unwrap();
        symlink("/tmp", home.profiles_directory()).unwrap();
        assert!(matches!(home.profiles().unwrap_err(), HomeError::ListProfiles { .. }));
    }
}
