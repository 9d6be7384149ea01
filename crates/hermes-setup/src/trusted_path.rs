//! Paths that the account cannot have changed: every directory on the path is root's, and no other user can write it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::directory::steps_of;

/// The number of symlinks that the kernel follows on one path, path_resolution(7).
const LINKS_MAX: u32 = 40;

/// Returns the path without symlinks, if only root can change the directories on it, including those on the targets of symlinks.
///
/// It follows the links one by one: the final target alone does not show who controls the links.
pub(crate) fn resolve(path: &Path) -> Option<PathBuf> {
    let mut ahead = names_in_reverse(path);
    let mut real = PathBuf::from("/");
    let mut links = 0;
    if !path.is_absolute() {
        return None;
    }
    while let Some(name) = ahead.pop() {
        if name == OsStr::new("..") {
            real.pop();
            continue;
        }
        if !is_trusted_directory(&real) {
            return None;
        }
        real.push(name);
        if fs::symlink_metadata(&real).ok()?.is_symlink() {
            links += 1;
            let target = fs::read_link(&real).ok().filter(|_| links <= LINKS_MAX)?;
            real = if target.is_absolute() { PathBuf::from("/") } else { real.parent()?.to_owned() };
            ahead.extend(names_in_reverse(&target));
        }
    }
    Some(real)
}

fn names_in_reverse(path: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = steps_of(path).map(OsStr::to_owned).collect();
    names.reverse();
    names
}

/// Tells if only root can create files in a directory.
pub(crate) fn is_trusted_directory(directory: &Path) -> bool {
    fs::symlink_metadata(directory)
        .is_ok_and(|found| found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_others_can_change_is_refused() {
        assert_eq!(resolve(Path::new("/etc/passwd")), Some("/etc/passwd".into()));
        assert_eq!(resolve(Path::new("etc/passwd")), None);
        // Sticky, but writable for everybody.
        let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "x").unwrap();
        assert_eq!(resolve(&file), None);
        assert_eq!(resolve(Path::new("/no/such/file")), None);
    }

    /// Uses `/usr/local`: a directory of root below others of root.
    #[test]
    fn link_through_a_directory_of_others_is_refused() {
        let Ok(roots) = tempfile::Builder::new().tempdir_in("/usr/local") else {
            eprintln!("not checked: only root can write /usr/local");
            return;
        };
        let others = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let link = |from: &Path, to: &Path| std::os::unix::fs::symlink(to, from).unwrap();
        let secret = roots.path().join("secret");
        fs::write(&secret, "x").unwrap();
        link(&others.path().join("to-file"), &secret);
        link(&others.path().join("to-directory"), roots.path());
        link(&roots.path().join("near"), Path::new("secret"));
        link(&roots.path().join("up"), Path::new("sub/../../../../usr/./local"));
        fs::create_dir(roots.path().join("sub")).unwrap();
        link(&roots.path().join("far"), &others.path().join("to-file"));
        link(&roots.path().join("way"), &others.path().join("to-directory"));
        link(&roots.path().join("loop"), Path::new("loop"));
        let real = |name: &str| resolve(&roots.path().join(name));
        assert_eq!(real("secret"), Some(secret.clone()));
        assert_eq!(real("near"), Some(secret.clone()));
        let name = roots.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(real(&format!("up/{name}/secret")), Some(secret));
        for refused in ["far", "way/secret", "loop", "none"] {
            assert_eq!(real(refused), None, "{refused}");
        }
    }
}
