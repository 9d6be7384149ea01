//! The check for mounts that hide the image's own program: a volume of an earlier release over `/opt/hermes`, or a mount over
//! `/opt`. `/init` lies outside of both, so it can report the mount. Without this check each script and each service would fail.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{Access, access};

use crate::message::Report;
use crate::paths;

/// Fails if the program is hidden or missing.
pub(crate) fn check() -> Result<()> {
    // Without this list the message cannot name the mount.
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    // The mount may hold a program, too: that of the image with which the volume was first used.
    if let Some(mount) = mounted_at(&mounts, Path::new(paths::INSTALL)) {
        return Err(hidden(&mount));
    }
    let programs = [paths::PROGRAM, paths::MAIN_WRAPPER].map(Path::new);
    let Some(gone) = programs.into_iter().find(|program| access(*program, Access::EXEC_OK).is_err()) else {
        return Ok(());
    };
    Err(match gone.ancestors().find_map(|place| mounted_at(&mounts, place)).filter(Mount::is_not_the_root) {
        Some(mount) => hidden(&mount),
        None => Report::new(
            format!("{} is missing or not executable", gone.display()),
            format!("build the image FROM the hermes image, and keep its {}", paths::INSTALL),
        )
        .into(),
    })
}

fn hidden(mount: &Mount) -> anyhow::Error {
    let point = mount.point.display();
    Report::new(
        format!("{mount} is mounted over {point} and hides the image's own program"),
        format!("remove that mount (as in -v …:{point}); data belongs in /opt/data"),
    )
    .into()
}

/// The needed fields of a line of `/proc/self/mountinfo`: proc_pid_mountinfo(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// The mounted directory of the file system: `/` for all of it.
    root: PathBuf,
    point: PathBuf,
    kind: OsString,
    source: OsString,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|&byte| byte == b' ');
        let root = unescaped(words.nth(3)?);
        let point = unescaped(words.next()?);
        // Skips the options and any number of optional fields.
        let mut words = words.skip_while(|&word| word != b"-").skip(1);
        let kind = unescaped(words.next()?);
        let source = unescaped(words.next()?);
        Some(Self { root: root.into(), point: point.into(), kind, source })
    }

    fn is_not_the_root(&self) -> bool {
        self.point != Path::new("/")
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.root != Path::new("/") {
            write!(f, "{} of ", self.root.display())?;
        }
        write!(f, "{} ({})", self.source.display(), self.kind.display())
    }
}

/// Returns the mount exactly at `point`: the last one, which covers the earlier ones.
fn mounted_at(mountinfo: &[u8], point: &Path) -> Option<Mount> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(Mount::parse).rfind(|mount| mount.point == point)
}

/// Decodes blanks, newlines and backslashes, which the kernel writes as a backslash and three octal digits.
fn unescaped(word: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, behind)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            digits.iter().try_fold(0_u32, |sum, &digit| Some(sum * 8 + char::from(digit).to_digit(8)?))
        };
        let escaped = behind.get(..3).filter(|_| first == b'\\').and_then(octal);
        match escaped.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The mounts of a container of Docker 20.10, and more cases.
    const MOUNTINFO: &[u8] = b"\
        62 54 0:43 / / rw,relatime master:20 - overlay overlay rw,lowerdir=/l/A:/l/B\n\
        64 62 0:46 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n\
        69 62 254:0 /var/lib/docker/volumes/data/_data /opt/data rw,relatime master:1 - ext4 /dev/vda rw\n\
        70 62 0:50 /export/old /opt/hermes rw shared:1 master:2 propagate_from:3 - nfs4 nas:/vol rw\n\
        71 62 0:51 / /opt/with\\040blank\\134 rw - tmpfs tmpfs rw\n\
        72 62 0:52 / /opt/hermes/docker rw - tmpfs none rw\n\
        73 62 0:53 / /opt/hermesx rw - tmpfs tmpfs rw\n\
        74 70 254:0 /mnt/a\\040b /opt/hermes ro - ext4 /dev/vda rw\n\
        75 62 cut short\n";

    #[rstest]
    #[case::the_last_one("/opt/hermes", Some("/mnt/a b of /dev/vda (ext4)"))]
    #[case::escaped("/opt/with blank\\", Some("tmpfs (tmpfs)"))]
    #[case::volume("/opt/data", Some("/var/lib/docker/volumes/data/_data of /dev/vda (ext4)"))]
    #[case::a_part_of_it("/opt/hermes/docker", Some("none (tmpfs)"))]
    #[case::above("/opt", None)]
    #[case::root("/", Some("overlay (overlay)"))]
    fn mount_is_found_by_its_exact_mount_point(#[case] point: &str, #[case] expected: Option<&str>) {
        let mount = mounted_at(MOUNTINFO, Path::new(point));
        assert_eq!(mount.map(|mount| mount.to_string()).as_deref(), expected);
    }

    #[test]
    fn malformed_lines_are_skipped() {
        for text in
            [&b""[..], b"\n\n", b"a b c d e", b"1 2 3 / /opt/hermes - ", b"\xff \\ \\1 \\777 \\04 - x y"]
        {
            assert_eq!(mounted_at(text, Path::new("/opt/hermes")), None);
        }
        assert_eq!(unescaped(b"\\777\\04\\"), "\\777\\04\\");
        assert_eq!(unescaped(b"\\303\\244"), "ä");
    }
}
