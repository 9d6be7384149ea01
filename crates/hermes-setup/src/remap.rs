//! The IDs of the account `hermes`, and their change through the tools of the system.

use std::path::{Path, PathBuf};

use hermes_account::{Account, LookupError, NAME};
use hermes_core::chain;
use hermes_os::ToolError;
use hermes_os::tool::Tool;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::directory::Owner;
use crate::ids::RequestedIds;
use crate::notice::{Notice, Notices};

/// The home that the account has while its UID changes. `usermod` walks through the whole home by path, and changes the owner of
/// the files there.
const NO_HOME: &str = "/nonexistent/hermes-remap";

/// The account's home, for a remap that was interrupted.
const HOME: &str = "/opt/data";

/// The account's UID in the image.
pub(crate) const UID_OF_THE_IMAGE: u32 = 10000;

/// The IDs of the account before and after a remap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remap {
    pub(crate) before: Owner,
    pub(crate) now: Owner,
}

/// Gives the account the requested IDs. A failure causes a notice, and the account keeps its IDs.
///
/// # Errors
/// Fails when the lookup of the account fails.
pub(crate) fn apply(wanted: RequestedIds, notices: &mut Notices) -> Result<Remap, LookupError> {
    let found = Account::lookup()?;
    let before = owner(&found);
    let now = Owner { uid: wanted.uid.unwrap_or(before.uid), gid: wanted.gid.unwrap_or(before.gid) };
    let was_interrupted = found.home == Path::new(NO_HOME);
    if now == before && !was_interrupted {
        return Ok(Remap { before, now });
    }
    if etc_is_read_only() {
        notices.add(Notice::ReadOnlyRoot { what: "giving the account other IDs", account: before });
        return Ok(Remap { before, now: before });
    }
    let home = if was_interrupted { PathBuf::from(HOME) } else { found.home };
    if let Err(error) = run_tools(before, now, &home) {
        notices.add(Notice::AccountTool { account: before, failure: chain(&error) });
    }
    // The files decide, also after a failure of the tools.
    Ok(Remap { before, now: owner(&Account::lookup()?) })
}

fn owner(account: &Account) -> Owner {
    Owner { uid: account.uid.as_raw(), gid: account.gid.as_raw() }
}

/// Returns the former UIDs of the account. They include the UID of the image, even if `/etc/passwd` does not show it. An earlier
/// boot may have been interrupted after it changed the account, and before it handed over the files.
pub(crate) fn former_uids(remap: Remap) -> impl Iterator<Item = u32> {
    let of_the_image = Some(UID_OF_THE_IMAGE).filter(|uid| *uid != remap.before.uid);
    std::iter::once(remap.before.uid).chain(of_the_image).filter(move |uid| *uid != remap.now.uid)
}

fn run_tools(before: Owner, now: Owner, home: &Path) -> Result<(), ToolError> {
    if now.gid != before.gid {
        // The primary group of the account follows. Another group may have the same ID.
        Tool::new("/usr/sbin/groupmod").args(["-o", "-g", &now.gid.to_string(), NAME]).run()?;
    }
    if now.uid != before.uid {
        Tool::new("/usr/sbin/usermod").args(["-o", "-u", &now.uid.to_string(), "-d", NO_HOME, NAME]).run()?;
    }
    Tool::new("/usr/sbin/usermod").arg("-d").arg(home).arg(NAME).run()?;
    Ok(())
}

/// Tells if accounts cannot be changed because the root file system is read-only.
pub(crate) fn etc_is_read_only() -> bool {
    rustix::fs::access("/etc", Access::WRITE_OK) == Err(Errno::ROFS)
}
