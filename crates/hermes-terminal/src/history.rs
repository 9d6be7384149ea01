//! The messages that a person typed: `.chat_history` in the directory of the profile. Each line of the file is a JSON string.

use std::path::PathBuf;

use hermes_os::whole_file::{self, ReadError, WriteError};

/// The file has at most this number of messages.
pub const ENTRIES_MAX: usize = 1000;
/// A longer message is not kept, in bytes.
const ENTRY_MAX: usize = 16 * 1024;
/// A larger file is not read, in bytes.
const FILE_MAX: u64 = 64 * 1024 * 1024;
/// Messages may hold private text.
const MODE: u32 = 0o600;

/// The file.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// Returns the history in the file at `path`, which may not exist yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the messages, the oldest first. A line that is no JSON string is left out. So is one with control characters: the editor
    /// would send them to the terminal, and a tool of the agent may have written them.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read.
    pub fn entries(&self) -> Result<Vec<String>, ReadError> {
        let bytes = whole_file::read(&self.path, FILE_MAX)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let entries = text.lines().filter_map(|line| serde_json::from_str::<String>(line).ok());
        let is_obeyed = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        Ok(entries.filter(|entry| !entry.contains(is_obeyed)).collect())
    }

    /// Adds a message. An equal older one is removed. Another conversation may have added some, so the file is read again. Returns all
    /// messages.
    ///
    /// # Errors
    /// Fails if the file cannot be written. A file that cannot be read is begun anew.
    pub fn add(&self, entry: &str) -> Result<Vec<String>, WriteError> {
        let mut entries = self.entries().unwrap_or_default();
        if entry.len() > ENTRY_MAX {
            return Ok(entries);
        }
        entries.retain(|known| known != entry);
        entries.push(entry.to_owned());
        entries.drain(..entries.len().saturating_sub(ENTRIES_MAX));
        let lines = entries.iter().map(|entry| serde_json::json!(entry).to_string() + "\n");
        whole_file::write_for_now(&self.path, lines.collect::<String>().as_bytes(), MODE)?;
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    fn history() -> (TempDir, History) {
        let directory = tempfile::tempdir().expect("a directory");
        let history = History::at(directory.path().join(".chat_history"));
        (directory, history)
    }

    #[test]
    fn messages_are_kept_once_in_a_private_file() {
        let (_directory, history) = history();
        assert_eq!(history.entries().expect("no file"), [""; 0]);
        for entry in ["one", "two\nlines \\n", "one"] {
            history.add(entry).expect("written");
        }
        assert_eq!(history.entries().expect("read"), ["two\nlines \\n", "one"]);
        let mode = fs::metadata(&history.path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_file_is_bounded() {
        let (_directory, history) = history();
        let lines: String = (0..ENTRIES_MAX).map(|number| format!("\"{number}\"\n")).collect();
        fs::write(&history.path, lines).expect("written");
        let entries = history.add("new").expect("written");
        assert_eq!((entries.len(), entries[0].as_str()), (ENTRIES_MAX, "1"));
        let entries = history.add(&"x".repeat(ENTRY_MAX + 1)).expect("ignored");
        assert_eq!(entries.last().map(String::as_str), Some("new"));
    }

    #[test]
    fn a_broken_line_and_escape_sequences_are_left_out() {
        let (_directory, history) = history();
        fs::write(&history.path, b"\"a\"\nbroken\n\xff\n{}\n\"\\u001b[2J\"\n\"b\"\n").expect("written");
        assert_eq!(history.entries().expect("read"), ["a", "b"]);
    }

    #[test]
    fn a_directory_in_place_of_the_file_is_an_error() {
        let (_directory, history) = history();
        fs::create_dir(&history.path).expect("created");
        assert!(history.entries().is_err());
        assert!(history.add("x").is_err());
    }
}
