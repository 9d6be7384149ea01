//! Creates, renames and removes the directories in `profiles/`, so that no reader sees an incomplete profile.
//!
//! An unfinished profile, or one that is being removed, has a name with a leading dot, which no profile name
//! has. One rename makes it a profile or ends it. All changes hold one lock, `profiles/.lock`. So two new
//! profiles get two ports. A directory with such a name while nobody holds the lock was left by a killed
//! process, and is removed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use hermes_os::lock_file::LockFile;
use hermes_os::removal;

use super::listing::{LOCK, NEW_PREFIX, REMOVED_PREFIX, is_unfinished};
use super::name::ProfileName;
use crate::config::{self, GatewayConfig, dot_env};
use crate::home::{Home, HomeError};

/// The longest time that a change waits for the lock. An import holds the lock while it unpacks.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The reason why the directories in `profiles/` were not changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoriesError {
    /// A directory could not be created.
    #[error("failed to create {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The lock file could not be locked.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system call; its kind is `TimedOut` if another process kept the lock until the deadline.
        source: io::Error,
    },
    /// The target path exists.
    #[error("failed to create {}: something lies there already", path.display())]
    Occupied {
        /// The target path.
        path: PathBuf,
    },
    /// The directory could not be renamed.
    #[error("failed to rename {} to {}", from.display(), to.display())]
    Rename {
        /// The old path.
        from: PathBuf,
        /// The new path.
        to: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The directory of a removed or unfinished profile could not be removed.
    #[error("failed to remove {}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The profiles could not be listed.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl DirectoriesError {
    /// Returns the kind of the system error; `None` if no system call failed.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Create { source, .. }
            | Self::Lock { source, .. }
            | Self::Rename { source, .. }
            | Self::Remove { source, .. }
            | Self::Home(HomeError::ListProfiles { source, .. }) => Some(source.kind()),
            Self::Occupied { .. } | Self::Home(_) => None,
        }
    }
}

/// The exclusive right to change the directories in `profiles/`, until this is dropped.
#[derive(Debug)]
pub struct ProfileDirectories<'h> {
    home: &'h Home,
    _lock: LockFile,
}

impl<'h> ProfileDirectories<'h> {
    /// Takes the lock, and removes the directories that killed processes left.
    ///
    /// # Errors
    /// Fails if `profiles/` cannot be created, or the lock cannot be taken.
    pub fn lock(home: &'h Home) -> Result<Self, DirectoriesError> {
        let path = home.profiles_directory();
        fs::create_dir_all(&path)
            .map_err(|source| DirectoriesError::Create { path: path.clone(), source })?;
        let lock_path = path.join(LOCK);
        let lock = LockFile::take(&lock_path, LOCK_DEADLINE)
            .map_err(|source| DirectoriesError::Lock { path: lock_path, source })?;
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_unfinished) {
                // A directory that cannot be removed is still no profile, so it does no harm.
                let _ = removal::remove(&entry.path(), removal::A_MINUTE);
            }
        }
        Ok(Self { home, _lock: lock })
    }

    /// Creates an empty directory that can become a profile.
    ///
    /// # Errors
    /// Fails if the directory cannot be created.
    pub fn begin(&self) -> Result<UnfinishedProfile<'_>, DirectoriesError> {
        let path = self.unfinished_path(NEW_PREFIX);
        fs::create_dir(&path).map_err(|source| DirectoriesError::Create { path: path.clone(), source })?;
        Ok(UnfinishedProfile { directories: self, path })
    }

    /// Renames the directory of a profile. Its gateway must be stopped.
    ///
    /// # Errors
    /// Fails if the new path exists, or the rename fails. Both paths are then unchanged.
    pub fn rename(&self, old: &ProfileName, new: &ProfileName) -> Result<(), DirectoriesError> {
        self.rename_to(&self.home.profile_directory(old), new)
    }

    /// Removes the directory of a profile. Succeeds if it does not exist.
    ///
    /// # Errors
    /// Fails if the directory cannot be renamed or removed. A partly removed directory is no profile any
    /// more.
    pub fn remove(&self, name: &ProfileName) -> Result<(), DirectoriesError> {
        let (from, to) = (self.home.profile_directory(name), self.unfinished_path(REMOVED_PREFIX));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(DirectoriesError::Rename { from, to, source }),
        }
        removal::remove(&to, removal::A_MINUTE)
            .map_err(|source| DirectoriesError::Remove { path: to, source })
    }

    /// Returns the ports in the configurations and `.env` files of all profiles. Skips a configuration that
    /// cannot be read.
    ///
    /// # Errors
    /// Fails if the profiles cannot be listed.
    pub fn taken_ports(&self) -> Result<BTreeSet<u16>, DirectoriesError> {
        let port_of = |name: &ProfileName| {
            let config = config::load(&self.home.config(name)).ok().flatten().unwrap_or_default();
            let variables = dot_env::load(&self.home.dot_env(name)).ok().flatten().unwrap_or_default();
            let variable = |wanted: &str| variables.get(wanted).map(str::to_owned);
            GatewayConfig::resolve(name, &config, variable).ok()?.port
        };
        Ok(self.home.profiles()?.names.iter().filter_map(port_of).collect())
    }

    fn unfinished_path(&self, prefix: &str) -> PathBuf {
        self.home.profiles_directory().join(format!("{prefix}{}", process::id()))
    }

    fn rename_to(&self, from: &Path, name: &ProfileName) -> Result<(), DirectoriesError> {
        let to = self.home.profile_directory(name);
        // Not renameat2(2) with RENAME_NOREPLACE, which network file systems lack. The lock excludes other
        // writers.
        if to.symlink_metadata().is_ok() {
            return Err(DirectoriesError::Occupied { path: to });
        }
        fs::rename(from, &to).map_err(|source| DirectoriesError::Rename { from: from.to_owned(), to, source })
    }
}

/// A directory that is not yet a profile. It is removed when this is dropped.
#[derive(Debug)]
pub struct UnfinishedProfile<'d> {
    directories: &'d ProfileDirectories<'d>,
    path: PathBuf,
}

impl UnfinishedProfile<'_> {
    /// Returns the present path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it the profile `name`.
    ///
    /// # Errors
    /// Fails if the path exists, or the rename fails. The directory is then removed.
    pub fn finish(self, name: &ProfileName) -> Result<(), DirectoriesError> {
        self.directories.rename_to(&self.path, name)
    }
}

impl Drop for UnfinishedProfile<'_> {
    fn drop(&mut self) {
        // A finished profile has another path by now.
        let _ = removal::remove(&self.path, removal::A_MINUTE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        (folder, home)
    }

    fn name(name: &str) -> ProfileName {
        ProfileName::new(name).unwrap()
    }

    fn make(directories: &ProfileDirectories<'_>, profile: &str) {
        let unfinished = directories.begin().unwrap();
        fs::write(unfinished.path().join("SOUL.md"), "x").unwrap();
        unfinished.finish(&name(profile)).unwrap();
    }

    #[test]
    fn profiles_appear_whole_and_unfinished_ones_vanish() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        let unfinished = directories.begin().unwrap();
        fs::write(unfinished.path().join("SOUL.md"), "x").unwrap();
        let profiles = home.profiles().unwrap();
        assert_eq!(profiles.names.len(), 1, "only the default one");
        assert!(profiles.strays.is_empty(), "{:?}", profiles.strays);
        unfinished.finish(&name("coder")).unwrap();
        assert!(home.has_profile(&name("coder")).unwrap());

        drop(directories.begin().unwrap());
        let mut left: Vec<_> = fs::read_dir(home.profiles_directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".lock", "coder"]);
    }

    #[test]
    fn existing_paths_are_never_replaced() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        make(&directories, "one");
        let stray = home.profiles_directory().join("stray");
        fs::create_dir(&stray).unwrap();
        let error = directories.begin().unwrap().finish(&name("stray")).unwrap_err();
        assert!(matches!(error, DirectoriesError::Occupied { .. }), "{error:?}");
        let error = directories.rename(&name("one"), &name("stray")).unwrap_err();
        assert!(matches!(error, DirectoriesError::Occupied { .. }), "{error:?}");
        assert!(home.has_profile(&name("one")).unwrap());
        assert!(stray.is_dir());
    }

    #[test]
    fn leftovers_of_killed_processes_are_removed() {
        let (_folder, home) = home();
        let profiles = home.profiles_directory();
        for left in [".new-1", ".removed-2", "kept"] {
            fs::create_dir_all(profiles.join(left)).unwrap();
            fs::write(profiles.join(left).join("SOUL.md"), "x").unwrap();
        }
        drop(ProfileDirectories::lock(&home).unwrap());
        assert!(!profiles.join(".new-1").exists() && !profiles.join(".removed-2").exists());
        assert!(profiles.join("kept").exists());
    }

    #[test]
    fn removing_a_missing_profile_succeeds() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        make(&directories, "coder");
        directories.remove(&name("coder")).unwrap();
        assert!(!home.profile_directory(&name("coder")).exists());
        directories.remove(&name("coder")).unwrap();
    }

    #[test]
    fn taken_ports_come_from_configurations_and_variables() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        make(&directories, "one");
        make(&directories, "two");
        fs::write(home.config(&name("one")), "gateway:\n  port: 9300\n").unwrap();
        fs::write(home.dot_env(&name("two")), "API_SERVER_PORT=9301\n").unwrap();
        assert_eq!(directories.taken_ports().unwrap(), BTreeSet::from([8642, 9300, 9301]));
    }
}
