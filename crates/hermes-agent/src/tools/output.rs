//! The output of a command: short in the answer, whole in a file.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The longest output in an answer, in bytes.
const INLINE_BYTES: usize = 50 * 1024;

/// The longest output in an answer, in lines.
const INLINE_LINES: usize = 2000;

/// The bytes at the beginning, and at the end, of an output that is too long for an answer.
const PART_BYTES: usize = 8 * 1024;

/// The lines of each of these parts at most.
const PART_LINES: usize = INLINE_LINES / 4;

/// The longest output that a file keeps, in bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The age at which a file of an output is removed.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The files of the long outputs of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Outputs {
    directory: PathBuf,
}

impl Outputs {
    /// The files are in this directory. The first long output makes it.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Returns the directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Begins an output.
    pub(crate) fn begin(&self) -> Output {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let random = getrandom::u32().unwrap_or_default();
        Output::at(self.directory.join(format!("{}-{random:08x}.txt", since.as_millis())))
    }
}

/// An output that comes in pieces. Its memory is bounded.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// The first bytes: all of them until the output is too long.
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
    lines: usize,
    file: Option<File>,
    /// The cause, if the file could not be written.
    fault: Option<String>,
}

impl Output {
    /// Begins an output whose file would be at `path`.
    fn at(path: PathBuf) -> Self {
        Self { path, head: Vec::new(), tail: VecDeque::new(), bytes: 0, lines: 0, file: None, fault: None }
    }

    /// Adds a piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.lines += piece.iter().filter(|byte| **byte == b'\n').count();
        if self.is_short() {
            return self.head.extend_from_slice(piece);
        }
        self.spill();
        self.write(piece);
        self.tail.extend(piece);
        let excess = self.tail.len().saturating_sub(PART_BYTES);
        self.tail.drain(..excess);
    }

    fn is_short(&self) -> bool {
        self.file.is_none()
            && self.fault.is_none()
            && self.bytes <= INLINE_BYTES as u64
            && self.lines <= INLINE_LINES
    }

    /// Opens the file, and moves all but the beginning into it.
    fn spill(&mut self) {
        if self.file.is_some() || self.fault.is_some() {
            return;
        }
        match create(&self.path) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.fault = Some(error.to_string()),
        }
        let head = std::mem::take(&mut self.head);
        self.write(&head);
        let (begin, rest) = head.split_at(head.len().min(PART_BYTES));
        self.head = begin.to_vec();
        self.tail.extend(rest);
    }

    fn write(&mut self, piece: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if self.bytes > FILE_BYTES {
            self.fault.get_or_insert_with(|| format!("it ends after {} MiB", FILE_BYTES >> 20));
        } else if let Err(error) = file.write_all(piece) {
            self.fault = Some(error.to_string());
            self.file = None;
        }
    }

    /// Returns the end of the output so far, for a look at its words.
    pub(crate) fn end(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let end = if tail.is_empty() { &self.head } else { &tail };
        String::from_utf8_lossy(end).into_owned()
    }

    /// Returns the text for the model.
    pub(crate) fn text(self) -> String {
        if self.file.is_none() && self.fault.is_none() {
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let tail: Vec<u8> = self.tail.into();
        let (head, tail) = (first_lines(&self.head), last_lines(&tail));
        let left_out = self.bytes - (head.len() + tail.len()) as u64;
        let place = match (&self.file, &self.fault) {
            (Some(_), None) => {
                format!("The whole output is in {}: use read_file or search_files", self.path.display())
            }
            (Some(_), Some(fault)) => format!("The output is in {}; {fault}", self.path.display()),
            (None, fault) => {
                let fault = fault.as_deref().unwrap_or("unknown");
                format!("The rest is lost: failed to write {}: {fault}", self.path.display())
            }
        };
        format!(
            "{}\n[{left_out} bytes are left out here. The output has {} lines, {} bytes. {place}.]\n{}",
            String::from_utf8_lossy(head),
            self.lines,
            self.bytes,
            String::from_utf8_lossy(tail)
        )
    }
}

/// Returns the first lines of a part.
fn first_lines(part: &[u8]) -> &[u8] {
    let mut ends = part.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.nth(PART_LINES - 1).map_or(part, |end| &part[..end])
}

/// Returns the last lines of a part.
fn last_lines(part: &[u8]) -> &[u8] {
    let mut ends = part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    // The last line may have no end.
    ends.nth(PART_LINES).map_or(part, |begin| &part[begin..])
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        remove_old(directory, SystemTime::now());
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Removes old files of outputs. A file that stays is found again.
fn remove_old(directory: &Path, now: SystemTime) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_output_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs/1");
        let mut output = Output::at(path.clone());
        output.push(b"one\n");
        output.push("zwei ä\n".as_bytes());
        assert_eq!(output.text(), "one\nzwei ä\n");
        assert!(!path.exists());
    }

    #[test]
    fn a_long_output_is_whole_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs/1");
        let mut output = Output::at(path.clone());
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..1000 {
            output.push(line.as_bytes());
        }
        output.push(b"the end");
        let text = output.text();
        assert!(text.len() < 3 * PART_BYTES, "{}", text.len());
        assert!(text.starts_with("xxx") && text.ends_with("the end"), "{text}");
        assert!(
            text.contains(&format!("1000 lines, 100007 bytes. The whole output is in {}", path.display()))
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), line.repeat(1000) + "the end");
    }

    #[test]
    fn many_short_lines_are_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        let mut output = Output::at(path.clone());
        output.push("a\n".repeat(INLINE_LINES + 1).as_bytes());
        assert!(output.text().contains("left out here"));
        assert!(path.exists());
    }

    #[test]
    fn an_output_without_a_place_for_its_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let mut output = Output::at(folder.path().join("file/1"));
        output.push(&vec![b'y'; INLINE_BYTES + 1]);
        assert!(output.text().contains("The rest is lost"));
    }

    #[test]
    fn old_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1"), "").unwrap();
        remove_old(folder.path(), SystemTime::now());
        assert!(folder.path().join("1").exists());
        remove_old(folder.path(), SystemTime::now() + KEPT + Duration::from_secs(1));
        assert!(!folder.path().join("1").exists());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(sizes in prop::collection::vec(1_usize..30_000, 1..8)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("1");
            let whole: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|at| b'a' + (at % 26) as u8).collect();
            let mut output = Output::at(path.clone());
            let mut rest = whole.as_slice();
            for size in sizes {
                let (piece, after) = rest.split_at(size);
                output.push(piece);
                rest = after;
            }
            let text = output.text();
            if whole.len() <= INLINE_BYTES {
                prop_assert_eq!(text.as_bytes(), &whole);
            } else {
                prop_assert_eq!(fs::read(&path).unwrap(), whole);
            }
        }
    }
}
