//! The messages of the set-up: one line each, with the path and a hint.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use hermes_os::file_system::Ability;
use hermes_os::printable::printable;
use rustix::io::Errno;

use crate::directory::Owner;

/// A message for the operator.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// A variable for an ID holds no valid ID.
    #[error(
        "{name}={value:?} is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"
    )]
    BadId {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: OsString,
    },
    /// A variable for an ID is set and empty, as `PUID=${PUID}` in a compose file makes it.
    #[error("{name} is empty and taken as not set")]
    EmptyId {
        /// The variable.
        name: &'static str,
    },
    /// Only root can change the account.
    #[error(
        "HERMES_UID, HERMES_GID, PUID and PGID need a container that starts as root: this one runs as {uid}:{gid} \
         (--user); leave --user out, or leave them out"
    )]
    RemapNeedsRoot {
        /// The UID of this process.
        uid: u32,
        /// The GID of this process.
        gid: u32,
    },
    /// The root file system is read-only, so `/etc` cannot be changed.
    #[error(
        "{what} is not possible: the root file system is read-only, and the account is in /etc; it stays \
         {account} (leave --read-only out, or start with --user)"
    )]
    ReadOnlyRoot {
        /// The change that is not possible.
        what: &'static str,
        /// The IDs of the account.
        account: Owner,
    },
    /// A program that changes accounts failed.
    #[error("the account stays {account}: {failure}")]
    AccountTool {
        /// The IDs of the account.
        account: Owner,
        /// The command, its exit status and its output.
        failure: String,
    },
    /// `HERMES_HOME` is a directory of the system.
    #[error(
        "HERMES_HOME={} is refused: it is a directory of the system, or contains one; name a directory for Hermes alone, such \
         as /opt/data",
        path.display()
    )]
    SystemDirectory {
        /// The path.
        path: PathBuf,
    },
    /// A symlink lies where the set-up would write a file or change an owner.
    #[error("refusing to follow the symlink {}: it is left alone; {hint}", path.display())]
    Symlink {
        /// The symlink.
        path: PathBuf,
        /// The hint.
        hint: &'static str,
    },
    /// A file has other names: to hand it over would hand these over, too.
    #[error(
        "refusing to hand {} over: it is a hard link, and has other names elsewhere; copy it if Hermes needs it",
        path.display()
    )]
    HardLink {
        /// One of its names.
        path: PathBuf,
    },
    /// A directory lies in place of a file, or a file in place of a directory.
    #[error("{} is a {found} where a {wanted} belongs; {hint}", path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// The kind of the file there.
        found: &'static str,
        /// The right kind.
        wanted: &'static str,
        /// The hint.
        hint: &'static str,
    },
    /// `HERMES_HOME` had another owner, and belongs to the account now.
    #[error(
        "{} belonged to {owner} and is the account's now ({account}); to keep its owner, set \
         PUID={} and PGID={}",
        path.display(),
        owner.uid,
        owner.gid
    )]
    HomeTakenOver {
        /// `HERMES_HOME`.
        path: PathBuf,
        /// The former owner.
        owner: Owner,
        /// The IDs of the account.
        account: Owner,
    },
    /// A directory that Hermes uses is a mount with files of another user.
    #[error(
        "{} is mounted, and holds files of others: it still belongs to {owner}; to let agents write there, change its \
         owner at the source of the mount",
        path.display()
    )]
    ForeignMount {
        /// The mount point.
        path: PathBuf,
        /// Its owner.
        owner: Owner,
    },
    /// The owner of a file cannot be changed.
    #[error(
        "failed to give {}{} to {account}: {}; {}",
        path.display(),
        AndMore(*more),
        ErrnoText(*error),
        OwnerHint { account: *account, owner: *owner }
    )]
    GiveFailed {
        /// The first such file.
        path: PathBuf,
        /// The number of other such files.
        more: usize,
        /// The error of the kernel.
        error: Errno,
        /// The IDs of the account.
        account: Owner,
        /// The owner of the first file.
        owner: Owner,
    },
    /// A file in a directory of Hermes belongs to another user, or is root's and the account may have moved it there.
    #[error(
        "{}{} belongs to {owner} and stays so; to give it to the account: docker exec -u root CONTAINER \
         chown -hR hermes:hermes {}",
        path.display(),
        AndMore(*more),
        path.display()
    )]
    ForeignOwner {
        /// The first such file.
        path: PathBuf,
        /// The number of other such files.
        more: usize,
        /// The owner of the first file.
        owner: Owner,
    },
    /// There are more files than a boot can check in time.
    #[error(
        "checked the owners of {checked} files and directories, and did not check the others; remove files that are not needed"
    )]
    TooMany {
        /// The number of checked files and directories.
        checked: u64,
    },
    /// A file cannot be inspected.
    #[error("failed to inspect {}{}: {}; its owner stays the same", path.display(), AndMore(*more), ErrnoText(*error))]
    InspectFailed {
        /// The first such file.
        path: PathBuf,
        /// The number of other such files.
        more: usize,
        /// The error of the kernel.
        error: Errno,
    },
    /// Directories are nested too deep.
    #[error("{} is too deep: the files below it keep their owners; move it up", path.display())]
    TooDeep {
        /// The first directory that was not entered.
        path: PathBuf,
    },
    /// Owners were changed.
    #[error("{count} files and directories are the account's now ({account})")]
    Given {
        /// The number of files and directories.
        count: u64,
        /// The IDs of the account.
        account: Owner,
    },
    /// The check of the owners takes long.
    #[error("still checking owners: {checked} files and directories so far, now at {}", path.display())]
    Progress {
        /// The number of checked files and directories.
        checked: u64,
        /// The current directory.
        path: PathBuf,
    },
    /// The volume is read-only.
    #[error(
        "{} is mounted read-only: it keeps no work of agents, and cannot be set up; mount it read-write",
        path.display()
    )]
    ReadOnlyVolume {
        /// `HERMES_HOME`.
        path: PathBuf,
    },
    /// A directory or a file cannot be created.
    #[error("failed to create {}{}: {}; {}", path.display(), AndMore(*more), ErrnoText(*error), hint_for(*error))]
    CreateFailed {
        /// The first one.
        path: PathBuf,
        /// The number of others.
        more: usize,
        /// The error of the kernel.
        error: Errno,
    },
    /// The file system of the volume lacks an ability.
    #[error("the file system of {} has no {} ({}); {}", path.display(), ability.noun(), ErrnoText(*error), ability.consequence())]
    Lacks {
        /// `HERMES_HOME`.
        path: PathBuf,
        /// The missing ability.
        ability: Ability,
        /// The error of the kernel.
        error: Errno,
    },
    /// A secret file cannot be made private.
    #[error("failed to close {} to others: {}; set its mode to 600 at the source of the mount", path.display(), ErrnoText(*error))]
    CloseFailed {
        /// The file.
        path: PathBuf,
        /// The error of the kernel.
        error: Errno,
    },
    /// A failure with a text of its own.
    #[error("{what}; {hint}")]
    Failed {
        /// The operation and the cause.
        what: String,
        /// The hint.
        hint: String,
    },
    /// A configuration was migrated.
    #[error("migrated {} from version {from} to version {to}; the backup is {}", path.display(), backup.display())]
    Migrated {
        /// The configuration.
        path: PathBuf,
        /// The version that it had.
        from: u64,
        /// The version that it has.
        to: u64,
        /// The copy of the earlier version.
        backup: PathBuf,
    },
    /// A secret in a file or in a variable is not usable.
    #[error("{name}: {what}; {hint}")]
    SecretFile {
        /// The variable that names the file.
        name: String,
        /// The problem, without any part of the secret.
        what: String,
        /// The hint.
        hint: &'static str,
    },
}

/// The hint if a volume's owner cannot be changed. It does not offer root's IDs, since the account may not have them.
struct OwnerHint {
    account: Owner,
    owner: Owner,
}

impl fmt::Display for OwnerHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Owner { uid, gid }, owner) = (self.account, self.owner);
        f.write_str(
            "where a volume's owner cannot be changed (NFS with root_squash, SMB, a rootless engine), ",
        )?;
        if owner.uid == 0 || owner.gid == 0 {
            write!(
                f,
                "mount it with that owner (for SMB: -o uid={uid},gid={gid}), or use a volume of the engine"
            )
        } else {
            write!(f, "set PUID and PGID to its owner: PUID={} PGID={}", owner.uid, owner.gid)
        }
    }
}

/// Returns the hint for a file that cannot be created.
fn hint_for(error: Errno) -> &'static str {
    match error {
        Errno::NOSPC | Errno::DQUOT => "free space on the volume",
        Errno::ROFS => "mount it read-write",
        Errno::ACCESS | Errno::PERM => {
            "the account may not write there: set PUID and PGID to the owner of the volume, or change its owner"
        }
        _ => "check the mount there",
    }
}

/// The text of an error without its number, as in `Permission denied`.
struct ErrnoText(Errno);

impl fmt::Display for ErrnoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from(self.0).to_string();
        f.write_str(text.split(" (os error").next().unwrap_or(&text))
    }
}

struct AndMore(usize);

impl fmt::Display for AndMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " (and {} more)", self.0) }
    }
}

/// The maximum number of printed refusals. Files on the volume can cause any number of them, so the others are only counted.
const REFUSALS_MAX: usize = 10;

/// The notices of one set-up.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    aloud: bool,
    refused: usize,
}

impl Notices {
    /// Returns notices that also go to standard error at once.
    pub fn aloud() -> Self {
        Self { aloud: true, ..Self::default() }
    }

    /// Returns the notices.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// Returns the notices as text, one line each.
    pub fn text(&self) -> String {
        self.list.iter().map(|notice| format!("{notice}\n")).collect()
    }

    pub(crate) fn add(&mut self, notice: Notice) {
        if matches!(notice, Notice::Symlink { .. } | Notice::HardLink { .. }) {
            self.refused += 1;
            if self.refused > REFUSALS_MAX {
                return;
            }
        }
        if self.aloud {
            print(&notice.to_string());
        }
        self.list.push(notice);
    }

    /// Reports the number of refusals that were not printed.
    pub(crate) fn report_omitted(&mut self) {
        let omitted = self.refused.saturating_sub(REFUSALS_MAX);
        if omitted > 0 && self.aloud {
            print(&format!("{omitted} more links were refused"));
        }
    }
}

/// Prints a line on standard error in a form that is safe for a terminal, since the account chooses names of files.
fn print(text: &str) {
    // No other stream could report a failure.
    let _ = writeln!(std::io::stderr(), "hermes-setup: {}", printable(text.as_bytes()));
}

/// The first failure of a kind, and the number of such failures. A thousand files of a volume cause one notice.
#[derive(Debug)]
pub(crate) struct First<T> {
    first: Option<T>,
    count: usize,
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self { first: None, count: 0 }
    }
}

impl<T> First<T> {
    pub(crate) fn note(&mut self, value: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(value());
        }
    }

    /// Tells if there is one.
    pub(crate) fn is_some(&self) -> bool {
        self.first.is_some()
    }

    /// Returns the first one, and the number of others.
    pub(crate) fn take(self) -> Option<(T, usize)> {
        self.first.map(|first| (first, self.count - 1))
    }
}
