//! The tool `write_file`: writes a whole file, in one step for each reader.

use std::fs;
use std::path::{Path, PathBuf};

use hermes_os::whole_file;
use serde::Deserialize;

use super::failure::Failure;
use super::open::{path_of, shown};

/// The permission bits of a new file.
pub(crate) const NEW_MODE: u32 = 0o644;

/// The permission bits that an existing file keeps.
pub(crate) const KEPT_BITS: u32 = 0o777;

/// The arguments.
#[derive(Deserialize)]
pub(crate) struct Arguments {
    path: String,
    content: String,
}

/// Runs the tool.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let path = path_of(&arguments.path)?;
    let content = arguments.content.as_bytes();
    let before = write(&path, content, NEW_MODE)?;
    let verb = if before == Before::Absent { "created" } else { "replaced" };
    let lines = arguments.content.lines().count();
    let noun = if lines == 1 { "line" } else { "lines" };
    Ok(format!("{verb} {}: {} bytes, {lines} {noun}", shown(&path), content.len()))
}

/// The state of a path before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing was there.
    Absent,
    /// A file was there.
    File,
}

/// Writes a file whole. Creates its directories. A new file gets the permission bits `new_mode`, an existing one keeps its own. A symlink
/// stays: its target is written.
pub(crate) fn write(path: &Path, content: &[u8], new_mode: u32) -> Result<Before, Failure> {
    let target = target_of(path)?;
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)
            .map_err(|error| Failure::io("create the directory", &shown(parent), error))?;
    }
    let mode = whole_file::mode_of(&target).map_err(|error| Failure::io("write", &shown(path), error))?;
    whole_file::write(&target, content, mode.map_or(new_mode, |mode| mode & KEPT_BITS))?;
    Ok(if mode.is_some() { Before::File } else { Before::Absent })
}

fn target_of(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_symlink() {
        return Ok(path.to_owned());
    }
    fs::canonicalize(path).map_err(|error| Failure::io("follow the symlink", &shown(path), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn written(path: &Path, content: &str) -> Result<String, String> {
        let arguments = Arguments { path: path.to_str().unwrap().to_owned(), content: content.to_owned() };
        run(&arguments).map_err(|failure| failure.output().content)
    }

    #[test]
    fn a_write_makes_directories_and_tells_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c.txt");
        let first = written(&path, "ä\nb\n").unwrap();
        assert_eq!(first, format!("created {}: 5 bytes, 2 lines", path.display()));
        let second = written(&path, "x").unwrap();
        assert_eq!(second, format!("replaced {}: 1 bytes, 1 line", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn an_existing_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.sh");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        written(&path, "new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o750);
    }

    #[test]
    fn a_symlink_stays_and_its_target_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink("target", &link).unwrap();
        written(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn other_kinds_of_files_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(written(&fifo, "x").unwrap_err().contains("FIFO"));
        assert!(written(folder.path(), "x").unwrap_err().contains("directory"));
        symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(
            written(&folder.path().join("link"), "x").unwrap_err().contains("failed to follow the symlink")
        );
    }
}
