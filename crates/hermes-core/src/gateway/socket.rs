//! The path of a gateway's Unix socket: in the directory of the profile, or in the gateway's slot if the
//! volume holds no sockets.
//!
//! Only this module knows both places. A gateway binds the first one that works, and a client calls [`find`].

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::{Home, ProfileName};

/// The file name of the socket in both places.
pub const NAME: &str = "gateway.sock";

/// The scan directory of the account in a container, with one slot for each gateway. It belongs to the
/// account and lies in memory.
pub const SLOTS: &str = hermes_os::lock_file::ACCOUNT_MEMORY;

/// Returns the directory of the socket if the volume holds none: the slot, which exists only in a container.
pub fn slot(profile: &ProfileName) -> PathBuf {
    Path::new(SLOTS).join(profile.gateway_slot_name())
}

/// Returns the path of the socket; `None` if there is no socket.
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
    fn only_sockets_are_found() {
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
