//! Opens files for the file tools. Each path comes from the model, and any kind of file may lie there.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use hermes_os::file_kind;
use hermes_os::printable::printable;
use rustix::fs::{FileType, Mode, OFlags};

use super::failure::Failure;

/// The entries of a directory that are compared with a missing name.
const ENTRIES_MAX: usize = 5_000;

/// The proposals for a missing name, and the similarity that they need, from 0 to 1.
const PROPOSALS_MAX: usize = 4;
const SIMILAR: f32 = 0.55;

/// Returns the path that the model gave: relative to the working directory, absolute, or with `~` for the home directory.
pub(crate) fn path_of(given: &str) -> Result<PathBuf, Failure> {
    let refused = |cause: &str| Failure::refused("find", "the file", cause, "name a file in `path`");
    if given.trim().is_empty() {
        return Err(refused("the path is empty"));
    }
    if given.contains('\0') {
        return Err(refused("the path has a NUL character"));
    }
    let below_home = given.strip_prefix("~/").or_else(|| (given == "~").then_some(""));
    Ok(match (below_home, env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(given),
    })
}

/// Returns the path as a text of one line.
pub(crate) fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

/// Opens a regular file for reading, and returns its length in bytes. Never waits for a FIFO or a device.
pub(crate) fn open(verb: &'static str, path: &Path) -> Result<(File, u64), Failure> {
    let name = shown(path);
    // NONBLOCK: without it, open(2) of a FIFO waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| match io::Error::from(error) {
        error if error.kind() == ErrorKind::NotFound => missing(verb, path),
        error => Failure::io(verb, &name, error),
    })?);
    let stat = rustix::fs::fstat(&file).map_err(|error| Failure::io(verb, &name, error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, u64::try_from(stat.st_size).unwrap_or(0))),
        kind => Err(not_a_file(verb, &name, kind)),
    }
}

/// Reads a regular file of at most `limit` bytes whole.
pub(crate) fn read(verb: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let (file, _) = open(verb, path)?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Failure::io(verb, &shown(path), error))?;
    if bytes.len() as u64 > limit {
        let cause = format!("it has more than {limit} bytes");
        return Err(Failure::refused(verb, shown(path), cause, "use a command (terminal)"));
    }
    Ok(bytes)
}

fn not_a_file(verb: &'static str, name: &str, kind: FileType) -> Failure {
    let hint = match kind {
        FileType::Directory => "search_files with target \"files\" lists it",
        _ => "",
    };
    Failure::refused(verb, name, format!("it is a {}, not a file", file_kind::name(kind)), hint)
}

/// Returns the failure for a missing file, with similar names that exist.
fn missing(verb: &'static str, path: &Path) -> Failure {
    let name = shown(path);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.symlink_metadata().is_ok() {
        return Failure::refused(verb, name, "it is a symlink to a missing file", "");
    }
    if !directory.is_dir() {
        let cause = format!("there is no directory {}", shown(directory));
        return Failure::refused(verb, name, cause, "search_files with target \"files\" finds files by name");
    }
    let similar = similar_names(directory, &path.file_name().unwrap_or_default().to_string_lossy());
    let hint = match similar.is_empty() {
        true => "search_files with target \"files\" finds files by name".to_owned(),
        false => {
            let paths = similar.iter().map(|name| shown(&path.with_file_name(name)));
            format!("did you mean {}?", paths.collect::<Vec<_>>().join(", "))
        }
    };
    Failure::refused(verb, name, "there is no such file", hint)
}

fn similar_names(directory: &Path, name: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let entries = entries.flatten().take(ENTRIES_MAX);
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let lower = name.to_lowercase();
    // Without regard to case, and to the extension.
    let stem = |name: &str| Path::new(&name.to_lowercase()).file_stem().map(|stem| stem.to_os_string());
    let (same, others): (Vec<&str>, Vec<&str>) =
        names.iter().map(String::as_str).partition(|other| stem(other) == stem(&lower));
    let close = similar::get_close_matches(lower.as_str(), &others, PROPOSALS_MAX, SIMILAR);
    same.into_iter().chain(close).take(PROPOSALS_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_file_brings_similar_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["README.md", "settings.rs", "setting.toml", "zebra"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let hint = |name: &str| open("read", &folder.path().join(name)).unwrap_err().output().content;
        assert!(hint("readme.md").contains("/README.md?"), "{}", hint("readme.md"));
        assert!(hint("setings.rs").contains("/settings.rs"), "{}", hint("setings.rs"));
        assert!(hint("setting.json").contains("/setting.toml"), "{}", hint("setting.json"));
        assert!(hint("quux/a").contains("there is no directory"), "{}", hint("quux/a"));
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(hint("link").contains("a symlink to a missing file"), "{}", hint("link"));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
        let message = |path: &Path| open("read", path).unwrap_err().output().content;
        assert!(message(&fifo).contains("it is a FIFO, not a file"));
        assert!(message(Path::new("/dev/zero")).contains("it is a device"));
        assert!(message(folder.path()).contains("search_files"));
    }

    #[test]
    fn a_read_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read("read", &path, 5).unwrap(), b"12345");
        assert!(read("read", &path, 4).unwrap_err().output().content.contains("more than 4 bytes"));
        assert!(read("read", Path::new("/proc/self/maps"), 10).is_err(), "its length is 0 for stat(2)");
    }

    proptest! {
        #[test]
        fn any_path_gives_an_answer(given: String) {
            if let Ok(path) = path_of(&given) {
                let _ = open("read", &path);
                prop_assert!(!shown(&path).contains('\n'));
            }
        }
    }
}
