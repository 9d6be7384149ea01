//! The paths of a call with the reach of the machine. Landlock knows no exceptions, so all other paths are named.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// The open paths of the machine, if this process found them before it confined itself.
static MACHINE: OnceLock<Vec<PathBuf>> = OnceLock::new();

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

/// Returns an absolute path without `.` and `..`, by its words alone.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(place.pop()),
            Component::CurDir => {}
            part => place.push(part),
        }
    }
    place
}

/// Keeps the open paths of the machine for [`machine`]. A process that confined itself lists no directory above them.
pub(crate) fn remember_machine(paths: Vec<PathBuf>) {
    // A process confines itself once.
    let _ = MACHINE.set(paths);
}

/// Returns the paths of the machine that a call outside of the sandbox reaches.
pub(crate) fn machine(volume: &Path) -> Vec<PathBuf> {
    if let Some(found) = MACHINE.get() {
        return found.iter().filter(|path| path.symlink_metadata().is_ok()).cloned().collect();
    }
    let [volume, same] = places(volume);
    let closed = [volume, same, "/run".into(), "/proc".into(), "/dev".into(), temporaries()];
    all_but(Path::new("/"), &closed)
}

/// Returns the volume by its name, and as it is without links.
pub(crate) fn places(volume: &Path) -> [PathBuf; 2] {
    [volume.to_owned(), volume.canonicalize().unwrap_or_else(|_| volume.to_owned())]
}

/// Returns the parent of the directories of temporary files, one for each profile. Each user of the machine has its own.
pub(crate) fn temporaries() -> PathBuf {
    std::env::temp_dir().join(format!("hermes-tools-{}", rustix::process::geteuid().as_raw()))
}

/// Returns `true` if `path` holds, or lies in, a directory that no tool may reach.
pub(crate) fn is_closed(path: &Path, volume: &Path) -> bool {
    let [volume, same] = places(volume);
    let closed = [&volume, &same, Path::new("/run"), Path::new("/proc")];
    // Another spelling of the same place, as a symlink, counts as that place.
    let real = path.canonicalize();
    let places = [Some(path), real.as_deref().ok()];
    places.into_iter().flatten().any(|place| {
        closed.iter().any(|closed| place.starts_with(closed) || closed.starts_with(place))
            || place.components().any(|part| part == Component::ParentDir)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// Makes a tree of directories: each has `a` and `b`, three deep.
    fn tree(root: &Path) -> Vec<PathBuf> {
        let mut all = vec![root.to_owned()];
        for depth in 0..3 {
            let deepest: Vec<_> = all
                .iter()
                .filter(|path| path.strip_prefix(root).unwrap().iter().count() == depth)
                .cloned()
                .collect();
            all.extend(deepest.iter().flat_map(|path| [path.join("a"), path.join("b")]));
        }
        all.iter().for_each(|path| fs::create_dir_all(path).unwrap());
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_words_of_a_path_lead_where_the_kernel_goes(parts in prop::collection::vec("a|b|\\.|\\.\\.", 0..8)) {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            tree(&root);
            let path = root.join("a/a").join(parts.join("/"));
            if let Ok(real) = path.canonicalize() {
                prop_assert_eq!(without_dots(&path), real);
            }
        }

        #[test]
        fn the_paths_hold_all_that_is_open_and_nothing_else(chosen in prop::collection::vec(0_usize..15, 1..4)) {
            let folder = tempfile::tempdir().unwrap();
            let all = tree(folder.path());
            let closed: Vec<PathBuf> = chosen.iter().map(|index| all[*index].clone()).collect();
            let open = all_but(folder.path(), &closed);
            for path in &all {
                let is_closed = closed.iter().any(|closed| path.starts_with(closed));
                let holds_closed = closed.iter().any(|closed| closed.starts_with(path));
                let is_open = open.iter().any(|open| path.starts_with(open));
                prop_assert_eq!(is_open, !is_closed && !holds_closed, "{:?} of {:?}", path, open);
            }
        }
    }

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

    #[rstest]
    #[case("/", true)]
    #[case("/opt", true)]
    #[case("/opt/data", true)]
    #[case("/opt/data/profiles/coder/.env", true)]
    #[case("/opt/datas", false)]
    #[case("/run/secrets", true)]
    #[case("/mnt/../opt/data", true)]
    #[case("/mnt/media", false)]
    fn no_setting_opens_the_volume(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_closed(Path::new(path), Path::new("/opt/data")), expected);
    }

    #[test]
    fn no_symlink_opens_the_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        fs::create_dir(&volume).unwrap();
        symlink(&volume, folder.path().join("link")).unwrap();
        let link = folder.path().join("link");
        assert!(is_closed(&link, &volume.canonicalize().unwrap()));
        assert!(is_closed(&volume.join("profiles"), &link), "the volume has a link as its name");
    }
}
