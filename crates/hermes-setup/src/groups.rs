//! Groups that the account gets: that of a mounted Docker socket, so that it is still there when root is left behind.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hermes_account::{Account, NAME};
use hermes_core::chain;
use hermes_service::ToolError;
use hermes_service::tool::Tool;

use crate::account::etc_is_read_only;
use crate::directory::Owner;
use crate::notice::{Notice, Notices};
use crate::roots_own;
use crate::variables::Variables;

/// Where the engine's socket is mounted when nothing names another place.
const SOCKET: &str = "/var/run/docker.sock";

/// Gives the account the group of the Docker socket, if one is mounted and it does not have it.
pub(crate) fn give_that_of_the_docker_socket(variables: &Variables, account: Owner, notices: &mut Notices) {
    let Some(gid) = group_of_socket(&socket(variables)) else { return };
    // What the operator gave it by --group-add it keeps without any of this.
    if Account::lookup().is_ok_and(|account| account.groups.iter().any(|group| group.as_raw() == gid)) {
        return;
    }
    if etc_is_read_only() {
        return notices.add(Notice::ReadOnlyRoot {
            what: "giving the account the group of the Docker socket",
            uid: account.uid,
            gid: account.gid,
        });
    }
    if let Err(error) = join(gid) {
        notices.add(Notice::AccountTool { uid: account.uid, gid: account.gid, failure: chain(&error) });
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
fn join(gid: u32) -> Result<(), ToolError> {
    let number = gid.to_string();
    if !hermes_account::is_group(gid) {
        Tool::new("/usr/sbin/groupadd").args(["-g", &number, &format!("docker-{gid}")]).run()?;
    }
    Tool::new("/usr/sbin/usermod").args(["-a", "-G", &number, NAME]).run()?;
    Ok(())
}
