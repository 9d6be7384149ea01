//! The confinement of an agent's own process, by Landlock. The gateway of a named profile reaches the machine and its own directory, and
//! no other part of the volume. Tools nest their rules in these.
//!
//! Landlock restricts neither stat(2) nor changes of modes and times, nor connections to Unix sockets with a path. So such a process
//! still sees names, and a gateway must not trust its clients for their account alone.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use hermes_core::config::dot_env;
use hermes_core::{Home, ProfileName};
use hermes_os::lock_file;
use hermes_os::sandbox_level::Level;
use landlock::{
    Access as _, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use thiserror::Error;

use super::file_access::{DEVICES, TESTED, device, readable, writable};
use crate::settings::{self, OpenPaths};
use crate::tools::reach;

/// The devices of terminals: a call may run in one.
const TERMINALS: [&str; 2] = ["/dev/ptmx", "/dev/pts"];

/// The files of the resolver. They may be links to `/run`.
const RESOLVER: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// A process of one profile that confines itself.
#[derive(Debug)]
pub struct OwnProcess<'a> {
    /// The volume.
    pub home: &'a Home,
    /// The profile. Not the default one, whose directory holds the others.
    pub profile: &'a ProfileName,
    /// The directory of the profile.
    pub directory: BorrowedFd<'a>,
    /// The environment. Its variables `NAME_FILE` name files that stay readable.
    pub environment: &'a BTreeMap<String, String>,
    /// The directory of its socket, if that is not the directory of the profile. Files can be removed from it.
    pub socket_directory: Option<&'a Path>,
}

/// The result of a confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    /// The kernel enforces the rules.
    Yes,
    /// The kernel has no Landlock. The process is as it was.
    NoLandlock,
}

/// A failure to confine this process.
#[derive(Debug, Error)]
pub enum OwnProcessError {
    /// A thread would stay free.
    #[error("failed to confine the process: it has {0} threads, and only one of them would be confined")]
    Threads(usize),
    /// The threads cannot be counted.
    #[error("failed to count the threads of the process")]
    CountThreads(#[source] io::Error),
    /// The kernel refuses the rules.
    #[error("failed to make the rules of Landlock")]
    Rules(#[from] RulesetError),
    /// The kernel does not enforce the rules.
    #[error("failed to confine the process with Landlock: the kernel ignored the rules")]
    Ignored,
}

impl OwnProcess<'_> {
    /// Confines this process, for good. Its children inherit the rules. Call it before the process starts a thread.
    ///
    /// It also sets `no_new_privs`, and keeps the signals of the process in itself and its children.
    ///
    /// # Errors
    /// See [`OwnProcessError`].
    pub fn confine(&self) -> Result<Confined, OwnProcessError> {
        if Level::probe().landlock_abi.is_none() {
            return Ok(Confined::NoLandlock);
        }
        let threads = fs::read_dir("/proc/self/task").map_err(OwnProcessError::CountThreads)?.count();
        if threads != 1 {
            return Err(OwnProcessError::Threads(threads));
        }
        let rules = Ruleset::default().handle_access(AccessFs::from_all(TESTED))?;
        let rules = rules.scope(Scope::from_all(TESTED))?.create()?;
        let mut rules = rules.add_rule(PathBeneath::new(self.directory, writable()))?;
        for (path, rights) in self.rights() {
            rules = allow_if_there(rules, &path, rights)?;
        }
        match rules.restrict_self()?.ruleset {
            RulesetStatus::NotEnforced => Err(OwnProcessError::Ignored),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(Confined::Yes),
        }
    }

    /// Returns the paths outside of the profile's directory, with the rights on them and all below.
    fn rights(&self) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
        let volume = Volume::of(self);
        let temporaries = reach::temporaries();
        let mut rights: Vec<(PathBuf, BitFlags<AccessFs>)> = Vec::new();

        // A full directory of temporary files must not delay the start, so its entries are not listed.
        let mut closed: Vec<PathBuf> = volume.paths.clone();
        closed.extend(["/run", "/proc", "/dev"].map(PathBuf::from));
        closed.extend([std::env::temp_dir()].into_iter().flat_map(|path| [real(&path), path]));
        let machine = reach::all_but(Path::new("/"), &closed);
        rights.extend(machine.iter().map(|path| (path.clone(), writable())));
        reach::remember_machine(machine);

        // Writing is for `oom_score_adj` of the supervisors. The kernel guards the memory of processes outside.
        let processes = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate;
        rights.push(("/proc".into(), processes));
        rights.extend(DEVICES.map(|path| (path.into(), device())));
        rights.extend(TERMINALS.map(|path| (path.into(), device() | AccessFs::ReadDir)));
        // The launcher of tools executes this program.
        rights.extend(std::env::current_exe().map(|path| (path, AccessFs::Execute | AccessFs::ReadFile)));

        let temporary = temporaries.join(self.profile.as_str());
        // With a read-only root file system, there is no such directory, and calls have theirs on the volume.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(&temporary);
        if temporary.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            rights.push((temporary, writable()));
        }
        if let Some(locks) = lock_file::substitutes_directory() {
            rights.push((locks, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::MakeReg));
        }
        if let Some(slot) = self.socket_directory {
            rights.push((slot.to_owned(), AccessFs::RemoveFile.into()));
        }
        let config = self.home.config(self.profile);
        // A file of another profile says nothing about this one.
        let OpenPaths { ca_file, readable: readable_paths, writable: writable_paths } =
            if volume.is_own_or_outside(&config) {
                settings::load_open_paths(self.home, self.profile)
            } else {
                OpenPaths::default()
            };
        let named = self.named_files(&volume, ca_file).into_iter();
        rights.extend(named.filter(|path| path.is_file()).map(|path| (path, AccessFs::ReadFile.into())));
        let open = |paths: Vec<PathBuf>| paths.into_iter().filter(|path| volume.allows_tools(path));
        rights.extend(open(readable_paths).map(|path| (path, readable())));
        rights.extend(open(writable_paths).map(|path| (path, writable())));
        rights
    }

    /// Returns the files outside of the volume that the settings name. They may lie in `/run/secrets`. A failure to read the settings
    /// names no file: the gateway reads them again, confined, and reports it.
    fn named_files(&self, volume: &Volume, ca_file: Option<PathBuf>) -> Vec<PathBuf> {
        let env = self.home.dot_env(self.profile);
        let mut named: Vec<PathBuf> = RESOLVER.map(PathBuf::from).into();
        named.extend([env.clone(), self.home.config(self.profile), self.home.soul(self.profile)]);
        named.extend(ca_file);
        let is_named = |name: &str| name.ends_with("_FILE");
        let in_environment = self.environment.iter().filter(|(name, _)| is_named(name));
        named.extend(in_environment.map(|(_, value)| PathBuf::from(value.trim())));
        // A file of another profile says nothing about this one.
        if volume.is_own_or_outside(&env)
            && let Ok(Some(found)) = dot_env::load(&env)
        {
            let variables = found.variables.into_iter().filter(|(name, _)| is_named(name));
            named.extend(variables.map(|(_, value)| PathBuf::from(value.trim())));
        }
        named.into_iter().filter(|path| path.is_absolute()).filter_map(|path| volume.outside(&path)).collect()
    }
}

/// The places of the volume, by their names and as they are without links.
struct Volume {
    own: PathBuf,
    paths: Vec<PathBuf>,
}

impl Volume {
    fn of(process: &OwnProcess<'_>) -> Self {
        let root = process.home.root();
        let own = real(&process.home.profile_directory(process.profile));
        Self { own, paths: reach::places(root).into() }
    }

    fn holds(&self, path: &Path) -> bool {
        self.paths.iter().any(|place| path.starts_with(place))
    }

    fn is_own_or_outside(&self, path: &Path) -> bool {
        let path = real(path);
        path.starts_with(&self.own) || !self.holds(&path)
    }

    /// Returns the file at the end of all links, unless it lies in the volume or among the processes and slots.
    fn outside(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().ok()?;
        let slots = Path::new(lock_file::ACCOUNT_MEMORY);
        let is_closed = self.holds(&path) || path.starts_with("/proc") || path.starts_with(slots);
        (!is_closed).then_some(path)
    }

    fn allows_tools(&self, path: &Path) -> bool {
        !self.paths.iter().any(|volume| reach::is_closed(path, volume))
    }
}

/// Returns the path without links, or the path itself if there is none.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Adds the rights on a path, and all below it. A path that cannot be opened gets none.
fn allow_if_there(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, OwnProcessError> {
    match PathFd::new(path) {
        Ok(opened) => Ok(rules.add_rule(PathBeneath::new(opened.as_fd(), rights))?),
        Err(_) => Ok(rules),
    }
}
