//! Reading an archive that anybody may have made.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::GzDecoder;
use tar::{Entry, EntryType};

use super::{is_of_this_moment, is_secret};

/// How much a profile may hold, in bytes, and in files and directories. A few kilobytes of an archive can stand for terabytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
const ENTRIES_MAX: u64 = 200_000;

/// How deep its directories may go.
const DEPTH_MAX: usize = 64;

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// It is damaged, or of another kind.
    #[error("it is no tar.gz, or damaged")]
    Damaged(#[source] io::Error),
    /// A name that leads out of the profile, or is none.
    #[error("the entry {name:?} {why}")]
    Entry {
        /// As the archive has it.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Too many bytes.
    #[error("it holds more than {} GiB", BYTES_MAX >> 30)]
    TooLarge,
    /// Too many files.
    #[error("it holds more than {ENTRIES_MAX} files and directories")]
    TooMany,
    /// Nothing in it is a profile.
    #[error("it holds no profile: there is no SOUL.md in its top folder")]
    NoSoul,
    /// A file of it.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// An archive that was read to its end and found in order.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    top: String,
}

/// What an entry is, once it was judged.
struct Place {
    top: Vec<u8>,
    /// Where it lies below the top folder; empty for the folder itself.
    inside: PathBuf,
}

impl Archive {
    /// Looks at every entry.
    ///
    /// # Errors
    /// One of them is not to be taken, or there are too many, or no profile is in it.
    pub(crate) fn check(file: File) -> Result<Self, ArchiveError> {
        Self::check_within(file, BYTES_MAX, ENTRIES_MAX)
    }

    pub(super) fn check_within(file: File, bytes: u64, entries: u64) -> Result<Self, ArchiveError> {
        let mut top: Option<Vec<u8>> = None;
        let mut has_soul = false;
        let (mut bytes_left, mut entries_left) = (bytes, entries);
        each_entry(&file, bytes, |entry| {
            entries_left = entries_left.checked_sub(1).ok_or(ArchiveError::TooMany)?;
            bytes_left = bytes_left.checked_sub(entry.size()).ok_or(ArchiveError::TooLarge)?;
            let place = place_of(entry)?;
            if top.get_or_insert_with(|| place.top.clone()) != &place.top {
                return Err(refused(entry, "lies outside of the one folder at the top"));
            }
            has_soul |= place.inside == Path::new("SOUL.md") && entry.header().entry_type().is_file();
            Ok(())
        })?;
        if !has_soul {
            return Err(ArchiveError::NoSoul);
        }
        let top = top.and_then(|top| String::from_utf8(top).ok()).unwrap_or_default();
        Ok(Self { file, top })
    }

    /// The name of the folder at its top.
    pub(crate) fn top(&self) -> &str {
        &self.top
    }

    /// Puts what is in it into `directory`, which is empty and nobody else's.
    ///
    /// # Errors
    /// The file was changed meanwhile, or something cannot be written.
    pub(crate) fn unpack(&self, directory: &Path) -> Result<(), ArchiveError> {
        let mut bytes_left = BYTES_MAX;
        each_entry(&self.file, BYTES_MAX, |entry| {
            bytes_left = bytes_left.checked_sub(entry.size()).ok_or(ArchiveError::TooLarge)?;
            let place = place_of(entry)?;
            let first = place.inside.iter().next().and_then(OsStr::to_str).unwrap_or_default();
            if is_of_this_moment(first) {
                return Ok(());
            }
            let path = directory.join(&place.inside);
            if entry.header().entry_type().is_dir() {
                return fs::create_dir_all(&path).map_err(|source| ArchiveError::Write { path, source });
            }
            let secret = is_secret(first);
            write_file(entry, &path, secret).map_err(|source| ArchiveError::Write { path, source })
        })
    }
}

fn write_file(entry: &mut Entry<'_, impl Read>, path: &Path, secret: bool) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Never the bits that lend rights, never writable by others.
    let mode = if secret { 0o600 } else { entry.header().mode().unwrap_or(0) & 0o755 | 0o600 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(entry, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    let seconds = entry.header().mtime().unwrap_or(0).min(u64::from(u32::MAX));
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Goes through the archive from its beginning.
fn each_entry(
    mut file: &File,
    bytes: u64,
    mut visit: impl FnMut(&mut Entry<'_, io::Take<GzDecoder<io::BufReader<&File>>>>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    file.rewind().map_err(ArchiveError::Damaged)?;
    // Headers and padding come on top of what the entries say that they hold; the long names in between say nothing.
    let limit = bytes.saturating_add(bytes / 4).saturating_add(64 * 1024 * 1024);
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)).take(limit));
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        visit(&mut entry.map_err(ArchiveError::Damaged)?)?;
    }
    Ok(())
}

/// Where an entry lies, if it is one that can be taken.
fn place_of(entry: &Entry<'_, impl Read>) -> Result<Place, ArchiveError> {
    if !matches!(
        entry.header().entry_type(),
        EntryType::Regular | EntryType::Continuous | EntryType::Directory
    ) {
        return Err(refused(entry, "is neither a file nor a directory"));
    }
    let name = entry.path_bytes();
    if name.starts_with(b"/") {
        return Err(refused(entry, "is an absolute path"));
    }
    if name.contains(&0) {
        return Err(refused(entry, "has a zero byte in it"));
    }
    let mut parts = name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    if parts.clone().any(|part| part == b"..") {
        return Err(refused(entry, "leads out of its folder"));
    }
    if parts.clone().count() > DEPTH_MAX {
        return Err(refused(entry, "lies too deep"));
    }
    let top = parts.next().ok_or_else(|| refused(entry, "names nothing"))?.to_vec();
    let inside: PathBuf = parts.map(OsStr::from_bytes).collect();
    if inside.as_os_str().is_empty() && !entry.header().entry_type().is_dir() {
        return Err(refused(entry, "lies outside of the one folder at the top"));
    }
    Ok(Place { top, inside })
}

fn refused(entry: &Entry<'_, impl Read>, why: &'static str) -> ArchiveError {
    ArchiveError::Entry { name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(), why }
}
