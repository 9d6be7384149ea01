//! Reading an archive that anybody may have made.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;
use hermes_core::owned;
use tar::{Entry, EntryType};

use super::extension::Extension;
use super::limits::{self, Budget, Exceeded};

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// It is damaged, or of another kind.
    #[error("it is no tar.gz, or damaged")]
    Damaged(#[source] io::Error),
    /// A name that leads out of the profile, or is none.
    #[error("the entry {name:?} is refused: {why}")]
    Entry {
        /// As the archive has it, cut.
        name: String,
        /// The reason.
        why: String,
    },
    /// Too much of something.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The archive holds no profile.
    #[error("it holds no profile: there is no SOUL.md in its top folder")]
    NoSoul,
    /// A file of it.
    #[error("failed to write {}", limits::quoted(path.as_os_str().as_bytes()))]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
}

/// An archive that was read to its end and found in order.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    top: String,
}

/// The place of an entry that is accepted.
struct Place {
    top: Vec<u8>,
    /// The path below the top folder; empty for the folder itself.
    inside: PathBuf,
}

/// Counts what an archive makes: its entries, and the directories that no entry names and that lie on the way to one.
struct Count {
    left: Budget,
    /// The path of the entry before, below the top folder.
    previous: PathBuf,
}

impl Count {
    /// Takes an entry out of the budget, and each of its parents that is not on the way to the entry before. Archives list a directory
    /// with all that is in it, so that this counts each directory once, and remembers one path instead of all.
    fn take(&mut self, bytes: u64, inside: &Path) -> Result<(), Exceeded> {
        self.left.take(bytes)?;
        let parents = inside.iter().count().saturating_sub(1);
        let shared = self.previous.iter().zip(inside).take_while(|(one, other)| one == other).count();
        for _ in shared..parents {
            self.left.take(0)?;
        }
        self.previous = inside.to_owned();
        Ok(())
    }
}

impl Archive {
    /// Looks at every entry.
    ///
    /// # Errors
    /// One of them is not to be taken, or there are too many, or no profile is in it.
    pub(crate) fn check(file: File) -> Result<Self, ArchiveError> {
        Self::check_within(file, Budget::WHOLE)
    }

    pub(super) fn check_within(file: File, budget: Budget) -> Result<Self, ArchiveError> {
        let mut top: Option<Vec<u8>> = None;
        let mut has_soul = false;
        each_entry(&file, budget, |entry, name, place| {
            if top.get_or_insert_with(|| place.top.clone()) != &place.top {
                return Err(refused(name, "it lies outside of the one folder at the top"));
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
    /// Two entries exclude each other, the file was changed meanwhile, or something cannot be written.
    pub(crate) fn unpack(&self, directory: &Path) -> Result<(), ArchiveError> {
        each_entry(&self.file, Budget::WHOLE, |entry, name, place| {
            let first = place.inside.iter().next().and_then(OsStr::to_str).unwrap_or_default();
            if owned::is_of_the_gateway(first) {
                return Ok(());
            }
            let path = directory.join(&place.inside);
            let made = if entry.header().entry_type().is_dir() {
                fs::create_dir_all(&path)
            } else {
                write_file(entry, &path, owned::is_secret_file(first))
            };
            made.map_err(|source| match source.kind() {
                // The directory was empty: whatever is in the way comes from the archive.
                ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                    refused(name, "it conflicts with an entry before it")
                }
                _ => ArchiveError::Write { path, source },
            })
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

/// The archive as it is read.
type Source<'f> = io::Take<MultiGzDecoder<io::BufReader<&'f File>>>;

/// Goes through the archive from its beginning, as far as the budget goes, and gives each entry with its path and its place. Headers are
/// read here and not by the library, which holds whatever length one of them declares.
fn each_entry(
    mut file: &File,
    budget: Budget,
    mut visit: impl FnMut(&mut Entry<'_, Source<'_>>, &[u8], &Place) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    file.rewind().map_err(ArchiveError::Damaged)?;
    // Headers and padding come on top of what the entries say that they hold.
    let limit = budget.bytes.saturating_add(budget.bytes / 4).saturating_add(64 * 1024 * 1024);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(io::BufReader::new(file)).take(limit));
    let mut extension = Extension::default();
    let mut count = Count { left: budget, previous: PathBuf::new() };
    for entry in archive.entries().map_err(ArchiveError::Damaged)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        if extension.absorb(&mut entry).map_err(ArchiveError::Damaged)? {
            continue;
        }
        let name = match std::mem::take(&mut extension).path {
            Some(path) => path,
            None => entry.path_bytes().into_owned(),
        };
        let place = place_of(&entry, &name)?;
        count.take(entry.size(), &place.inside)?;
        visit(&mut entry, &name, &place)?;
    }
    // The checksum stands behind the last byte.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(ArchiveError::Damaged)?;
    if rest.limit() == 0 {
        return Err(Exceeded::Bytes.into());
    }
    Ok(())
}

/// Returns the place of an entry that can be accepted.
fn place_of(entry: &Entry<'_, impl Read>, name: &[u8]) -> Result<Place, ArchiveError> {
    if !matches!(
        entry.header().entry_type(),
        EntryType::Regular | EntryType::Continuous | EntryType::Directory
    ) {
        return Err(refused(name, "it is neither a file nor a directory"));
    }
    if name.starts_with(b"/") {
        return Err(refused(name, "it is an absolute path"));
    }
    if name.contains(&0) {
        return Err(refused(name, "it has a zero byte in it"));
    }
    let mut parts = name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    if parts.clone().any(|part| part == b"..") {
        return Err(refused(name, "it leads out of its folder"));
    }
    if let Err(exceeded) = limits::check_path(name.len(), parts.clone()) {
        return Err(refused(name, exceeded));
    }
    let top = parts.next().ok_or_else(|| refused(name, "it names nothing"))?.to_vec();
    let inside: PathBuf = parts.map(OsStr::from_bytes).collect();
    if inside.as_os_str().is_empty() && !entry.header().entry_type().is_dir() {
        return Err(refused(name, "it lies outside of the one folder at the top"));
    }
    Ok(Place { top, inside })
}

fn refused(name: &[u8], why: impl ToString) -> ArchiveError {
    ArchiveError::Entry { name: limits::quoted(name), why: why.to_string() }
}
