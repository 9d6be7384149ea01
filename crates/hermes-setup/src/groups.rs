//! The groups that the account needs besides its own: that of a mounted Docker socket, and those of the operator's devices.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hermes_account::{Account, NAME};
use hermes_core::chain;
use hermes_os::ToolError;
use hermes_os::tool::Tool;

use crate::devices;
use crate::directory::Owner;
use crate::notice::{Notice, Notices};
use crate::remap::etc_is_read_only;
use crate::trusted_path;
use crate::variables::Variables;

/// The default path of the engine's socket.
const SOCKET: &str = "/var/run/docker.sock";

/// Adds the account to the group of the Docker socket, if one is mounted, and to those of devices.
pub(crate) fn add_account(variables: &Variables, account: Owner, notices: &mut Notices) {
    let wanted = group_of_socket(&socket(variables)).map(|gid| (gid, "docker"));
    give(wanted, "giving the account the group of the Docker socket", account, notices);
    give(devices::groups(), "giving the account the group of a device", account, notices);
}

/// Adds the account to these groups. A group without a name gets one with this prefix.
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
    // The account has the groups of --group-add in any case.
    let has = Account::lookup().map_or_else(|_| Vec::new(), |account| account.groups);
    for (gid, name) in wanted.filter(|(gid, _)| has.iter().all(|group| group.as_raw() != *gid)) {
        if etc_is_read_only() {
            return notices.add(Notice::ReadOnlyRoot { what, account });
        }
        if let Err(error) = join(gid, name) {
            notices.add(Notice::AccountTool { account, failure: chain(&error) });
        }
    }
}

/// Returns the socket that `DOCKER_HOST` names, or the default one.
fn socket(variables: &Variables) -> PathBuf {
    let named = variables.get("DOCKER_HOST").and_then(|host| host.as_bytes().strip_prefix(b"unix://"));
    named.map_or_else(|| SOCKET.into(), |path| OsStr::from_bytes(path).into())
}

/// Returns the group of a socket, if the account cannot have put the socket there.
fn group_of_socket(path: &Path) -> Option<u32> {
    let path = trusted_path::resolve(path)?;
    let found = fs::symlink_metadata(path).ok()?;
    found.file_type().is_socket().then_some(found.gid())
}

/// Adds the account to the group with this ID. Creates the group if it has no name.
fn join(gid: u32, name: &str) -> Result<(), ToolError> {
    let number = gid.to_string();
    if !hermes_account::is_group(gid) {
        Tool::new("/usr/sbin/groupadd").args(["-g", &number, &format!("{name}-{gid}")]).run()?;
    }
    Tool::new("/usr/sbin/usermod").args(["-a", "-G", &number, NAME]).run()?;
    Ok(())
}
