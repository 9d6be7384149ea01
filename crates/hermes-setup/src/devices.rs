//! The groups of devices that the operator added: `docker run --device /dev/dri/renderD128`.
//!
//! The engine makes the container's `/dev`, and only root can add to it. A device keeps the group that it has on the host. The
//! account joins that group if the group gives access to devices only. So it never joins root's group. Of the groups with fixed
//! numbers it joins only those for devices, and never `disk`, `kmem`, `tty` or `shadow`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::thread::CapabilitySet;

use crate::trusted_path;

/// The directory of devices.
const DEV: &str = "/dev";

/// Directories in `/dev` without devices of the operator: terminals, and two that everybody can write.
const NOT_HANDED_IN: [&str; 4] = ["pts", "shm", "mqueue", "fd"];

/// Devices that every container has.
const DEFAULTS: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "console"];

/// The first number of groups without a fixed meaning on Debian.
const FIRST_DYNAMIC: u32 = 100;

/// The fixed numbers of groups for devices, on Debian and its relatives: dialout, cdrom, tape, audio, video, plugdev, lp.
const FOR_DEVICES: [u32; 7] = [20, 24, 26, 29, 44, 46, 7];

/// The number that the kernel shows for a group that this user namespace does not map.
const UNMAPPED: u32 = 65534;

/// The limits for the depth and the number of entries of `/dev`. An engine makes a few dozen entries.
const DEPTH: u32 = 4;
const ENTRIES_MAX: usize = 2000;

/// Returns the groups to join, each once, with the prefix of a name for a group without one.
///
/// Returns none in a container with all devices of the host (`--privileged`): the operator did not choose a device there.
pub(crate) fn groups() -> impl Iterator<Item = (u32, &'static str)> {
    let mut gids = BTreeSet::new();
    if !has_all_devices() {
        let mut left = ENTRIES_MAX;
        collect(Path::new(DEV), DEPTH, &mut left, &mut gids);
    }
    gids.into_iter().map(|gid| (gid, "device"))
}

/// Tells if this is a privileged container: no other container has raw hardware access in its bounding set.
fn has_all_devices() -> bool {
    let raw = rustix::thread::capability_is_in_bounding_set(CapabilitySet::SYS_RAWIO);
    let admin = rustix::thread::capability_is_in_bounding_set(CapabilitySet::SYS_ADMIN);
    raw.unwrap_or(false) && admin.unwrap_or(false)
}

fn collect(directory: &Path, depth: u32, left: &mut usize, gids: &mut BTreeSet<u32>) {
    // If others can change the directory, they may have made the device.
    if !trusted_path::is_trusted_directory(directory) {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = entry.file_name();
        let is_named = |names: &[&str]| depth == DEPTH && names.iter().any(|other| name == **other);
        let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
        if found.is_dir() && depth > 0 && !is_named(&NOT_HANDED_IN) {
            collect(&entry.path(), depth - 1, left, gids);
        } else if found.file_type().is_char_device()
            && !is_named(&DEFAULTS)
            && found.mode() & 0o060 != 0
            && may_be_joined(found.gid())
        {
            gids.insert(found.gid());
        }
    }
}

/// Tells if membership of the group gives access to devices only.
fn may_be_joined(gid: u32) -> bool {
    (gid >= FIRST_DYNAMIC && gid != UNMAPPED) || FOR_DEVICES.contains(&gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_for_devices_are_joined() {
        // root, tty, disk, kmem, adm, shadow, staff, sudo, unmapped.
        for gid in [0, 5, 6, 15, 4, 42, 50, 27, 65534] {
            assert!(!may_be_joined(gid), "{gid}");
        }
        // video, audio, dialout. The numbers of render and kvm depend on the host.
        for gid in [44, 29, 20, 104, 992, 4242] {
            assert!(may_be_joined(gid), "{gid}");
        }
    }

    #[test]
    fn directory_that_others_can_write_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(rustix::process::geteuid().as_raw()), None).unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let (mut left, mut gids) = (10, BTreeSet::new());
        collect(folder.path(), DEPTH, &mut left, &mut gids);
        assert_eq!((left, gids.len()), (10, 0));
    }
}
