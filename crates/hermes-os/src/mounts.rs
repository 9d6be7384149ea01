//! Mount points, as the kernel lists them in `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::presence::if_present;

/// The list of mounts that this process sees.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The index of the field with the mount point, from zero.
const MOUNT_POINT: usize = 4;

/// Returns all mount points; none on a system without this list.
///
/// # Errors
/// Fails if the list cannot be read.
pub fn all() -> io::Result<Vec<PathBuf>> {
    let list = if_present(fs::read(MOUNTINFO))?.unwrap_or_default();
    Ok(mount_points(&list).collect())
}

/// Returns the mount points at `path` and below it.
///
/// # Errors
/// Fails as [`all`] does.
pub fn at_or_below(path: &Path) -> io::Result<Vec<PathBuf>> {
    // The list holds paths without symlinks.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut points = all()?;
    points.retain(|point| point.starts_with(&path));
    Ok(points)
}

fn mount_points(list: &[u8]) -> impl Iterator<Item = PathBuf> {
    let field = |line: &[u8]| line.split(|&byte| byte == b' ').nth(MOUNT_POINT).map(unescaped);
    list.split(|&byte| byte == b'\n').filter_map(field).map(|point| PathBuf::from(OsString::from_vec(point)))
}

/// Decodes the kernel's escapes. Blanks, newlines and backslashes are a backslash and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits =
            after.first_chunk::<3>().filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match digits {
            Some(digits) if first == b'\\' => {
                let value = digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                // Three octal digits can exceed a byte. The kernel writes no such value.
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &[u8] = b"22 28 0:21 / /proc rw,nosuid - proc proc rw\n\
        30 22 8:1 /x /opt/data rw shared:1 - ext4 /dev/sda1 rw\n\
        31 30 8:1 /y /opt/data/profiles/a\\040b rw - ext4 /dev/sda1 rw\nshort line\n";

    #[test]
    fn the_fifth_field_is_the_mount_point() {
        let points: Vec<_> = mount_points(LIST).collect();
        assert_eq!(points, ["/proc", "/opt/data", "/opt/data/profiles/a b"].map(PathBuf::from));
    }

    #[test]
    fn escaped_mount_points_are_decoded() {
        let line = br"36 35 98:0 /mnt1 /opt/my\040data/a\134b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_points(line).collect::<Vec<_>>(), [PathBuf::from(r"/opt/my data/a\b")]);
        assert_eq!(mount_points(b"").next(), None);
        assert!(all().unwrap().contains(&PathBuf::from("/")));
    }

    #[test]
    fn only_mount_points_below_the_path_are_returned() {
        assert!(at_or_below(Path::new("/proc")).unwrap().contains(&PathBuf::from("/proc")));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(at_or_below(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(list in proptest::collection::vec(any::<u8>(), 0..200)) {
            let points = mount_points(&list).count();
            prop_assert!(points <= list.split(|&byte| byte == b'\n').count());
        }

        #[test]
        fn escaped_bytes_come_back(name in proptest::collection::vec(1u8.., 0..20)) {
            let escaped: Vec<u8> = name.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()).collect();
            prop_assert_eq!(unescaped(&escaped), name);
        }
    }
}
