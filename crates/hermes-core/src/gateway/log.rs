//! The log of a gateway, as s6-log(8) keeps it: `current`, and the older files `@<TAI64N>.s`, or `.u` if
//! `s6-log` was killed. `previous` exists for a moment during a rotation. The labels are hexadecimal, so the
//! names sort by time.

mod follow;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hermes_os::presence::if_present;

use crate::home::Home;
use crate::profile::name::ProfileName;

pub use follow::{Followed, follow};

/// The size of the first read from the end of a file, in bytes.
const FIRST_READ: u64 = 64 * 1024;

/// The largest part of a file that is read from its end, in bytes. `s6-log` rotates long before.
const TAIL_MAX: u64 = 64 * 1024 * 1024;

/// Returns the last lines of the gateway's output; none if the log is missing or unreadable.
pub fn last_lines(home: &Home, profile: &ProfileName, count: usize) -> Vec<String> {
    let lines = tail(&home.gateway_log(profile), count).map(|tail| tail.lines).unwrap_or_default();
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// The end of a log: the inode of its newest file, and the length in bytes.
pub type End = (u64, u64);

/// Returns the present end of the gateway's log; `None` if there is no log.
pub fn end(home: &Home, profile: &ProfileName) -> Option<End> {
    let current = fs::metadata(home.gateway_log(profile)).ok()?;
    Some((current.ino(), current.len()))
}

/// The last lines of a log.
#[derive(Debug, Default)]
pub struct Tail {
    /// The lines, oldest first, without their line ends.
    pub lines: Vec<Vec<u8>>,
    /// The newest file, and the number of bytes that were read. A follower continues there.
    pub current: Option<(File, u64)>,
    /// The log has at least one file.
    pub exists: bool,
}

/// Reads the last `count` lines of the log with the newest file `current`, older files included.
///
/// # Errors
/// Fails if a file of the log exists and cannot be read.
pub fn tail(current: &Path, count: usize) -> io::Result<Tail> {
    tail_from(current, if_present(File::open(current))?, count)
}

/// Reads the last lines, with `newest` as the newest file.
fn tail_from(current: &Path, newest: Option<File>, count: usize) -> io::Result<Tail> {
    let mut tail = Tail::default();
    let mut here = None;
    if let Some(mut file) = newest {
        let metadata = file.metadata()?;
        here = Some(identity(&metadata));
        tail.lines = last_lines_of(&mut file, metadata.len(), count)?;
        tail.current = Some((file, metadata.len()));
        tail.exists = true;
    }
    for older in older_files(current)?.iter().rev() {
        tail.exists = true;
        if tail.lines.len() >= count {
            break;
        }
        // s6-log removes the oldest files.
        let Some(mut file) = if_present(File::open(older))? else { continue };
        let metadata = file.metadata()?;
        // The log was rotated since: this is the file that was read first.
        if here == Some(identity(&metadata)) {
            continue;
        }
        let end = metadata.len();
        let mut lines = last_lines_of(&mut file, end, count - tail.lines.len())?;
        lines.append(&mut tail.lines);
        tail.lines = lines;
    }
    Ok(tail)
}

/// Returns the rotated files of the log, oldest first; none if the directory is missing.
fn older_files(current: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(directory) = current.parent() else { return Ok(Vec::new()) };
    let Some(entries) = if_present(fs::read_dir(directory))? else { return Ok(Vec::new()) };
    // `previous` gets its label later. It sorts after all labels.
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

/// Returns the last lines of the first `end` bytes of a file. A last line without its line end counts.
fn last_lines_of(file: &mut File, end: u64, count: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut length = FIRST_READ.min(end);
    loop {
        let begin = end - length;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(begin))?;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        let breaks = bytes.iter().filter(|&&byte| byte == b'\n').count();
        if breaks <= count && begin > 0 && length < TAIL_MAX {
            length = (length * 2).min(end);
            continue;
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        if bytes.is_empty() {
            lines.clear();
        } else if begin > 0 {
            // The first line may be incomplete.
            lines.remove(0);
        }
        return Ok(lines.split_off(lines.len().saturating_sub(count)));
    }
}

/// Returns the device and the inode, which identify a file under any name.
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests;
