//! Paths that the account cannot have put there: every directory on the way is root's, and nobody else can write it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The path without symlinks, if no directory on the way, the way of its symlinks included, can be changed by others than root.
pub(crate) fn real_path(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    (is_roots_way(&real) && is_roots_way(path)).then_some(real)
}

/// Whether each directory above `path` is root's. A link to a directory counts as what it leads to: /var/run as /run.
fn is_roots_way(path: &Path) -> bool {
    path.is_absolute()
        && path.ancestors().skip(1).all(|directory| {
            fs::canonicalize(directory).is_ok_and(|real| {
                real.ancestors().all(|part| {
                    fs::metadata(part).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
                })
            })
        })
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
}
