//! The version of a file that other processes replace.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Differs after each replacement of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl FileVersion {
    /// Returns `None` if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { inode: found.ino(), length: found.len(), changed: (found.ctime(), found.ctime_nsec()) })
    }
}
