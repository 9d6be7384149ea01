//! The account `hermes`: which IDs it has, and giving it others through the system's own tools.

use std::path::{Path, PathBuf};

use hermes_account::{Account, LookupError, NAME};
use hermes_core::chain;
use hermes_os::ToolError;
use hermes_os::tool::Tool;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::directory::Owner;
use crate::ids::Wanted;
use crate::notice::{Notice, Notices};

/// The home that `usermod` is told of while the UID changes: it walks through the home to change the owner of what it finds there,
/// by path, and through all of it.
const NO_HOME: &str = "/nonexistent/hermes-remap";

/// The account's home where that was interrupted.
const HOME: &str = "/opt/data";

/// The account's UID in the image.
pub(crate) const UID_OF_THE_IMAGE: u32 = 10000;

/// What was found, and what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) before: Owner,
    pub(crate) now: Owner,
}

/// Gives the account the IDs that are wanted. Whatever fails is said, and the account stays as it is.
/// # Errors
/// It is not known who the account is.
pub(crate) fn settle(wanted: Wanted, notices: &mut Notices) -> Result<Settled, LookupError> {
    let found = Account::lookup()?;
    let before = owner(&found);
    let now = Owner { uid: wanted.uid.unwrap_or(before.uid), gid: wanted.gid.unwrap_or(before.gid) };
    let was_interrupted = found.home == Path::new(NO_HOME);
    if now == before && !was_interrupted {
        return Ok(Settled { before, now });
    }
    if etc_is_read_only() {
        notices.add(Notice::ReadOnlyRoot {
            what: "giving the account other IDs",
            uid: before.uid,
            gid: before.gid,
        });
        return Ok(Settled { before, now: before });
    }
    let home = if was_interrupted { PathBuf::from(HOME) } else { found.home };
    if let Err(error) = remap(before, now, &home) {
        notices.add(Notice::AccountTool { uid: before.uid, gid: before.gid, failure: chain(&error) });
    }
    // Whatever came of it: what counts is what is written now.
    Ok(Settled { before, now: owner(&Account::lookup()?) })
}

fn owner(account: &Account) -> Owner {
    Owner { uid: account.uid.as_raw(), gid: account.gid.as_raw() }
}

/// The UIDs that are the account's no more. That of the image is one even where `/etc/passwd` tells nothing of it: a boot may have
/// been interrupted after it gave the account others, and before it handed over what the account had.
pub(crate) fn former_uids(settled: Settled) -> impl Iterator<Item = u32> {
    let of_the_image = Some(UID_OF_THE_IMAGE).filter(|uid| *uid != settled.before.uid);
    std::iter::once(settled.before.uid).chain(of_the_image).filter(move |uid| *uid != settled.now.uid)
}

fn remap(before: Owner, now: Owner, home: &Path) -> Result<(), ToolError> {
    if now.gid != before.gid {
        // The primary group of the account follows; another group may have the ID, too.
        Tool::new("/usr/sbin/groupmod").args(["-o", "-g", &now.gid.to_string(), NAME]).run()?;
    }
    if now.uid != before.uid {
        Tool::new("/usr/sbin/usermod").args(["-o", "-u", &now.uid.to_string(), "-d", NO_HOME, NAME]).run()?;
    }
    Tool::new("/usr/sbin/usermod").arg("-d").arg(home).arg(NAME).run()?;
    Ok(())
}

/// Whether accounts cannot be changed, since the root file system is read-only.
pub(crate) fn etc_is_read_only() -> bool {
    rustix::fs::access("/etc", Access::WRITE_OK) == Err(Errno::ROFS)
}
