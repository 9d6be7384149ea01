//! Changes of the memory, by the tool `memory`. The prompt of a running session does not change.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, ReadError, WriteError};

use super::{FILE_MAX, MemoryFile, SEPARATOR, entries};

/// The time that a writer waits for another.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// The permission bits of a new file.
const NEW_MODE: u32 = 0o600;

/// The backups of one second.
const BACKUPS_MAX: u32 = 20;

/// The characters of an entry in a message.
const PREVIEW_CHARACTERS: usize = 80;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A new entry.
    Add {
        /// The entry.
        content: String,
    },
    /// An entry takes the place of another.
    Replace {
        /// A part of the former entry, which no other has.
        old_text: String,
        /// The entry.
        content: String,
    },
    /// An entry goes.
    Remove {
        /// A part of the entry, which no other has.
        old_text: String,
    },
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The number of entries.
    pub(crate) entries: usize,
    /// The characters of the file.
    pub(crate) used: usize,
    /// `false` if the entry was there already.
    pub(crate) changed: bool,
    /// The copy of a file that had another form.
    pub(crate) backup: Option<PathBuf>,
}

/// The reason why the memory did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// The entry cannot be stored.
    #[error("failed to take the entry: {0}")]
    Content(String),
    /// No entry has the text.
    #[error("failed to find an entry with {old_text:?}; the entries are:\n{entries}")]
    Absent {
        /// The text.
        old_text: String,
        /// The begin of each entry.
        entries: String,
    },
    /// Several entries have the text.
    #[error("failed to choose an entry: {count} have {old_text:?}; state more of its text:\n{entries}")]
    Several {
        /// The text.
        old_text: String,
        /// The number of entries.
        count: usize,
        /// The begin of each of them.
        entries: String,
    },
    /// The file would be too long.
    #[error(
        "failed to store the entry: {name} would have {wanted} characters, and the limit is {limit} ({used} are used); \
         shorten, replace or remove entries:\n{entries}"
    )]
    Full {
        /// The name of the file.
        name: &'static str,
        /// The characters after the change.
        wanted: usize,
        /// The characters before.
        used: usize,
        /// The limit, in characters.
        limit: usize,
        /// The begin of each entry.
        entries: String,
    },
    /// The directory cannot be used.
    #[error("failed to use the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another writer has the lock.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Changes a file of at most `limit` characters. A file that others wrote in another form is copied before: `MEMORY.md.bak.SECONDS`.
pub(crate) fn edit(profile: &Path, file: MemoryFile, edit: &Edit, limit: usize) -> Result<Edited, EditError> {
    let relative = file.path();
    let path = profile.join(&relative);
    create_directory(&profile.join("memories"))?;
    // The Python program uses the same lock.
    let lock = path.with_extension("md.lock");
    let _lock =
        LockFile::take(&lock, LOCK_TIME).map_err(|source| EditError::Lock { path: lock.clone(), source })?;
    let bytes = whole_file::read_within(profile, &relative, FILE_MAX)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let former = entries(&text);
    let entries = edited(&former, edit)?;
    let (used, wanted) = (characters(&former), characters(&entries));
    if entries == former {
        return Ok(Edited { entries: entries.len(), used, changed: false, backup: None });
    }
    if wanted > limit && wanted >= used {
        let name = if file == MemoryFile::Memory { "MEMORY.md" } else { "USER.md" };
        return Err(EditError::Full { name, wanted, used, limit, entries: previews(former.iter()) });
    }
    let is_own_form = text.trim() == former.join(SEPARATOR) && matches!(text, std::borrow::Cow::Borrowed(_));
    let backup = if is_own_form { None } else { Some(back_up(&path, &bytes)?) };
    let mode = whole_file::mode_of(&path).ok().flatten().unwrap_or(NEW_MODE);
    whole_file::write(&path, entries.join(SEPARATOR).as_bytes(), mode & 0o777)?;
    Ok(Edited { entries: entries.len(), used: wanted, changed: true, backup })
}

/// Creates the directory. A symlink in its place could lead anywhere, so it is refused.
fn create_directory(path: &Path) -> Result<(), EditError> {
    let failed = |source| EditError::Directory { path: path.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    match path.symlink_metadata().map_err(failed)?.is_dir() {
        true => Ok(()),
        false => Err(failed(io::ErrorKind::NotADirectory.into())),
    }
}

fn back_up(path: &Path, bytes: &[u8]) -> Result<PathBuf, WriteError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut number = 0;
    loop {
        let ending = if number == 0 { String::new() } else { format!("-{number}") };
        let backup = path.with_extension(format!("md.bak.{seconds}{ending}"));
        match whole_file::write_new(&backup, bytes, NEW_MODE) {
            Err(WriteError::Exists { .. }) if number < BACKUPS_MAX => number += 1,
            result => return result.map(|()| backup),
        }
    }
}

/// Returns the entries after a change.
fn edited(former: &[String], edit: &Edit) -> Result<Vec<String>, EditError> {
    let mut entries = former.to_vec();
    match edit {
        Edit::Add { content } => {
            let content = checked(content)?;
            if !entries.contains(&content) {
                entries.push(content);
            }
        }
        Edit::Replace { old_text, content } => {
            let content = checked(content)?;
            let at = position(&entries, old_text)?;
            entries[at] = content;
        }
        Edit::Remove { old_text } => {
            let at = position(&entries, old_text)?;
            entries.remove(at);
        }
    }
    Ok(entries)
}

fn position(entries: &[String], old_text: &str) -> Result<usize, EditError> {
    let wanted = old_text.trim().replace("\r\n", "\n");
    let having: Vec<(usize, &String)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !wanted.is_empty() && entry.contains(&wanted))
        .collect();
    match having.as_slice() {
        [] => Err(EditError::Absent { old_text: old_text.to_owned(), entries: previews(entries.iter()) }),
        [(at, _)] => Ok(*at),
        // Equal entries are as good as one, and so is the one that is the text itself.
        several => match several.iter().find(|(_, entry)| **entry == wanted) {
            Some((at, _)) => Ok(*at),
            None => Err(EditError::Several {
                old_text: old_text.to_owned(),
                count: several.len(),
                entries: previews(several.iter().map(|(_, entry)| *entry)),
            }),
        },
    }
}

/// Returns an entry in the form of the file, or the reason why it cannot be one.
fn checked(content: &str) -> Result<String, EditError> {
    let content = content.replace("\r\n", "\n").trim().to_owned();
    let refused = |cause: String| Err(EditError::Content(cause));
    if content.is_empty() {
        return refused("it is empty".to_owned());
    }
    if content.lines().any(|line| line.trim() == "§") {
        return refused("it has a line `§`, which separates entries; make several entries".to_owned());
    }
    let mut before = None;
    for character in content.chars() {
        if is_invisible(character, before) {
            return refused(format!("it has the invisible character U+{:04X}", u32::from(character)));
        }
        before = Some(character);
    }
    // The form of the file must give the same entry.
    match entries(&content).as_slice() {
        [entry] if *entry == content => Ok(content),
        _ => refused("it has white space that the file cannot keep".to_owned()),
    }
}

/// Returns `true` for a character that a person does not see and a model reads: a way to hide orders in the prompt.
fn is_invisible(character: char, before: Option<char>) -> bool {
    match character {
        '\n' | '\t' => false,
        // Joiners belong to emoji and to scripts outside of ASCII.
        '\u{200c}' | '\u{200d}' => before.is_none_or(|before| before.is_ascii()),
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{feff}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' => true,
        '\u{fe00}'..='\u{fe0d}' | '\u{e0000}'..='\u{e0fff}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => true,
        other => other.is_control(),
    }
}

fn characters(entries: &[String]) -> usize {
    let separators = entries.len().saturating_sub(1) * SEPARATOR.chars().count();
    entries.iter().map(|entry| entry.chars().count()).sum::<usize>() + separators
}

fn previews<'a>(entries: impl Iterator<Item = &'a String>) -> String {
    let line = |entry: &'a String| {
        let first: String =
            entry.lines().next().unwrap_or_default().chars().take(PREVIEW_CHARACTERS).collect();
        let more = if first.len() < entry.len() { "…" } else { "" };
        format!("- {first}{more}")
    };
    let lines: Vec<String> = entries.take(50).map(line).collect();
    if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests;
