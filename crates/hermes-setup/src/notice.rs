//! What the set-up says: one line each, with the path that it is about and the way to correct it.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use hermes_os::file_system::Ability;
use hermes_os::printable::printable;
use rustix::io::Errno;

/// Something that an operator should know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// A variable that names an ID holds none.
    #[error(
        "{name}={value:?} is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"
    )]
    BadId {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: OsString,
    },
    /// A variable that names an ID is set and empty, as `PUID=${PUID}` of a compose file makes it.
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
        /// Who runs this.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// `/etc` cannot be written.
    #[error(
        "{what} is not possible: the root file system is read-only, and the account is in /etc; it stays \
         {uid}:{gid} (leave --read-only out, or start with --user)"
    )]
    ReadOnlyRoot {
        /// What was to be changed.
        what: &'static str,
        /// The account's.
        uid: u32,
        /// The account's.
        gid: u32,
    },
    /// A program that changes accounts failed.
    #[error("the account stays {uid}:{gid}: {failure}")]
    AccountTool {
        /// The account's.
        uid: u32,
        /// The account's.
        gid: u32,
        /// The command, how it ended, what it said.
        failure: String,
    },
    /// `HERMES_HOME` is a directory of the system.
    #[error(
        "HERMES_HOME={} is refused: it is, or holds, a directory of the system itself; name one that is Hermes's \
         alone, such as /opt/data",
        path.display()
    )]
    SystemDirectory {
        /// What it names.
        path: PathBuf,
    },
    /// A symlink where something would be written or handed over.
    #[error("refusing to follow the symlink {}: it is left alone; {hint}", path.display())]
    Symlink {
        /// Where it lies.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// A file with other names: handing it over would hand them over, too.
    #[error(
        "refusing to hand {} over: it is a hard link, and has other names elsewhere; copy it if Hermes needs it",
        path.display()
    )]
    HardLink {
        /// One of its names.
        path: PathBuf,
    },
    /// A directory where a file belongs, or the other way round.
    #[error("{} is a {found} where a {wanted} belongs; {hint}", path.display())]
    WrongKind {
        /// Where it lies.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The volume was somebody else's.
    #[error(
        "{} belonged to {from_uid}:{from_gid} and is the account's now ({uid}:{gid}); to keep its owner, set \
         PUID={from_uid} and PGID={from_gid}",
        path.display()
    )]
    HomeTakenOver {
        /// `HERMES_HOME`.
        path: PathBuf,
        /// Whose it was.
        from_uid: u32,
        /// Whose it was.
        from_gid: u32,
        /// The account's.
        uid: u32,
        /// The account's.
        gid: u32,
    },
    /// A directory that Hermes uses is something mounted, with contents of somebody else.
    #[error(
        "{} is mounted from elsewhere, with somebody's files in it: it stays {uid}:{gid}'s; if agents are to write \
         there, change its owner where it comes from",
        path.display()
    )]
    MountLeftAlone {
        /// The mount point.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
        /// Whose it is.
        gid: u32,
    },
    /// The owner of something cannot be changed.
    #[error(
        "cannot give {}{} to {uid}:{gid}: {}; {}",
        path.display(),
        AndMore(*more),
        Said(*error),
        OwnersMend { account: (*uid, *gid), owner: (*owner_uid, *owner_gid) }
    )]
    CannotGive {
        /// The first.
        path: PathBuf,
        /// How many others there are.
        more: usize,
        /// What the kernel said.
        error: Errno,
        /// The account's.
        uid: u32,
        /// The account's.
        gid: u32,
        /// Whose the first is.
        owner_uid: u32,
        /// Whose the first is.
        owner_gid: u32,
    },
    /// Something lies in a place of Hermes's, and root does not hand it over: it is somebody's, or the account may have moved it there.
    #[error(
        "{}{} belongs to {owner_uid}:{owner_gid} and stays so; to give it to the account: docker exec -u root CONTAINER \
         chown -hR hermes:hermes {}",
        path.display(),
        AndMore(*more),
        path.display()
    )]
    OfSomebodyElse {
        /// The first.
        path: PathBuf,
        /// How many others there are.
        more: usize,
        /// Whose the first is.
        owner_uid: u32,
        /// Whose the first is.
        owner_gid: u32,
    },
    /// There are more files than a boot has time for.
    #[error(
        "looked at the owners of {looked_at} files and directories, and left the rest as it is; remove files that nobody needs"
    )]
    TooMany {
        /// Files and directories.
        looked_at: u64,
    },
    /// Something cannot be looked into.
    #[error("cannot look at {}{}: {}; its owner is left as it is", path.display(), AndMore(*more), Said(*error))]
    CannotLook {
        /// The first.
        path: PathBuf,
        /// How many others there are.
        more: usize,
        /// What the kernel said.
        error: Errno,
    },
    /// Directories in each other beyond all measure.
    #[error("{} is too deep: what lies below it is left as it is; move it up", path.display())]
    TooDeep {
        /// The first that was not entered.
        path: PathBuf,
    },
    /// Owners were changed.
    #[error("{count} files and directories are the account's now ({uid}:{gid})")]
    Given {
        /// How many.
        count: u64,
        /// The account's.
        uid: u32,
        /// The account's.
        gid: u32,
    },
    /// Looking takes its time.
    #[error("still looking who owns what: {looked_at} so far, now at {}", path.display())]
    StillLooking {
        /// Files and directories.
        looked_at: u64,
        /// The directory.
        path: PathBuf,
    },
    /// The volume is read-only.
    #[error(
        "{} is mounted read-only: nothing that agents do is kept there, and nothing can be set up; mount it read-write",
        path.display()
    )]
    ReadOnlyVolume {
        /// `HERMES_HOME`.
        path: PathBuf,
    },
    /// A directory or a file could not be made.
    #[error("cannot make {}{}: {}; {}", path.display(), AndMore(*more), Said(*error), hint_for(*error))]
    CannotMake {
        /// The first.
        path: PathBuf,
        /// How many others there are.
        more: usize,
        /// What the kernel said.
        error: Errno,
    },
    /// The file system of the volume lacks something.
    #[error("the file system of {} has no {} ({}); {}", path.display(), ability.noun(), Said(*error), ability.consequence())]
    Lacks {
        /// `HERMES_HOME`.
        path: PathBuf,
        /// The ability that is not there.
        ability: Ability,
        /// The answer of the kernel.
        error: Errno,
    },
    /// The mode of a file with secrets.
    #[error("cannot close {} to others: {}; chmod 600 it where it comes from", path.display(), Said(*error))]
    CannotClose {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: Errno,
    },
    /// Something that a library says in its own words.
    #[error("{what}; {hint}")]
    Failed {
        /// What, and why.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A configuration was brought up to date.
    #[error("{} had version {from} and has version {to} now; what it was is in {}", path.display(), backup.display())]
    Migrated {
        /// The configuration.
        path: PathBuf,
        /// The version that it had.
        from: u64,
        /// The version that it has.
        to: u64,
        /// The copy.
        backup: PathBuf,
    },
    /// A file that holds a secret.
    #[error("{name}: {what}; {hint}")]
    SecretFile {
        /// The variable that names the file.
        name: String,
        /// What is wrong; never anything of its content.
        what: String,
        /// What to do.
        hint: &'static str,
    },
}

/// The hint where a volume's owner cannot be changed. Root's IDs are not offered: the account may not have them.
struct OwnersMend {
    account: (u32, u32),
    owner: (u32, u32),
}

impl fmt::Display for OwnersMend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((uid, gid), (owner_uid, owner_gid)) = (self.account, self.owner);
        f.write_str(
            "where a volume's owner cannot be changed (NFS with root_squash, SMB, a rootless engine), ",
        )?;
        if owner_uid == 0 || owner_gid == 0 {
            write!(
                f,
                "mount it with that owner (for SMB: -o uid={uid},gid={gid}), or use a volume of the engine"
            )
        } else {
            write!(f, "set PUID and PGID to who owns it: PUID={owner_uid} PGID={owner_gid}")
        }
    }
}

/// What to do about a file that cannot be made.
fn hint_for(error: Errno) -> &'static str {
    match error {
        Errno::NOSPC | Errno::DQUOT => "make room on the volume",
        Errno::ROFS => "mount it read-write",
        Errno::ACCESS | Errno::PERM => {
            "the account may not write there: set PUID and PGID to who owns the volume, or change its owner"
        }
        _ => "look at what is mounted there",
    }
}

/// `Permission denied`, without the number.
struct Said(Errno);

impl fmt::Display for Said {
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

/// How many notices of a kind that files on the volume can cause are told; the rest is counted.
const TOLD_OF_A_KIND: usize = 10;

/// The notices of one set-up.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    aloud: bool,
    refused: usize,
}

impl Notices {
    /// Notices that go to stderr at once.
    pub fn aloud() -> Self {
        Self { aloud: true, ..Self::default() }
    }

    /// What was said.
    pub fn list(&self) -> &[Notice] {
        &self.list
    }

    /// What was said, a line each.
    pub fn text(&self) -> String {
        self.list.iter().map(|notice| format!("{notice}\n")).collect()
    }

    pub(crate) fn add(&mut self, notice: Notice) {
        if matches!(notice, Notice::Symlink { .. } | Notice::HardLink { .. }) {
            self.refused += 1;
            if self.refused > TOLD_OF_A_KIND {
                return;
            }
        }
        if self.aloud {
            say(&notice.to_string());
        }
        self.list.push(notice);
    }

    /// Says how many refusals were not told.
    pub(crate) fn count_untold(&mut self) {
        let untold = self.refused.saturating_sub(TOLD_OF_A_KIND);
        if untold > 0 && self.aloud {
            say(&format!("{untold} more links were refused"));
        }
    }
}

/// Prints a line on standard error, which a terminal may show: the names of files are the account's choice.
fn say(text: &str) {
    // Nobody can be told that it failed.
    let _ = writeln!(std::io::stderr(), "hermes-setup: {}", printable(text.as_bytes()));
}

/// The first failure of a kind, and how many there are: a thousand files of a volume say one thing.
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

    /// Returns whether there is one.
    pub(crate) fn is_some(&self) -> bool {
        self.first.is_some()
    }

    /// The first, and how many others there are.
    pub(crate) fn take(self) -> Option<(T, usize)> {
        self.first.map(|first| (first, self.count - 1))
    }
}
