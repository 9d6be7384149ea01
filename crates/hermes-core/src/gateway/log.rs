//! The log of a gateway, as `s6-log` keeps it: `current`, and beside it older files `@<TAI64N>.s`, or `.u` when `s6-log` was
//! killed; `previous` for the moment between. The label is hexadecimal, so the names' order is that of time (s6-log(8)).

mod follow;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::home::Home;
use crate::profile::name::ProfileName;

pub use follow::{Followed, follow};

/// How much of a file is read at once from its end, in bytes.
const STEP: u64 = 64 * 1024;

/// How much of a file's end is looked at at most, in bytes. `s6-log` begins another long before.
const MOST: u64 = 64 * 1024 * 1024;

/// The last lines of what the gateway printed; none where there is no log, or it cannot be read.
pub fn last_lines(home: &Home, profile: &ProfileName, count: usize) -> Vec<String> {
    let lines = tail(&home.gateway_log(profile), count).map(|tail| tail.lines).unwrap_or_default();
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// Where a log ends: which file, and how long it is.
pub type End = (u64, u64);

/// Where the log of the gateway ends now; nothing where there is none.
pub fn end(home: &Home, profile: &ProfileName) -> Option<End> {
    let current = fs::metadata(home.gateway_log(profile)).ok()?;
    Some((current.ino(), current.len()))
}

/// The end of a log.
#[derive(Debug, Default)]
pub struct Tail {
    /// Oldest first, without their line ends.
    pub lines: Vec<Vec<u8>>,
    /// The file that is being written, and how far it was read: where whoever follows goes on.
    pub current: Option<(File, u64)>,
    /// Whether there is any file at all.
    pub exists: bool,
}

/// The last `count` lines of the log whose newest file is `current`, older files included.
///
/// # Errors
/// A file of it is there and cannot be read.
pub fn tail(current: &Path, count: usize) -> io::Result<Tail> {
    match File::open(current) {
        Ok(file) => tail_from(current, Some(file), count),
        Err(error) if error.kind() == io::ErrorKind::NotFound => tail_from(current, None, count),
        Err(error) => Err(error),
    }
}

/// The same, from the file on that was the newest a moment ago.
fn tail_from(current: &Path, newest: Option<File>, count: usize) -> io::Result<Tail> {
    let mut tail = Tail::default();
    let mut here = None;
    if let Some(mut file) = newest {
        let metadata = file.metadata()?;
        here = Some(identity(&metadata));
        tail.lines = last_of(&mut file, metadata.len(), count)?;
        tail.current = Some((file, metadata.len()));
        tail.exists = true;
    }
    for older in older_files(current)?.iter().rev() {
        tail.exists = true;
        if tail.lines.len() >= count {
            break;
        }
        let mut file = match File::open(older) {
            Ok(file) => file,
            // s6-log removes the oldest ones.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        // The log has gone on to another file meanwhile: this is the one that was read first.
        if here == Some(identity(&metadata)) {
            continue;
        }
        let end = metadata.len();
        let mut lines = last_of(&mut file, end, count - tail.lines.len())?;
        lines.append(&mut tail.lines);
        tail.lines = lines;
    }
    Ok(tail)
}

/// The files that `current` was before, oldest first; none where the directory is missing.
fn older_files(current: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(directory) = current.parent() else { return Ok(Vec::new()) };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // `previous` is on its way to a label; it is sorted behind all that have one.
    let is_older = |name: &str| {
        name == "previous" || name.starts_with('@') && (name.ends_with(".s") || name.ends_with(".u"))
    };
    let mut found: Vec<_> = entries
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_older))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

/// The last lines of the first `end` bytes of a file. A last line without its end counts as one.
fn last_of(file: &mut File, end: u64, count: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut length = STEP.min(end);
    loop {
        let begin = end - length;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(begin))?;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        let breaks = bytes.iter().filter(|&&byte| byte == b'\n').count();
        if breaks <= count && begin > 0 && length < MOST {
            length = (length * 2).min(end);
            continue;
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        if bytes.is_empty() {
            lines.clear();
        } else if begin > 0 {
            // It may have begun in the middle.
            lines.remove(0);
        }
        return Ok(lines.split_off(lines.len().saturating_sub(count)));
    }
}

/// What tells a file from another, whatever it is called.
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests;
