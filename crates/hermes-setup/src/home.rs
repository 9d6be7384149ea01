//! `HERMES_HOME` itself: found or made without following a symlink, and handed over to the account.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, StatVfsMountFlags};
use rustix::io::Errno;

use crate::account::Settled;
use crate::directory::{Directory, Facts, Owner, Stuck, names_of};
use crate::notice::{Notice, Notices};

/// Directories of the system: neither they, nor what is below them, nor what holds them can be Hermes's.
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

/// Opens `HERMES_HOME` as root, made where it is missing, and gives it to the account; nothing where it cannot be used, which was
/// said.
pub(crate) fn settle(path: &Path, settled: Settled, notices: &mut Notices) -> Option<Directory> {
    let account = settled.now;
    if is_of_the_system(path) {
        notices.add(Notice::SystemDirectory { path: path.to_owned() });
        return None;
    }
    let (home, is_new) = match find_or_make(path, account) {
        Ok(found) => found,
        Err(stuck) => {
            notices.add(told(stuck));
            return None;
        }
    };
    if is_read_only(&home) {
        notices.add(Notice::ReadOnlyVolume { path: path.to_owned() });
        return None;
    }
    hand_over(&home, path, settled, is_new, notices);
    Some(home)
}

/// Opens `HERMES_HOME` as who cannot make it.
pub(crate) fn find(path: &Path, notices: &mut Notices) -> Option<Directory> {
    match Directory::open(path) {
        Ok(home) if is_read_only(&home) => {
            notices.add(Notice::ReadOnlyVolume { path: path.to_owned() });
            None
        }
        Ok(home) => Some(home),
        Err(stuck) => {
            notices.add(told(stuck));
            None
        }
    }
}

fn is_of_the_system(path: &Path) -> bool {
    let path: PathBuf = Path::new("/").components().chain(path.components()).collect();
    let climbs = path.components().any(|component| component == std::path::Component::ParentDir);
    climbs || SYSTEM.iter().any(|system| path.starts_with(system) || Path::new(system).starts_with(&path))
}

fn find_or_make(path: &Path, account: Owner) -> Result<(Directory, bool), Stuck> {
    let mut so_far = PathBuf::from("/");
    let stuck = |path: &Path, error| Stuck { path: path.to_owned(), error };
    let mut directory = Directory::root().map_err(|error| stuck(&so_far, error))?;
    let mut is_new = false;
    for name in names_of(path) {
        so_far.push(name);
        directory = match directory.child(name) {
            Err(Errno::NOENT) => {
                is_new = true;
                make_on_the_way(&directory, name, account).map_err(|error| stuck(&so_far, error))?
            }
            found => found.map_err(|error| stuck(&so_far, error))?,
        };
    }
    Ok((directory, is_new))
}

/// A directory that leads to `HERMES_HOME` is whose directory it lies in: the account's where that is its own, root's elsewhere.
fn make_on_the_way(parent: &Directory, name: &OsStr, account: Owner) -> rustix::io::Result<Directory> {
    parent.make(name, 0o755)?;
    let made = parent.child(name)?;
    if parent.facts()?.owner.uid == account.uid {
        made.give_itself(account)?;
    }
    Ok(made)
}

fn hand_over(home: &Directory, path: &Path, settled: Settled, is_new: bool, notices: &mut Notices) {
    let account = settled.now;
    let Ok(Facts { owner, .. }) = home.facts() else { return };
    if owner.uid == account.uid {
        return;
    }
    match home.give_itself(account) {
        // Root's is what an engine makes for a new volume: nobody's. And the account's own it was under another ID.
        Ok(()) if is_new || owner.uid == 0 || owner.uid == settled.before.uid => {}
        Ok(()) => notices.add(Notice::HomeTakenOver {
            path: path.to_owned(),
            from_uid: owner.uid,
            from_gid: owner.gid,
            uid: account.uid,
            gid: account.gid,
        }),
        Err(error) => notices.add(Notice::CannotGive {
            path: path.to_owned(),
            more: 0,
            error,
            uid: account.uid,
            gid: account.gid,
            owner_uid: owner.uid,
            owner_gid: owner.gid,
        }),
    }
}

fn is_read_only(directory: &Directory) -> bool {
    rustix::fs::fstatvfs(directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Why `HERMES_HOME` cannot be reached.
fn told(stuck: Stuck) -> Notice {
    // What it is decides what to say; who looks may not be allowed to know.
    let kind = std::fs::symlink_metadata(&stuck.path).ok().map(|found| found.file_type());
    match kind {
        Some(kind) if kind.is_symlink() => Notice::Symlink {
            path: stuck.path,
            mend: "name the directory itself in HERMES_HOME, or mount it there",
        },
        Some(kind) if !kind.is_dir() => Notice::WrongKind {
            path: stuck.path,
            found: FILE,
            wanted: "directory",
            mend: "name another directory in HERMES_HOME, or move it away",
        },
        _ => Notice::CannotMake { path: stuck.path, more: 0, error: stuck.error },
    }
}

const FILE: &str = "file";

/// What an operator calls the thing.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::RegularFile => FILE,
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        _ => "device",
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
    fn a_directory_of_the_system_cannot_be_the_home(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_of_the_system(Path::new(path)), expected);
    }
}
