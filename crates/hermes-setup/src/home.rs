//! `HERMES_HOME` itself: opens or creates it without following a symlink, and hands it over to the account.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hermes_os::{file_kind, file_system};
use rustix::fs::{FileType, StatVfsMountFlags};
use rustix::io::Errno;

use crate::directory::{Directory, Facts, OpenError, Owner, steps_of};
use crate::notice::{Notice, Notices};
use crate::remap::{Remap, UID_OF_THE_IMAGE, former_uids};

/// Directories of the system. `HERMES_HOME` can be none of them, nor below one, nor above one.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/command",
    "/dev",
    "/etc",
    "/init",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt/hermes",
    "/proc",
    "/root",
    "/run/s6",
    "/run/service",
    "/sbin",
    "/sys",
    "/usr",
];

/// Directories that all programs share. `HERMES_HOME` can be below them, but can be none of them.
const SHARED: &[&str] = &["/tmp", "/var/lib", "/var/tmp"];

/// Opens `HERMES_HOME` as root, and creates it if it is missing. Returns `None`, with a notice, if it is unusable.
pub(crate) fn open_as_root(path: &Path, remap: Remap, notices: &mut Notices) -> Option<Directory> {
    let account = remap.now;
    if is_system_directory(path) {
        notices.add(Notice::SystemDirectory { path: path.to_owned() });
        return None;
    }
    let home = match open_or_create(path, account) {
        Ok(found) => found,
        Err(stuck) => {
            notices.add(describe(stuck));
            return None;
        }
    };
    if is_read_only(&home) {
        notices.add(Notice::ReadOnlyVolume { path: path.to_owned() });
        return None;
    }
    Some(home)
}

/// Opens `HERMES_HOME` as a user who cannot create it.
pub(crate) fn open_existing(path: &Path, notices: &mut Notices) -> Option<Directory> {
    match Directory::open(path) {
        Ok(home) if is_read_only(&home) => {
            notices.add(Notice::ReadOnlyVolume { path: path.to_owned() });
            None
        }
        Ok(home) => Some(home),
        Err(stuck) => {
            notices.add(describe(stuck));
            None
        }
    }
}

fn is_system_directory(path: &Path) -> bool {
    let path: PathBuf = Path::new("/").components().chain(path.components()).collect();
    let climbs = path.components().any(|component| component == std::path::Component::ParentDir);
    let holds = |directory: &&str| Path::new(directory).starts_with(&path);
    climbs
        || SYSTEM.iter().any(|system| path.starts_with(system) || holds(system))
        || SHARED.iter().any(holds)
}

fn open_or_create(path: &Path, account: Owner) -> Result<Directory, OpenError> {
    let mut so_far = PathBuf::from("/");
    let stuck = |path: &Path, error| OpenError { path: path.to_owned(), error };
    let mut directory = Directory::root().map_err(|error| stuck(&so_far, error))?;
    for name in steps_of(path) {
        so_far.push(name);
        directory = match directory.step(name) {
            Err(Errno::NOENT) => {
                create_step(&directory, name, account).map_err(|error| stuck(&so_far, error))?
            }
            found => found.map_err(|error| stuck(&so_far, error))?,
        };
    }
    Ok(directory)
}

/// Creates a directory on the path of `HERMES_HOME`. In a directory of the account it is the account's; elsewhere it is root's.
fn create_step(parent: &Directory, name: &OsStr, account: Owner) -> rustix::io::Result<Directory> {
    parent.make(name, 0o755)?;
    let made = parent.step(name)?;
    if parent.facts()?.owner.uid == account.uid {
        made.give_itself(account)?;
    }
    Ok(made)
}

/// Tells if this is the image's own directory, as an engine copies it into a new volume.
pub(crate) fn is_engine_default(facts: &Facts) -> bool {
    facts.owner == Owner { uid: UID_OF_THE_IMAGE, gid: 0 }
}

/// Tells if an entry of the directory belongs to such a user.
pub(crate) fn has_entry_of(home: &Directory, is_user: impl Fn(u32) -> bool) -> bool {
    let mut found = false;
    let read = home.for_each(|name| {
        let looked = home.look(name);
        found = looked.map_or(true, |facts| facts.is_some_and(|facts| is_user(facts.owner.uid)));
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found || read.is_err()
}

/// Gives `HERMES_HOME` the owner that it needs.
///
/// Root's or the engine's directory becomes root's, and is shared with the account by its group and the sticky bit. So the account
/// can create files there, but cannot rename or remove files of others. The account's own directory stays the account's, since
/// that is the operator's choice (PUID).
///
/// A volume with an open problem keeps its owner: the account may have caused the problem.
pub(crate) fn hand_over(
    home: &Directory,
    path: &Path,
    remap: Remap,
    is_in_order: bool,
    notices: &mut Notices,
) {
    let account = remap.now;
    let Ok(facts) = home.facts() else { return };
    let owner = facts.owner;
    let shared = Owner { uid: 0, gid: account.gid };
    let given = if owner.uid == 0 || (is_engine_default(&facts) && is_in_order) {
        share(home, &facts, shared, is_in_order, account)
    } else if owner.uid == account.uid {
        Ok(())
    } else {
        home.give_itself(account)
    };
    match given {
        Ok(()) if owner.uid == 0 || owner.uid == account.uid => {}
        Ok(()) if former_uids(remap).any(|uid| uid == owner.uid) => {}
        Ok(()) => notices.add(Notice::HomeTakenOver { path: path.to_owned(), owner, account }),
        Err(error) => {
            notices.add(Notice::GiveFailed { path: path.to_owned(), more: 0, error, account, owner })
        }
    }
}

/// Lets the account work in root's directory. Without the sticky bit the next boot trusts no file in it. A file system with one
/// mode for all files allows no sharing, so the account gets the directory.
fn share(
    home: &Directory,
    facts: &Facts,
    owner: Owner,
    is_in_order: bool,
    account: Owner,
) -> rustix::io::Result<()> {
    let sticky = if is_in_order { 0o1000 } else { facts.mode & 0o1000 };
    let mode = (facts.mode & 0o775) | 0o070 | sticky;
    if facts.owner != owner {
        home.give_itself(owner)?;
    }
    if facts.mode != mode
        && let Err(error) = home.set_mode(mode)
    {
        return if file_system::is_lacking(&error.into()) { home.give_itself(account) } else { Err(error) };
    }
    Ok(())
}

fn is_read_only(directory: &Directory) -> bool {
    rustix::fs::fstatvfs(directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Describes why `HERMES_HOME` cannot be opened.
fn describe(stuck: OpenError) -> Notice {
    // The user of this process may lack the right to see the kind.
    let kind = std::fs::symlink_metadata(&stuck.path).ok().map(|found| found.file_type());
    match kind {
        Some(kind) if kind.is_symlink() => Notice::Symlink {
            path: stuck.path,
            hint: "name the directory itself in HERMES_HOME, or mount it there",
        },
        Some(kind) if !kind.is_dir() => Notice::WrongKind {
            path: stuck.path,
            found: file_kind::name(FileType::RegularFile),
            wanted: "directory",
            hint: "name another directory in HERMES_HOME, or move it away",
        },
        _ => Notice::CreateFailed { path: stuck.path, more: 0, error: stuck.error },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/opt/data", false)]
    #[case("/srv/my agents/hermes", false)]
    #[case("/data", false)]
    #[case("/home/hermes", false)]
    #[case("/opt/hermes-data", false)]
    #[case("/run/hermes", false)]
    #[case("/", true)]
    #[case("/opt", true)]
    #[case("/run", true)]
    #[case("/opt/hermes", true)]
    #[case("/opt/hermes/data", true)]
    #[case("/etc", true)]
    #[case("/usr/local/data", true)]
    #[case("/data/../etc", true)]
    #[case("/tmp", true)]
    #[case("/tmp/hermes", false)]
    #[case("/var", true)]
    #[case("/var/lib", true)]
    #[case("/var/lib/hermes", false)]
    fn system_directories_are_refused_as_home(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_system_directory(Path::new(path)), expected);
    }
}
