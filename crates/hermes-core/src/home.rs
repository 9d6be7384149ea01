//! `HERMES_HOME`: every path under it, and which profiles it holds.

use std::env;
use std::ffi::{CStr, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::profile_directories;
use crate::profile_name::{ProfileName, ProfileNameError};

/// The variable that names it.
pub const HOME_VARIABLE: &str = "HERMES_HOME";

/// Where it is when nothing names it.
pub const DEFAULT_HOME: &str = "/opt/data";

/// The file that makes a directory a profile.
const SOUL: &str = "SOUL.md";

/// The directory of all that Hermes keeps: an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// What was asked of `HERMES_HOME` and failed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A relative path would mean another directory for each caller.
    #[error("HERMES_HOME must be an absolute path, and is {value:?}")]
    NotAbsolute {
        /// What the variable holds.
        value: OsString,
    },
    /// `profiles/` is there, or may be, and cannot be read.
    #[error("list the profiles in {}", path.display())]
    ListProfiles {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What `profiles/` holds.
#[derive(Debug)]
pub struct Profiles {
    /// The default profile first, the others by name.
    pub names: Vec<ProfileName>,
    /// What lies there and is no profile, by name.
    pub strays: Vec<Stray>,
}

/// Something in `profiles/` that is no profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its name, whatever bytes that is.
    pub name: OsString,
    /// What keeps it from being one.
    pub why: StrayReason,
}

/// What keeps an entry of `profiles/` from being a profile.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrayReason {
    /// The name breaks the rule.
    #[error("{0}")]
    Name(ProfileNameError),
    /// A symlink could lead anywhere.
    #[error("it is a symlink")]
    Symlink,
    /// A file, a FIFO, …
    #[error("it is no directory")]
    NotADirectory,
    /// The default profile is the root of `HERMES_HOME`.
    #[error("the default profile lies at the root of HERMES_HOME, not here")]
    Default,
    /// Without `SOUL.md` it is somebody's directory.
    #[error("it has no SOUL.md")]
    NoSoul,
    /// It may be a profile; who looks is not allowed to know.
    #[error("it cannot be looked into: {}", io::Error::from(*.0))]
    Unreadable(Errno),
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.why)
    }
}

impl Home {
    /// What the environment says: `HERMES_HOME`, or [`DEFAULT_HOME`] when that is unset or empty.
    ///
    /// # Errors
    /// The path is relative.
    pub fn from_env() -> Result<Self, HomeError> {
        match env::var_os(HOME_VARIABLE) {
            Some(value) if !value.is_empty() => Self::new(value),
            _ => Self::new(DEFAULT_HOME),
        }
    }

    /// The directory `root`.
    ///
    /// # Errors
    /// The path is relative.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let root = root.into();
        if root.is_absolute() {
            Ok(Self { root })
        } else {
            Err(HomeError::NotAbsolute { value: root.into() })
        }
    }

    /// `HERMES_HOME` itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the profiles that have a name lie.
    pub fn profiles_directory(&self) -> PathBuf {
        self.root.join("profiles")
    }

    /// The directory of a profile: the root for the default one.
    pub fn profile_directory(&self, profile: &ProfileName) -> PathBuf {
        if profile.is_default() {
            self.root.clone()
        } else {
            self.profiles_directory().join(profile.as_str())
        }
    }

    /// What the agent is told that it is; marks a directory as a profile.
    pub fn soul(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, SOUL)
    }

    /// The profile's configuration.
    pub fn config(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "config.yaml")
    }

    /// The profile's secrets.
    pub fn dot_env(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, ".env")
    }

    /// What the operator wants of the gateway and what it says of itself ([`crate::gateway_state`]).
    pub fn gateway_state(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway_state.json")
    }

    /// The PID of the running gateway.
    pub fn gateway_pid(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.pid")
    }

    /// Locked by the gateway for as long as it lives.
    pub fn gateway_lock(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.lock")
    }

    /// What the gateway started; stale after a boot.
    pub fn processes(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "processes.json")
    }

    /// The socket of the gateway's HTTP API. The path may be longer than the 107 bytes that a socket's address holds.
    pub fn gateway_socket(&self, profile: &ProfileName) -> PathBuf {
        self.in_profile(profile, "gateway.sock")
    }

    /// The name of the profile that is used when none is given ([`crate::active_profile`]).
    pub fn active_profile(&self) -> PathBuf {
        self.root.join("active_profile")
    }

    /// Where everything logs.
    pub fn logs_directory(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where the gateway of a profile logs.
    pub fn gateway_logs_directory(&self, profile: &ProfileName) -> PathBuf {
        let mut path = self.logs_directory();
        path.extend(["gateways", profile.as_str()]);
        path
    }

    /// The file that `s6-log` is writing.
    pub fn gateway_log(&self, profile: &ProfileName) -> PathBuf {
        self.gateway_logs_directory(profile).join("current")
    }

    /// What the boots did with the profiles ([`crate::boot_log`]).
    pub fn boot_log(&self) -> PathBuf {
        self.logs_directory().join("container-boot.log")
    }

    /// The last boots ([`crate::boot_record`]).
    pub fn boots(&self) -> PathBuf {
        self.logs_directory().join("boots.json")
    }

    /// Which container owns the volume.
    pub fn lease(&self) -> PathBuf {
        self.root.join("lease.json")
    }

    /// Locked by who has the volume, for as long as it lives.
    pub fn lease_lock(&self) -> PathBuf {
        self.root.join("lease.lock")
    }

    /// What the dashboard keeps; nobody else's to read.
    pub fn dashboard_directory(&self) -> PathBuf {
        self.root.join("dashboard")
    }

    /// What opens the dashboard where no password is configured.
    pub fn dashboard_token(&self) -> PathBuf {
        self.dashboard_directory().join("token")
    }

    /// Who is logged in to the dashboard.
    pub fn dashboard_sessions(&self) -> PathBuf {
        self.dashboard_directory().join("sessions.json")
    }

    /// What the dashboard last said of itself.
    pub fn dashboard_state(&self) -> PathBuf {
        self.dashboard_directory().join("state.json")
    }

    /// Whether the profile exists: the default one always does.
    ///
    /// # Errors
    /// The file system does not tell, a directory that may not be searched above all.
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

    /// The profiles, the default one first whether or not anything lies there. Costs one look at `SOUL.md` for each, beside the
    /// directory itself.
    ///
    /// # Errors
    /// `profiles/` is there and cannot be read, or is no directory.
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
            if matches!(name.to_bytes(), b"." | b"..") || name.to_str().is_ok_and(is_hermes_own) {
                continue;
            }
            soul.clear();
            soul.extend_from_slice(name.to_bytes());
            soul.push(b'/');
            soul.extend_from_slice(SOUL.as_bytes());
            let judged = judge(
                name,
                || kind_of(&directory, &entry),
                || {
                    rustix::fs::statat(&directory, soul.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                        .map(|stat| FileType::from_raw_mode(stat.st_mode))
                },
            );
            match judged {
                Ok(name) => found.names.push(name),
                Err(why) => {
                    found.strays.push(Stray { name: OsStr::from_bytes(name.to_bytes()).to_owned(), why })
                }
            }
        }
        Ok(())
    }

    fn in_profile(&self, profile: &ProfileName, file: &str) -> PathBuf {
        let mut path = self.profile_directory(profile);
        path.push(file);
        path
    }
}

/// The lock in `profiles/`, and what is on its way to be a profile: neither is a stray.
fn is_hermes_own(name: &str) -> bool {
    name == profile_directories::LOCK || profile_directories::is_on_its_way(name)
}

fn judge(
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

/// A symlink will do: some keep their `SOUL.md` elsewhere.
fn marks_a_profile(soul: FileType) -> bool {
    matches!(soul, FileType::RegularFile | FileType::Symlink)
}

/// What the directory says of its entry; some file systems do not say.
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
    fn a_relative_home_is_refused() {
        assert!(Home::new("/x").is_ok());
        for relative in ["", "data", "./data", "../data"] {
            assert!(matches!(Home::new(relative).unwrap_err(), HomeError::NotAbsolute { .. }), "{relative}");
        }
    }

    #[test]
    fn the_default_profile_lies_at_the_root_and_the_others_under_profiles() {
        let home = Home::new("/opt/data").unwrap();
        let (default, coder) = (ProfileName::default_profile(), ProfileName::new("coder").unwrap());
        let both = |path: fn(&Home, &ProfileName) -> PathBuf| {
            [path(&home, &default), path(&home, &coder)]
                .map(|path| path.into_os_string().into_string().unwrap())
        };
        assert_eq!(both(Home::soul), ["/opt/data/SOUL.md", "/opt/data/profiles/coder/SOUL.md"]);
        assert_eq!(both(Home::config), ["/opt/data/config.yaml", "/opt/data/profiles/coder/config.yaml"]);
        assert_eq!(both(Home::dot_env), ["/opt/data/.env", "/opt/data/profiles/coder/.env"]);
        assert_eq!(
            both(Home::gateway_state),
            ["/opt/data/gateway_state.json", "/opt/data/profiles/coder/gateway_state.json"]
        );
        assert_eq!(
            both(Home::gateway_pid),
            ["/opt/data/gateway.pid", "/opt/data/profiles/coder/gateway.pid"]
        );
        assert_eq!(
            both(Home::gateway_lock),
            ["/opt/data/gateway.lock", "/opt/data/profiles/coder/gateway.lock"]
        );
        assert_eq!(
            both(Home::processes),
            ["/opt/data/processes.json", "/opt/data/profiles/coder/processes.json"]
        );
        assert_eq!(
            both(Home::gateway_socket),
            ["/opt/data/gateway.sock", "/opt/data/profiles/coder/gateway.sock"]
        );
        assert_eq!(
            both(Home::gateway_log),
            ["/opt/data/logs/gateways/default/current", "/opt/data/logs/gateways/coder/current"]
        );
        assert_eq!(home.boot_log(), Path::new("/opt/data/logs/container-boot.log"));
        assert_eq!(home.active_profile(), Path::new("/opt/data/active_profile"));
    }

    #[test]
    fn an_empty_volume_has_the_default_profile() {
        let (_folder, home) = home();
        let profiles = home.profiles().unwrap();
        assert_eq!(profiles.names, [ProfileName::default_profile()]);
        assert!(profiles.strays.is_empty());
    }

    #[test]
    fn the_default_profile_comes_first_and_the_others_by_name() {
        let (_folder, home) = home();
        for name in ["writer", "a", "coder", "0"] {
            make_profile(&home, name);
        }
        let names: Vec<_> = home.profiles().unwrap().names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["default", "0", "a", "coder", "writer"]);
    }

    #[test]
    fn what_is_no_profile_is_skipped_and_reported() {
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
    fn profiles_that_is_a_file_or_a_symlink_is_an_error_and_not_an_empty_volume() {
        let (_folder, home) = home();
        fs::write(home.profiles_directory(), "x").unwrap();
        assert!(matches!(home.profiles().unwrap_err(), HomeError::ListProfiles { .. }));
        fs::remove_file(home.profiles_directory()).unwrap();
        symlink("/tmp", home.profiles_directory()).unwrap();
        assert!(matches!(home.profiles().unwrap_err(), HomeError::ListProfiles { .. }));
    }
}
