//! The half of the set-up that the account does itself: directories, seeds, modes, and configurations of earlier versions.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hermes_core::config::{self, CONFIG_FILE_MAX, Migration, is_surely_current};
use hermes_core::{Home, ProfileName, chain, owned};
use hermes_os::file_kind;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::{Directory, Facts};
use crate::notice::{First, Notice, Notices};
use crate::ports::{self, Ports};
use crate::root::Prepared;
use crate::seeds;
use crate::variables::Variables;

/// The configuration in the directory of a profile.
const CONFIG: &str = "config.yaml";

/// The maximum number of state files, backups included, that a boot inspects.
const NAMES_MAX: usize = 10_000;

/// The variable that disables the migration of configurations.
const SKIP_MIGRATION: &str = "HERMES_SKIP_CONFIG_MIGRATION";

/// The directory of the templates for a first boot.
const TEMPLATES: &str = "/opt/hermes/docker/seed";

/// Does the account's half. A failure causes a notice, and the other steps still run.
pub fn populate(home: &Home, variables: &Variables, prepared: Prepared, notices: &mut Notices) {
    populate_from(Path::new(TEMPLATES), home, variables, prepared, notices);
}

fn populate_from(
    templates: &Path,
    home: &Home,
    variables: &Variables,
    prepared: Prepared,
    notices: &mut Notices,
) {
    if !prepared.usable {
        return;
    }
    let directory = match Directory::open(home.root()) {
        Ok(directory) => directory,
        Err(stuck) => {
            return notices.add(Notice::CreateFailed { path: stuck.path, more: 0, error: stuck.error });
        }
    };
    seeds::plant(home, templates, variables, notices);
    make_directories(&directory, home.root(), notices);
    report_wrong_kinds(&directory, home.root(), notices);
    remove_record_of_earlier_version(&directory);
    restrict_secret_files(&directory, home.root(), notices);
    if let Ok(profiles) = directory.step(OsStr::new(owned::PROFILES)) {
        let closed = profiles.for_each(|name| {
            if let Ok(profile) = profiles.step(name) {
                restrict_secret_files(&profile, &home.profiles_directory().join(name), notices);
            }
            ControlFlow::Continue(())
        });
        // Reconciliation reports an unreadable directory.
        let _ = closed;
    }
    if !variables.is_truthy(SKIP_MIGRATION) {
        migrate(home, &directory, notices);
    }
}

fn make_directories(home: &Directory, path: &Path, notices: &mut Notices) {
    let mut failed = First::default();
    for (name, mode) in owned::DIRECTORIES {
        let path = path.join(name);
        match make_directory(home, name, *mode) {
            Ok(FileType::Directory) => {}
            Ok(FileType::Symlink) => {
                notices.add(Notice::Symlink { path, hint: "put a directory there, or mount one there" });
            }
            Ok(kind) => notices.add(Notice::WrongKind {
                path,
                found: file_kind::name(kind),
                wanted: "directory",
                hint: "move it away",
            }),
            // The parent is no directory, and another notice says so.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) if name.contains('/') => {}
            Err(error) => failed.note(|| (path, error)),
        }
    }
    if let Some(((path, error), more)) = failed.take() {
        notices.add(Notice::CreateFailed { path, more, error });
    }
}

/// Creates the directory, unless the name exists. Returns the kind of the file there.
fn make_directory(home: &Directory, name: &str, mode: u32) -> rustix::io::Result<FileType> {
    let (parent, last) = match name.rsplit_once('/') {
        Some((way, last)) => (Some(home.step(OsStr::new(way))?), last),
        None => (None, name),
    };
    let parent = parent.as_ref().unwrap_or(home);
    // Checked first, since it exists at every boot except the first.
    if let Some(facts) = parent.look(last)? {
        return Ok(facts.kind);
    }
    parent.make(last, mode)?;
    Ok(FileType::Directory)
}

/// Reports state files of the default profile that are no regular files. Hermes neither reads nor writes through them.
fn report_wrong_kinds(home: &Directory, path: &Path, notices: &mut Notices) {
    let mut names: Vec<OsString> = Vec::new();
    let _ = home.for_each(|name| {
        if name.to_str().is_some_and(owned::is_state_file) {
            names.push(name.to_owned());
        }
        if names.len() < NAMES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    names.sort_unstable();
    for name in names {
        let Ok(Some(facts)) = home.look(&*name) else { continue };
        let path = path.join(&name);
        match facts.kind {
            FileType::Symlink => {
                notices.add(Notice::Symlink { path, hint: "put the file itself there, or mount it there" });
            }
            FileType::Directory => notices.add(Notice::WrongKind {
                path,
                found: file_kind::name(facts.kind),
                wanted: "file",
                hint: "remove it (an engine makes a directory where a file that is to be mounted does not exist)",
            }),
            FileType::Socket if name == "gateway.sock" => {}
            FileType::RegularFile => {}
            kind => notices.add(Notice::WrongKind {
                path,
                found: file_kind::name(kind),
                wanted: "file",
                hint: "move it away",
            }),
        }
    }
}

/// Removes the record of an earlier version, which is a file of the account. Root's record stays.
fn remove_record_of_earlier_version(home: &Directory) {
    let me = rustix::process::geteuid().as_raw();
    let is_own = |facts: Facts| facts.kind == FileType::RegularFile && facts.owner.uid == me;
    if me != 0 && home.look(owned::OWNERSHIP_RECORD).is_ok_and(|found| found.is_some_and(is_own)) {
        // A record that stays does no harm.
        let _ = rustix::fs::unlinkat(home, owned::OWNERSHIP_RECORD, AtFlags::empty());
    }
}

/// Makes the secret files in a profile's directory private.
fn restrict_secret_files(directory: &Directory, path: &Path, notices: &mut Notices) {
    for name in owned::SECRET_FILES {
        let Ok(Some(facts)) = directory.look(name) else { continue };
        if facts.kind != FileType::RegularFile || facts.mode & 0o177 == 0 {
            continue;
        }
        if let Err(error) = restrict(directory, name)
            // On a read-only mount, the operator decides who reads the file.
            && error != Errno::ROFS
        {
            notices.add(Notice::CloseFailed { path: path.join(name), error });
        }
    }
}

fn restrict(directory: &Directory, name: &str) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, OsStr::new(name), flags, Mode::empty())?;
    File::from(file)
        .set_permissions(Permissions::from_mode(0o600))
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The need of a configuration for a migration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// There is no configuration.
    NoFile,
    /// It is current.
    Nothing,
    /// It may have another version.
    Unknown,
}

/// Migrates the configuration of each profile to the current version. A profile of the Python program gets a port in the same step.
fn migrate(home: &Home, directory: &Directory, notices: &mut Notices) {
    // Reconciliation reports an unreadable `profiles/`.
    let profiles =
        home.profiles().map(|found| found.names).unwrap_or_else(|_| vec![ProfileName::default_profile()]);
    let named = directory.step(OsStr::new(owned::PROFILES)).ok();
    let mut ports = Ports::of(home);
    for profile in profiles {
        let need = if profile.is_default() {
            need_of(directory)
        } else {
            let its_own = named.as_ref().and_then(|named| named.step(OsStr::new(profile.as_str())).ok());
            its_own.map_or(Need::Unknown, |directory| need_of(&directory))
        };
        match need {
            Need::Nothing => continue,
            Need::NoFile => {
                ports.create_config(&profile, notices);
                continue;
            }
            Need::Unknown => {}
        }
        let path = home.config(&profile);
        // Another notice already reports a file of the default profile that is no regular file.
        if profile.is_default() && path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            continue;
        }
        let port = ports.for_profile(&profile, notices);
        match config::migrate_and(&path, |config| ports::set(config, port)) {
            Ok(Migration::Migrated { from, to, backup }) => {
                notices.add(Notice::Migrated { path, from, to, backup });
            }
            Ok(Migration::NoFile | Migration::Current) => {}
            Ok(Migration::Newer { found }) => notices.add(newer(path, found)),
            Err(error) => notices.add(Notice::Failed {
                what: format!("the configuration stays as it is: {}", chain(&error)),
                hint: format!("correct it, or set {SKIP_MIGRATION}=1"),
            }),
        }
    }
}

/// Looks from the open directory of a profile. In a container, each step of an absolute path is a request to the storage driver, and a
/// boot may look at a thousand profiles.
fn need_of(profile: &Directory) -> Need {
    if matches!(profile.look(CONFIG), Ok(None)) {
        return Need::NoFile;
    }
    let config = profile.read_small(CONFIG, CONFIG_FILE_MAX);
    if config.is_some_and(|config| is_surely_current(&config)) { Need::Nothing } else { Need::Unknown }
}

fn newer(path: PathBuf, found: u64) -> Notice {
    Notice::Failed {
        what: format!("{} has version {found}, which this image does not know", path.display()),
        hint: "use the image that wrote it, or the backup beside the file".into(),
    }
}

#[cfg(test)]
mod tests;
