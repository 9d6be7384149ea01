//! The place of a gateway's Unix socket: the directory of the profile, or the gateway's slot if the volume holds no sockets.
//!
//! This is the one place that knows both. A gateway binds the first that the kernel lets it, and a client asks [`find`].

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::{Home, ProfileName};

/// The name of the socket in either directory.
pub const NAME: &str = "gateway.sock";

/// The slots of the account in a container, one directory each. It belongs to the account, and the kernel keeps it in memory.
pub const SLOTS: &str = hermes_os::lock_file::ACCOUNT_MEMORY;

/// Returns the directory that holds the socket if the volume does not: the slot, which exists in a container only.
pub fn slot(profile: &ProfileName) -> PathBuf {
    Path::new(SLOTS).join(profile.gateway_slot_name())
}

/// Returns the path of the socket of a gateway that serves, wherever it is; `None` if there is no socket.
pub fn find(home: &Home, profile: &ProfileName) -> Option<PathBuf> {
    let places = [home.gateway_socket(profile), slot(profile).join(NAME)];
    places.into_iter().find(|path| is_socket(path))
}

fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_found_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::new("no-such-slot-here").unwrap();
        let path = home.gateway_socket(&profile);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(find(&home, &profile), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(find(&home, &profile), None);
        std::fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(find(&home, &profile), Some(path));
        assert_eq!(slot(&profile), Path::new("/run/service/gateway-no-such-slot-here"));
    }
}
