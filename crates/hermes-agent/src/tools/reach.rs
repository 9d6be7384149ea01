//! The paths of a call with the reach of the machine. Landlock knows no exceptions, so all other paths are named.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns paths below `root` that together hold everything but the `closed` paths. A symlink is left out: it has its target's access.
pub(crate) fn all_but(root: &Path, closed: &[PathBuf]) -> Vec<PathBuf> {
    if closed.iter().any(|closed| root.starts_with(closed)) {
        return Vec::new();
    }
    if !closed.iter().any(|closed| closed.starts_with(root)) {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
    let mut paths: Vec<PathBuf> = real.flat_map(|entry| all_but(&entry.path(), closed)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn closed_paths_are_left_out_at_each_depth() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for directory in ["bin", "opt/data/profiles", "opt/hermes", "run"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("opt/file"), "").unwrap();
        symlink(root.join("opt/data"), root.join("data")).unwrap();
        let closed = [root.join("opt/data"), root.join("run"), root.join("missing")];
        let expected: Vec<_> = ["bin", "opt/file", "opt/hermes"].map(|path| root.join(path)).into();
        let mut found = all_but(root, &closed);
        found.sort();
        assert_eq!(found, expected);
        assert_eq!(all_but(&root.join("opt/data/profiles"), &closed), Vec::<PathBuf>::new());
        assert_eq!(all_but(&root.join("bin"), &closed), vec![root.join("bin")]);
    }
}
