//! The account `hermes`: which IDs it has, and giving it others through the system's own tools.

use std::path::Path;

use hermes_service::ToolError;
use hermes_service::tool::Tool;
use nix::unistd::User;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::directory::Owner;
use crate::ids::Wanted;
use crate::notice::{Notice, Notices};

/// The account's name.
pub(crate) const NAME: &str = "hermes";

/// The home that `usermod` is told of while the UID changes: it walks through the home to change the owner of what it finds there,
/// by path, and through all of it.
const NO_HOME: &str = "/nonexistent/hermes-remap";

/// The account's home.
const HOME: &str = "/opt/data";

/// What was found, and what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) before: Owner,
    pub(crate) now: Owner,
}

/// Gives the account the IDs that are wanted. Whatever fails is said, and the account stays as it is.
///
/// Nothing: there is no account.
pub(crate) fn settle(wanted: Wanted, notices: &mut Notices) -> Option<Settled> {
    let user = User::from_name(NAME).ok().flatten()?;
    let before = Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() };
    let now = Owner { uid: wanted.uid.unwrap_or(before.uid), gid: wanted.gid.unwrap_or(before.gid) };
    let was_interrupted = user.dir == Path::new(NO_HOME);
    if now == before && !was_interrupted {
        return Some(Settled { before, now });
    }
    if etc_is_read_only() {
        notices.add(Notice::ReadOnlyRoot {
            what: "giving the account other IDs",
            uid: before.uid,
            gid: before.gid,
        });
        return Some(Settled { before, now: before });
    }
    if let Err(error) = remap(before, now) {
        notices.add(Notice::AccountTool { uid: before.uid, gid: before.gid, failure: told(&error) });
    }
    // Whatever came of it: what counts is what is written now.
    let user = User::from_name(NAME).ok().flatten()?;
    Some(Settled { before, now: Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() } })
}

fn remap(before: Owner, now: Owner) -> Result<(), ToolError> {
    if now.gid != before.gid {
        // The primary group of the account follows; another group may have the ID, too.
        Tool::new("/usr/sbin/groupmod").args(["-o", "-g", &now.gid.to_string(), NAME]).run()?;
    }
    if now.uid != before.uid {
        Tool::new("/usr/sbin/usermod").args(["-o", "-u", &now.uid.to_string(), "-d", NO_HOME, NAME]).run()?;
    }
    Tool::new("/usr/sbin/usermod").args(["-d", HOME, NAME]).run()?;
    Ok(())
}

/// Whether accounts cannot be changed, since the root file system is read-only.
pub(crate) fn etc_is_read_only() -> bool {
    rustix::fs::access("/etc", Access::WRITE_OK) == Err(Errno::ROFS)
}

/// The failure of a tool on one line.
pub(crate) fn told(error: &ToolError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
