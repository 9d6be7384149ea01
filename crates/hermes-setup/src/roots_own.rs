//! Paths that the account cannot have put there: every directory on the way is root's, and nobody else can write it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::directory::names_of;

/// As many symlinks as the kernel follows on one way, path_resolution(7).
const LINKS_MAX: u32 = 40;

/// The path without symlinks, if no directory on the way, the way of its symlinks included, can be changed by others than root.
///
/// Each link is followed here, one by one: where the whole way leads says nothing of who decides that.
pub(crate) fn real_path(path: &Path) -> Option<PathBuf> {
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
        if !is_roots(&real) {
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
    let mut names: Vec<_> = names_of(path).map(OsStr::to_owned).collect();
    names.reverse();
    names
}

/// Whether only root can put something into a directory.
pub(crate) fn is_roots(directory: &Path) -> bool {
    fs::symlink_metadata(directory)
        .is_ok_and(|found| found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_put_somewhere_is_not_roots() {
        assert_eq!(real_path(Path::new("/etc/passwd")), Some("/etc/passwd".into()));
        assert_eq!(real_path(Path::new("etc/passwd")), None);
        // Sticky, but everybody's.
        let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "x").unwrap();
        assert_eq!(real_path(&file), None);
        assert_eq!(real_path(Path::new("/no/such/file")), None);
    }

    /// What it takes to make a directory of root's that is not below one of everybody's.
    #[test]
    fn a_link_of_roots_that_leads_through_a_place_of_others_is_not_roots() {
        let Ok(roots) = tempfile::Builder::new().tempdir_in("/usr/local") else {
            eprintln!("not checked: only root can put something where only root can");
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
        let real = |name: &str| real_path(&roots.path().join(name));
        assert_eq!(real("secret"), Some(secret.clone()));
        assert_eq!(real("near"), Some(secret.clone()));
        let name = roots.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(real(&format!("up/{name}/secret")), Some(secret));
        for refused in ["far", "way/secret", "loop", "none"] {
            assert_eq!(real(refused), None, "{refused}");
        }
    }
}
