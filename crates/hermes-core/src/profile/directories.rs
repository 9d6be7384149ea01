//! The directories in `profiles/`, made, renamed and removed so that nobody ever sees half of one.
//!
//! What is being made or removed lies under a name that begins with a dot, which no profile's name does, and one rename makes it
//! a profile or ends it. All of that happens under one lock, `profiles/.lock`: two profiles that are made at once get two ports,
//! and what lies under such a name while nobody holds the lock was left by a process that was killed, and is removed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use hermes_os::lock_file::LockFile;
use hermes_os::removal;

use super::listing::{LOCK, MADE, REMOVED, is_on_its_way};
use super::name::ProfileName;
use crate::config::{self, GatewayConfig, dot_env};
use crate::home::{Home, HomeError};

/// How long a change waits for another. An import holds the lock while it unpacks.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// Why the directories in `profiles/` were not changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoriesError {
    /// `profiles/` itself.
    #[error("create {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The lock in it.
    #[error("lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said; of the kind `TimedOut` when another process held it all the time.
        source: io::Error,
    },
    /// Something lies where the directory should be.
    #[error("create {}: something lies there already", path.display())]
    Occupied {
        /// The place.
        path: PathBuf,
    },
    /// The step that makes the directory a profile, or another one.
    #[error("rename {} to {}", from.display(), to.display())]
    Rename {
        /// What it is called.
        from: PathBuf,
        /// What it was to be called.
        to: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What is no longer a profile, or never became one.
    #[error("remove {}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other profiles.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl DirectoriesError {
    /// What the kernel said, where it was asked.
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

/// The directories in `profiles/`, which nobody else changes while this is there.
#[derive(Debug)]
pub struct ProfileDirectories<'h> {
    home: &'h Home,
    _lock: LockFile,
}

impl<'h> ProfileDirectories<'h> {
    /// Takes the lock, and removes what killed processes left.
    ///
    /// # Errors
    /// `profiles/` cannot be made, or the lock not taken.
    pub fn lock(home: &'h Home) -> Result<Self, DirectoriesError> {
        let path = home.profiles_directory();
        fs::create_dir_all(&path)
            .map_err(|source| DirectoriesError::Create { path: path.clone(), source })?;
        let lock_path = path.join(LOCK);
        let lock = LockFile::take(&lock_path, LOCK_DEADLINE)
            .map_err(|source| DirectoriesError::Lock { path: lock_path, source })?;
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_on_its_way) {
                // What cannot be removed is no profile either, and hinders nobody.
                let _ = removal::remove(&entry.path(), removal::A_MINUTE);
            }
        }
        Ok(Self { home, _lock: lock })
    }

    /// An empty directory that can become a profile.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(&self) -> Result<UnfinishedProfile<'_>, DirectoriesError> {
        let path = self.on_its_way(MADE);
        fs::create_dir(&path).map_err(|source| DirectoriesError::Create { path: path.clone(), source })?;
        Ok(UnfinishedProfile { directories: self, path })
    }

    /// Gives the directory of a profile another name. Its gateway must be down.
    ///
    /// # Errors
    /// Something lies there already, or the kernel refuses. Then all is as it was.
    pub fn rename(&self, old: &ProfileName, new: &ProfileName) -> Result<(), DirectoriesError> {
        self.put(&self.home.profile_directory(old), new)
    }

    /// Removes the directory of a profile; one that is not there is no error.
    ///
    /// # Errors
    /// The kernel refuses. If only a part of it could be removed, the rest is no profile any more.
    pub fn remove(&self, name: &ProfileName) -> Result<(), DirectoriesError> {
        let (from, to) = (self.home.profile_directory(name), self.on_its_way(REMOVED));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(DirectoriesError::Rename { from, to, source }),
        }
        removal::remove(&to, removal::A_MINUTE)
            .map_err(|source| DirectoriesError::Remove { path: to, source })
    }

    /// The ports that profiles hold. A configuration that cannot be read holds none that anybody knows.
    ///
    /// # Errors
    /// The profiles cannot be listed.
    pub fn taken_ports(&self) -> Result<BTreeSet<u16>, DirectoriesError> {
        let port_of = |name: &ProfileName| {
            let config = config::load(&self.home.config(name)).ok().flatten().unwrap_or_default();
            let variables = dot_env::load(&self.home.dot_env(name)).ok().flatten().unwrap_or_default();
            let variable = |wanted: &str| variables.get(wanted).map(str::to_owned);
            GatewayConfig::resolve(name, &config, variable).ok()?.port
        };
        Ok(self.home.profiles()?.names.iter().filter_map(port_of).collect())
    }

    fn on_its_way(&self, prefix: &str) -> PathBuf {
        self.home.profiles_directory().join(format!("{prefix}{}", process::id()))
    }

    fn put(&self, from: &Path, name: &ProfileName) -> Result<(), DirectoriesError> {
        let to = self.home.profile_directory(name);
        // Not renameat2 with RENAME_NOREPLACE, which network file systems do not have; everybody who makes a profile holds the
        // lock.
        if to.symlink_metadata().is_ok() {
            return Err(DirectoriesError::Occupied { path: to });
        }
        fs::rename(from, &to).map_err(|source| DirectoriesError::Rename { from: from.to_owned(), to, source })
    }
}

/// A directory that is not yet a profile; it is gone when this is dropped before it became one.
#[derive(Debug)]
pub struct UnfinishedProfile<'d> {
    directories: &'d ProfileDirectories<'d>,
    path: PathBuf,
}

impl UnfinishedProfile<'_> {
    /// Where it lies meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it the profile `name`.
    ///
    /// # Errors
    /// Something lies there already, or the kernel refuses. Then it is gone.
    pub fn finish(self, name: &ProfileName) -> Result<(), DirectoriesError> {
        self.directories.put(&self.path, name)
    }
}

impl Drop for UnfinishedProfile<'_> {
    fn drop(&mut self) {
        // One that became a profile is no longer there.
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
    fn a_profile_appears_whole_and_what_is_given_up_leaves_nothing() {
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
    fn what_lies_there_is_never_replaced() {
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
    fn what_a_killed_process_left_is_removed() {
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
    fn a_removed_profile_is_gone_and_a_missing_one_is_no_error() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        make(&directories, "coder");
        directories.remove(&name("coder")).unwrap();
        assert!(!home.profile_directory(&name("coder")).exists());
        directories.remove(&name("coder")).unwrap();
    }

    #[test]
    fn the_ports_that_are_held_are_those_of_the_configurations_and_of_the_variables() {
        let (_folder, home) = home();
        let directories = ProfileDirectories::lock(&home).unwrap();
        make(&directories, "one");
        make(&directories, "two");
        fs::write(home.config(&name("one")), "gateway:\n  port: 9300\n").unwrap();
        fs::write(home.dot_env(&name("two")), "API_SERVER_PORT=9301\n").unwrap();
        assert_eq!(directories.taken_ports().unwrap(), BTreeSet::from([8642, 9300, 9301]));
    }
}
