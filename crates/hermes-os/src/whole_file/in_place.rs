//! A file that is a mount point of its own (`-v ./config.yaml:/opt/data/config.yaml`): the kernel refuses to rename another over it.
//!
//! The new contents go into the file that is there. The whole of them lies beside it, synced, until that is done. If the kernel refuses a
//! step, the old contents go back. Only a loss of power or a kill in between leaves a file that is half new; the copy beside it is whole
//! then (`.NAME.PID-N.tmp`). A reader may see the file half written for that moment.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use crate::file_system;

/// Copies the contents of `new` over those of `target`, both names in `directory`.
///
/// # Errors
/// The kernel refuses a step. The target has its old contents, unless it refuses those, too.
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
    fn the_file_stays_the_same_one_with_the_new_contents() {
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
    fn a_link_at_the_target_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = OwnedFd::from(File::open(folder.path()).unwrap());
        fs::write(folder.path().join("new"), "new").unwrap();
        fs::write(folder.path().join("precious"), "old").unwrap();
        std::os::unix::fs::symlink("precious", folder.path().join("target")).unwrap();
        overwrite(&directory, OsStr::new("new"), OsStr::new("target")).unwrap_err();
        assert_eq!(fs::read_to_string(folder.path().join("precious")).unwrap(), "old");
    }
}
