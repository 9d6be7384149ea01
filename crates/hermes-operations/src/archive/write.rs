//! Writing a profile into an archive.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use hermes_core::owned;
use hermes_os::presence::if_present;
use rustix::fs::{Mode, OFlags};
use tar::{Builder, EntryType, Header};

use super::limits::{self, Budget};

/// The profile to export.
pub(crate) struct Source<'s> {
    /// The profile's directory.
    pub(crate) directory: &'s Path,
    /// The folder at the top of the archive.
    pub(crate) name: &'s str,
    /// `true` for the root of `HERMES_HOME`: only a part of it is the profile's.
    pub(crate) is_root: bool,
    /// `true` if the archive takes `.env` and `auth.json`.
    pub(crate) with_secrets: bool,
}

/// The files that an export left out, by their paths in the profile.
#[derive(Debug, Default)]
pub struct Left {
    /// Files that hold secrets.
    pub secrets: Vec<PathBuf>,
    /// Symlinks, sockets, …: an import would not take them.
    pub specials: Vec<PathBuf>,
}

impl Source<'_> {
    /// Writes the archive, and says what it left out.
    ///
    /// # Errors
    /// What is to be exported cannot be read, or `to` not be written.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<Left> {
        let mut archive = Builder::new(GzEncoder::new(to, Compression::default()));
        let (mut left, mut budget) = (Left::default(), Budget::WHOLE);
        let top = Path::new(self.name);
        let entries = entries_of(self.directory)?;
        add_directory(&mut archive, self.directory, top, &mut budget)?;
        self.add_entries(&mut archive, entries, Path::new(""), &mut left, &mut budget)?;
        archive.into_inner()?.finish()?.flush()?;
        Ok(left)
    }

    fn add_entries(
        &self,
        archive: &mut Builder<impl Write>,
        entries: Vec<fs::DirEntry>,
        inside: &Path,
        left: &mut Left,
        budget: &mut Budget,
    ) -> io::Result<()> {
        let at_the_top = inside.as_os_str().is_empty();
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let (place, is) = (inside.join(&name), |test: fn(&str) -> bool| name.to_str().is_some_and(test));
            if at_the_top
                && (is(owned::is_of_the_gateway) || self.is_root && !belongs_to_the_default_profile(&name))
            {
                continue;
            }
            if at_the_top && !self.with_secrets && is(owned::is_secret_file) {
                left.secrets.push(place);
                continue;
            }
            let kind = entry.file_type().map_err(|error| about(&path, &error))?;
            // Below the top a name proves nothing (a project has its Cargo.lock), but an empty one holds nothing either.
            if kind.is_file() && is(|name| name.ends_with(".lock")) && is_empty(&entry) {
                continue;
            }
            let in_archive = Path::new(self.name).join(&place);
            if kind.is_dir() {
                // An agent that works removes directories, too.
                let Some(entries) = if_present(entries_of(&path))? else { continue };
                if if_present(add_directory(archive, &path, &in_archive, budget))?.is_none() {
                    continue;
                }
                self.add_entries(archive, entries, &place, left, budget)?;
            } else if kind.is_file() {
                add_file(archive, &path, &in_archive, budget)?;
            } else {
                left.specials.push(place);
            }
        }
        Ok(())
    }
}

/// Returns the entries of a directory, in an order that makes the same archive of the same profile.
fn entries_of(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(|error| about(directory, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn is_empty(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

fn belongs_to_the_default_profile(name: &OsStr) -> bool {
    owned::OF_THE_DEFAULT_PROFILE.iter().any(|known| name == *known)
}

/// Refuses what an import would refuse.
fn admit(budget: &mut Budget, path: &Path, name: &Path, bytes: u64) -> io::Result<()> {
    let checked = limits::check(name).and_then(|()| budget.take(bytes));
    checked.map_err(|exceeded| about(path, &io::Error::new(io::ErrorKind::InvalidInput, exceeded)))
}

fn add_directory(
    archive: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    budget: &mut Budget,
) -> io::Result<()> {
    let metadata = fs::metadata(path).map_err(|error| about(path, &error))?;
    // As it stands in the archive: with a slash at its end.
    let name = name.join("");
    admit(budget, path, &name, 0)?;
    let mut header = header_of(&metadata, EntryType::Directory, 0o755);
    archive.append_data(&mut header, name, io::empty())
}

fn add_file(
    archive: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    budget: &mut Budget,
) -> io::Result<()> {
    // The file may have become a link or a FIFO meanwhile: the open follows and waits for neither.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // An agent that works removes files.
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(about(path, &error.into())),
    };
    let metadata = file.metadata().map_err(|error| about(path, &error))?;
    if !metadata.is_file() {
        return Ok(());
    }
    admit(budget, path, name, metadata.len())?;
    let mut header = header_of(&metadata, EntryType::Regular, 0o777);
    header.set_size(metadata.len());
    // The header says how many bytes follow, whatever is written to the file meanwhile.
    let bytes = file.take(metadata.len()).chain(io::repeat(0)).take(metadata.len());
    archive.append_data(&mut header, name, bytes).map_err(|error| about(path, &error))
}

fn header_of(metadata: &fs::Metadata, kind: EntryType, mask: u32) -> Header {
    use std::os::unix::fs::PermissionsExt as _;
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(metadata.permissions().mode() & mask);
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    header.set_mtime(since.map_or(0, |since| since.as_secs()));
    header
}

/// The kernel's word with the file that it is about.
fn about(path: &Path, error: &io::Error) -> io::Error {
    let path = limits::quoted(path.as_os_str().as_bytes());
    io::Error::new(error.kind(), format!("{path}: {error}"))
}
