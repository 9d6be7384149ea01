//! Directories of `/run` as a boot needs them, whatever an earlier boot left there: `/run` outlives `docker restart`.
//!
//! The account fills `/run/service`, and in a container without root all of them. A tree of 60,000 levels, or of 200,000 entries, takes
//! longer to remove than a boot may take, and one of another mode cannot be entered. So what is not empty is renamed, which costs
//! the same whatever is in it, and `hermes container sweep` removes it later, as the account.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{self, AccessFlags, access};

/// Begins the name of what is put away. `s6-svscan` skips names that begin with a dot.
pub(crate) const PUT_AWAY: &str = ".leftover-";

/// The highest number behind [`PUT_AWAY`] in one directory.
const NUMBERS: u64 = 1_000_000;

/// Makes `path` a directory in which nothing is but what is put away, whatever lies there: a link, a file, a full directory.
///
/// # Errors
/// The kernel refuses, as on a read-only file system.
pub(crate) fn fresh_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return fs::create_dir(path),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => {
            fs::remove_file(path)?;
            return fs::create_dir(path);
        }
        // Root alone wrote it, so nothing in it can hold a boot up.
        Ok(found) if found.uid() == 0 && unistd::geteuid().is_root() && fs::remove_dir_all(path).is_ok() => {
            return fs::create_dir(path);
        }
        Ok(_) => {}
    }
    // Made anew where that is possible: an engine's layers can rename what no image has.
    if fs::remove_dir(path).is_ok() || put_away(path).is_ok() {
        match fs::create_dir(path) {
            // fuse-overlayfs shows the directory of the image again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    // That, a mount point, or a directory in a place where this user makes none.
    make_accessible(path)?;
    put_entries_away(path)
}

/// Removes the directories that a sweep has emptied.
pub(crate) fn remove_swept(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(PUT_AWAY.as_bytes()) {
            // What is not empty yet waits for the next sweep.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Renames `path` to a hidden name beside it.
fn put_away(path: &Path) -> io::Result<()> {
    fs::rename(path, free_name(path.parent().unwrap_or(Path::new("/")), 0)?.1)
}

/// Puts every entry of a directory away, but those that are.
fn put_entries_away(directory: &Path) -> io::Result<()> {
    let mut next = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(PUT_AWAY.as_bytes()) {
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

/// Finds a hidden name that nothing has, with the first free number from `first` on.
fn free_name(directory: &Path, first: u64) -> io::Result<(u64, PathBuf)> {
    (first..NUMBERS)
        .map(|number| (number, directory.join(format!("{PUT_AWAY}{number}"))))
        .find(|(_, path)| fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound))
        .ok_or_else(|| ErrorKind::StorageFull.into())
}

/// Gives the owner of a directory all rights on it.
fn make_accessible(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() == unistd::geteuid().as_raw() && found.mode() & 0o700 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(access(path, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    fn visible(path: &Path) -> Vec<String> {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| !name.starts_with(PUT_AWAY)).collect()
    }

    #[rstest]
    #[case::missing(|_: &Path| ())]
    #[case::file(|path: &Path| fs::write(path, "x").unwrap())]
    #[case::dangling_link(|path: &Path| symlink("/nowhere", path).unwrap())]
    #[case::full(|path: &Path| {
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/file"), "x").unwrap();
        symlink("/", path.join("link")).unwrap();
        nix::unistd::mkfifo(&path.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::set_permissions(path.join("a"), Permissions::from_mode(0o000)).unwrap();
    })]
    #[case::closed(|path: &Path| {
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    })]
    fn leftovers_of_a_boot_make_way_for_an_empty_directory(#[case] leave: fn(&Path)) {
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
    fn entries_are_hidden_where_the_directory_itself_cannot_be_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service");
        for boot in 0..3 {
            fs::create_dir_all(path.join(".x/y")).unwrap();
            fs::create_dir_all(path.join("gateway-a/log")).unwrap();
            fs::write(path.join(".lease.json"), "x").unwrap();
            fs::set_permissions(path.join(".x"), Permissions::from_mode(0o000)).unwrap();
            put_entries_away(&path).unwrap();
            assert_eq!(visible(&path), Vec::<String>::new(), "boot {boot}");
        }
        for entry in fs::read_dir(&path).unwrap() {
            fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_link_to_a_directory_is_removed_and_its_target_is_not_touched() {
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
    fn a_swept_directory_is_removed_at_the_next_boot() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".leftover-0", ".leftover-1/x", "other"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        remove_swept(folder.path());
        let exists = |name: &str| folder.path().join(name).exists();
        assert_eq!((exists(".leftover-0"), exists(".leftover-1/x"), exists("other")), (false, true, true));
    }
}
