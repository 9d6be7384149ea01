//! Groups that the account gets, so that it still has them when root is left behind: that of a mounted Docker socket, and those of the
//! devices that the operator handed in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hermes_account::{Account, NAME};
use hermes_core::chain;
use hermes_os::ToolError;
use hermes_os::tool::Tool;

use crate::account::etc_is_read_only;
use crate::devices;
use crate::directory::Owner;
use crate::notice::{Notice, Notices};
use crate::roots_own;
use crate::variables::Variables;

/// Where the engine's socket is mounted when nothing names another place.
const SOCKET: &str = "/var/run/docker.sock";

/// Gives the account the group of the Docker socket, if one is mounted, and those of devices, unless it has them.
pub(crate) fn give_those_handed_in(variables: &Variables, account: Owner, notices: &mut Notices) {
    let wanted = group_of_socket(&socket(variables)).map(|gid| (gid, "docker"));
    give(wanted, "giving the account the group of the Docker socket", account, notices);
    give(devices::groups(), "giving the account the group of a device", account, notices);
}

/// Makes the account a member of these groups, each with the first part of its name if it has none.
fn give(
    wanted: impl IntoIterator<Item = (u32, &'static str)>,
    what: &'static str,
    account: Owner,
    notices: &mut Notices,
) {
    let mut wanted = wanted.into_iter().peekable();
    if wanted.peek().is_none() {
        return;
    }
    // What the operator gave it by --group-add it keeps without any of this.
    let has = Account::lookup().map_or_else(|_| Vec::new(), |account| account.groups);
    for (gid, name) in wanted.filter(|(gid, _)| has.iter().all(|group| group.as_raw() != *gid)) {
        if etc_is_read_only() {
            return notices.add(Notice::ReadOnlyRoot { what, uid: account.uid, gid: account.gid });
        }
        if let Err(error) = join(gid, name) {
            notices.add(Notice::AccountTool { uid: account.uid, gid: account.gid, failure: chain(&error) });
        }
    }
}

/// The socket that `DOCKER_HOST` names, else the usual one.
fn socket(variables: &Variables) -> PathBuf {
    let named = variables.get("DOCKER_HOST").and_then(|host| host.as_bytes().strip_prefix(b"unix://"));
    named.map_or_else(|| SOCKET.into(), |path| OsStr::from_bytes(path).into())
}

/// The group of a socket that the account could not have put there.
fn group_of_socket(path: &Path) -> Option<u32> {
    let path = roots_own::real_path(path)?;
    let found = fs::symlink_metadata(path).ok()?;
    found.file_type().is_socket().then_some(found.gid())
}

/// Makes the account a member of the group with this ID, which gets a name if it has none.
fn join(gid: u32, name: &str) -> Result<(), ToolError> {
    let number = gid.to_string();
    if !hermes_account::is_group(gid) {
        Tool::new("/usr/sbin/groupadd").args(["-g", &number, &format!("{name}-{gid}")]).run()?;
    }
    Tool::new("/usr/sbin/usermod").args(["-a", "-G", &number, NAME]).run()?;
    Ok(())
}
