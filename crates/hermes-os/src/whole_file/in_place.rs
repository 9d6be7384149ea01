//! Writes a file that is a mount point of its own (`-v ./config.yaml:/opt/data/config.yaml`). The kernel
//! refuses to rename another file over it.
//!
//! The new content is copied into the existing file. A synced copy lies beside it until then. If a step
//! fails, the old content is restored. A loss of power or a kill can leave a mixed file; the copy
//! `.NAME.PID-N.tmp` is then complete. A reader may see a mixed file for a moment.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use crate::file_system;

/// Copies the content of `new` into `target`. Both are names in `directory`.
///
/// # Errors
/// Fails if a step fails. The target then has its old content, unless the restoration fails too.
pub(super) fn overwrite(directory: &OwnedFd, new: &OsStr, target: &OsStr) -> io::Result<()> {
    let new = contents(&open(directory, new, OFlags::RDONLY)?)?;
    let file = open(directory, target, OFlags::RDWR)?;
    let old = contents(&file)?;
    put(&file, &new).or_else(|error| {
        put(&file, &old)?;
        Err(error)
    })
}

fn open(directory: &OwnedFd, name: &OsStr, access: OFlags) -> io::Result<File> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(directory, name, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a file")) }
}

fn contents(mut file: &File) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

fn put(file: &File, contents: &[u8]) -> io::Result<()> {
    file.write_all_at(contents, 0)?;
    file.set_len(contents.len() as u64)?;
    file_system::sync(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_file_keeps_its_inode_and_gets_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let directory = OwnedFd::from(File::open(folder.path()).unwrap());
        let path = |name: &str| folder.path().join(name);
        for (old, new) in [("long contents", "short"), ("short", "long contents"), ("", "x"), ("x", "")] {
            fs::write(path("target"), old).unwrap();
            fs::write(path("new"), new).unwrap();
            let inode = fs::metadata(path("target")).unwrap().ino();
            overwrite(&directory, OsStr::new("new"), OsStr::new("target")).unwrap();
            assert_eq!(fs::read_to_string(path("target")).unwrap(), new);
            assert_eq!(fs::metadata(path("target")).unwrap().ino(), inode);
        }
    }

    #[test]
    fn a_symlink_at_the_target_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = OwnedFd::from(File::open(folder.path()).unwrap());
        fs::write(folder.path().join("new"), "new").unwrap();
        fs::write(folder.path().join("precious"), "old").unwrap();
        std::os::unix::fs::symlink("precious", folder.path().join("target")).unwrap();
        overwrite(&directory, OsStr::new("new"), OsStr::new("target")).unwrap_err();
        assert_eq!(fs::read_to_string(folder.path().join("precious")).unwrap(), "old");
    }
}
