//! Fresh directories in `/run` for a boot: `/run` outlives `docker restart`, and holds leftovers of earlier boots.
//!
//! The account fills `/run/service`, and all of these directories in a container without root. A boot has no time to remove a
//! tree of 60,000 levels, or of 200,000 entries. A directory without the right mode cannot even be entered. So this module renames
//! a directory that is not empty, which takes the same time for every tree. `hermes container sweep` removes it later, as the
//! account.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

/// The prefix of the name of a renamed leftover. `s6-svscan` skips names that begin with a dot.
pub(crate) const LEFTOVER_PREFIX: &str = ".leftover-";

/// The limit of the numbers behind [`LEFTOVER_PREFIX`] in one directory.
const NUMBERS_MAX: u64 = 1_000_000;

/// Makes `path` a directory that holds renamed leftovers at most. It may be a link, a file or a full directory before.
///
/// # Errors
/// Fails when the kernel refuses a step, as on a read-only file system.
pub(crate) fn fresh_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return fs::create_dir(path),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => {
            fs::remove_file(path)?;
            return fs::create_dir(path);
        }
        // Only root wrote it, so it is small.
        Ok(found) if found.uid() == 0 && geteuid().is_root() && fs::remove_dir_all(path).is_ok() => {
            return fs::create_dir(path);
        }
        Ok(_) => {}
    }
    // A new directory if possible: the layers of an engine can rename a directory that no image has.
    if fs::remove_dir(path).is_ok() || rename_to_leftover(path).is_ok() {
        match fs::create_dir(path) {
            // fuse-overlayfs shows the directory of the image again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    // A directory of the image, a mount point, or a directory in a place where this user can make none.
    make_accessible(path)?;
    clear_entries(path)
}

/// Removes the leftovers that a sweep has emptied.
pub(crate) fn remove_swept(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(LEFTOVER_PREFIX.as_bytes()) {
            // A leftover that is not empty waits for the next sweep.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Renames `path` to a hidden name beside it.
fn rename_to_leftover(path: &Path) -> io::Result<()> {
    fs::rename(path, free_name(path.parent().unwrap_or(Path::new("/")), 0)?.1)
}

/// Renames or removes every entry of a directory, except leftovers.
fn clear_entries(directory: &Path) -> io::Result<()> {
    let mut next = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(LEFTOVER_PREFIX.as_bytes()) {
            continue;
        }
        let path = entry.path();
        let removed =
            if entry.file_type()?.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        match removed {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => {
                let (number, name) = free_name(directory, next)?;
                next = number + 1;
                fs::rename(&path, name)?;
            }
        }
    }
    Ok(())
}

/// Returns an unused hidden name, with the first free number from `first` on.
fn free_name(directory: &Path, first: u64) -> io::Result<(u64, PathBuf)> {
    (first..NUMBERS_MAX)
        .map(|number| (number, directory.join(format!("{LEFTOVER_PREFIX}{number}"))))
        .find(|(_, path)| fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound))
        .ok_or_else(|| ErrorKind::StorageFull.into())
}

/// Gives the owner of a directory all rights for it.
fn make_accessible(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() == geteuid().as_raw() && found.mode() & 0o700 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(access(path, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    fn visible(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.into_string().unwrap())
            .filter(|name| !name.starts_with(LEFTOVER_PREFIX))
            .collect()
    }

    #[rstest]
    #[case::missing(|_: &Path| ())]
    #[case::file(|path: &Path| fs::write(path, "x").unwrap())]
    #[case::dangling_link(|path: &Path| symlink("/nowhere", path).unwrap())]
    #[case::full(|path: &Path| {
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/file"), "x").unwrap();
        symlink("/", path.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o000)).unwrap();
    })]
    #[case::closed(|path: &Path| {
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    })]
    fn fresh_directory_replaces_every_kind_of_leftover(#[case] leave: fn(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service");
        leave(&path);
        fresh_directory(&path).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_dir());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        for leftover in fs::read_dir(folder.path()).unwrap() {
            let path = leftover.unwrap().path();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            if path.join("a").exists() {
                fs::set_permissions(path.join("a"), Permissions::from_mode(0o755)).unwrap();
            }
        }
    }

    #[test]
    fn entries_of_a_kept_directory_are_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service");
        for boot in 0..3 {
            fs::create_dir_all(path.join(".x/y")).unwrap();
            fs::create_dir_all(path.join("gateway-a/log")).unwrap();
            fs::write(path.join(".lease.json"), "x").unwrap();
            fs::set_permissions(path.join(".x"), Permissions::from_mode(0o000)).unwrap();
            clear_entries(&path).unwrap();
            assert_eq!(visible(&path), Vec::<String>::new(), "boot {boot}");
        }
        for entry in fs::read_dir(&path).unwrap() {
            fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn link_is_removed_and_its_target_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("precious"), "x").unwrap();
        let path = folder.path().join("service");
        symlink(&target, &path).unwrap();
        fresh_directory(&path).unwrap();
        assert!(target.join("precious").exists());
        assert!(fs::symlink_metadata(&path).unwrap().is_dir());
    }

    #[test]
    fn empty_leftovers_are_removed_at_the_next_boot() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".leftover-0", ".leftover-1/x", "other"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        remove_swept(folder.path());
        let exists = |name: &str| folder.path().join(name).exists();
        assert_eq!((exists(".leftover-0"), exists(".leftover-1/x"), exists("other")), (false, true, true));
    }
}
