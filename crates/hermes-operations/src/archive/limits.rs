//! The limits of an archive: `profile export` writes nothing that `profile import` refuses.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The bytes that a profile may hold. A few kilobytes of an archive can stand for terabytes.
pub(crate) const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// The files and directories that it may hold.
pub(crate) const ENTRIES_MAX: u64 = 200_000;

/// The names on the way to an entry, the folder at the top and its own name included.
pub(crate) const DEPTH_MAX: usize = 64;

/// The bytes of a path in the archive.
pub(crate) const PATH_MAX: usize = 4096;

/// The bytes of one name in it: no file system of Linux takes more.
pub(crate) const NAME_MAX: usize = 255;

/// The bytes of a header that extends another one (GNU long name, pax).
pub(crate) const EXTENSION_MAX: u64 = 64 * 1024;

/// The characters of a name that an error message quotes.
const QUOTED_MAX: usize = 120;

/// A limit that an archive or a profile exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// Too many bytes.
    #[error("it holds more than {} GiB", BYTES_MAX >> 30)]
    Bytes,
    /// Too many entries.
    #[error("it holds more than {ENTRIES_MAX} files and directories")]
    Entries,
    /// Too many directories in each other.
    #[error("it lies too deep")]
    Depth,
    /// Too long a path.
    #[error("it has a path of more than {PATH_MAX} bytes")]
    Path,
    /// Too long a name.
    #[error("it has a name of more than {NAME_MAX} bytes")]
    Name,
}

/// The part of the limits that is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Budget {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { bytes: BYTES_MAX, entries: ENTRIES_MAX };

    /// Takes an entry with so many bytes out of the budget.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), Exceeded> {
        self.entries = self.entries.checked_sub(1).ok_or(Exceeded::Entries)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Exceeded::Bytes)?;
        Ok(())
    }
}

/// Checks a path in the archive: its length in bytes, and the names in it.
pub(crate) fn check_path<'n>(
    length: usize,
    mut names: impl Iterator<Item = &'n [u8]> + Clone,
) -> Result<(), Exceeded> {
    match () {
        () if length > PATH_MAX => Err(Exceeded::Path),
        () if names.clone().count() > DEPTH_MAX => Err(Exceeded::Depth),
        () if names.any(|name| name.len() > NAME_MAX) => Err(Exceeded::Name),
        () => Ok(()),
    }
}

/// The same for a path.
pub(crate) fn check(path: &Path) -> Result<(), Exceeded> {
    check_path(path.as_os_str().len(), path.iter().map(OsStr::as_bytes))
}

/// Returns a name or a path as a message quotes it. A long one loses its middle: the end tells the entry.
pub(crate) fn quoted(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let length = text.chars().count();
    if length <= QUOTED_MAX {
        return text.into_owned();
    }
    let end = text.chars().skip(length - QUOTED_MAX / 2);
    text.chars().take(QUOTED_MAX / 2).chain(['…']).chain(end).collect()
}
