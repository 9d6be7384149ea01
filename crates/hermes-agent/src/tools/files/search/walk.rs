//! A walk through the files of a directory. It skips hidden names, and files that `.gitignore` or `.ignore` names. It follows no symlink.
//!
//! The crate `ignore` interprets the patterns. Its own walk opens a FIFO with the name `.gitignore`, and waits.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::tools::files::failure::Failure;
use crate::tools::files::open::{read, shown};

/// The entries of directories that a walk looks at.
const ENTRIES_MAX: usize = 300_000;

/// The depth of directories.
const DEPTH_MAX: usize = 100;

/// The longest file of patterns, in bytes.
const PATTERNS_BYTES: u64 = 64 * 1024;

/// The files of patterns. The later one has precedence.
const PATTERN_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// A walk through files.
pub(crate) struct Walk {
    open: Vec<Directory>,
    /// A file that is the root itself.
    file: Option<PathBuf>,
    entries: usize,
    /// `true` if a limit ended the walk.
    pub(crate) is_cut: bool,
    /// The first directory that could not be listed.
    pub(crate) failure: Option<Failure>,
}

/// A directory whose entries are visited.
struct Directory {
    patterns: Gitignore,
    /// The entries in reverse order: path, and `true` for a directory.
    entries: Vec<(PathBuf, bool)>,
    /// `true` if it lies above the root. It has no entries, only patterns.
    is_above: bool,
}

impl Walk {
    /// Begins a walk at `root`, a directory or a file. An empty path is the working directory.
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        let opened = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let name = shown(opened);
        let kind = fs::metadata(opened).map_err(|error| Failure::io("search", &name, error))?;
        let mut walk = Self { open: Vec::new(), file: None, entries: 0, is_cut: false, failure: None };
        if kind.is_file() {
            walk.file = Some(root.to_owned());
        } else if kind.is_dir() {
            // The patterns above the root hold, too, as far as the working directory is the project.
            if root.is_relative() && !root.as_os_str().is_empty() && !root.starts_with("..") {
                let above: Vec<_> = root.ancestors().skip(1).collect();
                let directories = above.iter().rev();
                walk.open.extend(directories.map(|directory| Directory {
                    patterns: patterns_of(directory),
                    entries: Vec::new(),
                    is_above: true,
                }));
            }
            let entries = fs::read_dir(opened).map_err(|error| Failure::io("list", &name, error))?;
            walk.push(root, entries);
        } else {
            return Err(Failure::refused("search", name, "it is no file and no directory", ""));
        }
        Ok(walk)
    }

    fn push(&mut self, directory: &Path, entries: fs::ReadDir) {
        let mut found = Vec::new();
        for entry in entries.flatten() {
            if self.entries >= ENTRIES_MAX {
                self.is_cut = true;
                break;
            }
            self.entries += 1;
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            if !name.as_encoded_bytes().starts_with(b".") && (kind.is_dir() || kind.is_file()) {
                found.push((directory.join(name), kind.is_dir()));
            }
        }
        found.sort_by(|one, other| other.cmp(one));
        self.open.push(Directory { patterns: patterns_of(directory), entries: found, is_above: false });
    }

    fn is_ignored(&self, path: &Path, is_directory: bool) -> bool {
        for directory in self.open.iter().rev() {
            match directory.patterns.matched(path, is_directory) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}

impl Iterator for Walk {
    type Item = PathBuf;

    /// Returns the path of the next regular file, in the order of names.
    fn next(&mut self) -> Option<PathBuf> {
        if let Some(file) = self.file.take() {
            return Some(file);
        }
        loop {
            let directory = self.open.last_mut().filter(|directory| !directory.is_above)?;
            let Some((path, is_directory)) = directory.entries.pop() else {
                self.open.pop();
                continue;
            };
            if self.is_ignored(&path, is_directory) {
                continue;
            }
            if !is_directory {
                return Some(path);
            }
            if self.open.len() >= DEPTH_MAX {
                self.is_cut = true;
                continue;
            }
            match fs::read_dir(&path) {
                Ok(entries) => self.push(&path, entries),
                Err(error) => {
                    self.failure.get_or_insert_with(|| Failure::io("list", &shown(&path), error));
                }
            }
        }
    }
}

/// Returns the patterns of a directory. Files of patterns that cannot be used count as missing.
fn patterns_of(directory: &Path) -> Gitignore {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut builder = GitignoreBuilder::new(directory);
    for name in PATTERN_FILES {
        let path = directory.join(name);
        if path.symlink_metadata().is_err() {
            continue;
        }
        let bytes = read("read", &path, PATTERNS_BYTES).unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            // A pattern with a fault names no file.
            let _ = builder.add_line(None, line);
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode};
    use tempfile::TempDir;

    use super::super::tests::folder;
    use super::*;

    fn walked(folder: &TempDir) -> Vec<String> {
        let files = Walk::new(folder.path()).unwrap();
        files.map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn ignored_and_hidden_files_are_skipped() {
        let folder = folder(&[
            (".gitignore", "target/\n*.log\n!keep.log\n"),
            ("sub/.gitignore", "/own.txt\n"),
            ("sub/.ignore", "more.txt\n"),
            (".git/config", ""),
            (".hidden", ""),
            ("a.txt", ""),
            ("a.log", ""),
            ("keep.log", ""),
            ("target/x", ""),
            ("sub/target/x", ""),
            ("sub/own.txt", ""),
            ("sub/more.txt", ""),
            ("sub/deeper/own.txt", ""),
        ]);
        assert_eq!(walked(&folder), ["a.txt", "keep.log", "sub/deeper/own.txt"]);
    }

    #[test]
    fn only_regular_files_are_visited() {
        let folder = folder(&[("a", ""), ("sub/b", "")]);
        let path = |name: &str| folder.path().join(name);
        symlink("..", path("sub/loop")).unwrap();
        symlink("a", path("link")).unwrap();
        for name in ["fifo", ".gitignore", "sub/.ignore"] {
            rustix::fs::mkfifoat(CWD, path(name), Mode::from_raw_mode(0o600)).unwrap();
        }
        assert_eq!(walked(&folder), ["a", "sub/b"]);
    }

    #[test]
    fn a_root_may_be_a_file_or_missing() {
        let folder = folder(&[("a", "")]);
        let file = folder.path().join("a");
        assert_eq!(Walk::new(&file).unwrap().collect::<Vec<_>>(), [file]);
        let Err(failure) = Walk::new(&folder.path().join("b")) else { panic!("it is missing") };
        assert!(failure.output().content.starts_with("failed to search "));
    }

    #[test]
    fn a_deep_tree_ends_the_walk_without_a_fault() {
        let folder = folder(&[(&"d/".repeat(150).to_string().as_str()[..299], "")]);
        let mut walk = Walk::new(folder.path()).unwrap();
        assert_eq!((&mut walk).count(), 0);
        assert!(walk.is_cut);
    }
}
