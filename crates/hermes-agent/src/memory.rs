//! The memory of an agent: `memories/MEMORY.md` and `memories/USER.md`. Entries are separated by a line `§`, as in the Python
//! program.

use std::path::{Path, PathBuf};

use crate::prompt::text_file;

pub(crate) mod edit;

/// The longest file that is read, in bytes.
pub(crate) const FILE_MAX: u64 = 256 * 1024;

/// The text between two entries.
pub(crate) const SEPARATOR: &str = "\n§\n";

/// A file of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryFile {
    /// The notes of the agent.
    Memory,
    /// The facts about the user.
    User,
}

impl MemoryFile {
    /// Returns the path in a profile.
    pub(crate) fn path(self) -> PathBuf {
        Path::new("memories").join(match self {
            Self::Memory => "MEMORY.md",
            Self::User => "USER.md",
        })
    }

    fn title(self) -> &'static str {
        match self {
            Self::Memory => "Memory (your notes)",
            Self::User => "User (facts about the user)",
        }
    }
}

/// Returns the entries of a file, in order, without empty ones.
pub(crate) fn entries(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    for line in text.lines() {
        match entries.last_mut() {
            Some(entry) if line.trim() != "§" => {
                entry.push_str(line);
                entry.push('\n');
            }
            _ => entries.push(String::new()),
        }
    }
    entries.iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect()
}

/// Returns the part of the prompt for a file, or an empty text. A file over `limit` characters loses its oldest entries here, and a
/// single entry its end. The file does not change.
pub(crate) fn for_prompt(
    profile: &Path,
    file: MemoryFile,
    limit: usize,
    warnings: &mut Vec<String>,
) -> String {
    let relative = file.path();
    let Some(text) = text_file::read_whole(profile, &relative, FILE_MAX, warnings) else {
        return String::new();
    };
    let entries = entries(&text);
    let (kept, used) = newest(&entries, limit);
    if kept.len() < entries.len() || kept.first() != entries.first() {
        warnings.push(format!(
            "{} has more than {limit} characters; the prompt has the newest {} of its {} entries",
            profile.join(&relative).display(),
            kept.len(),
            entries.len()
        ));
    }
    if kept.is_empty() {
        return String::new();
    }
    format!("# {} [{used} of {limit} characters]\n{}", file.title(), kept.join(SEPARATOR))
}

/// Returns the newest entries that fit in `limit` characters with their separators, and the number of characters.
fn newest(entries: &[String], limit: usize) -> (Vec<String>, usize) {
    let (mut kept, mut used) = (Vec::new(), 0);
    for entry in entries.iter().rev() {
        let separator = if kept.is_empty() { 0 } else { SEPARATOR.chars().count() };
        let length = entry.chars().count() + separator;
        if used + length > limit {
            break;
        }
        used += length;
        kept.push(entry.clone());
    }
    if let (true, Some(last)) = (kept.is_empty() && limit > 0, entries.last()) {
        kept.push(last.chars().take(limit).collect());
        used = limit;
    }
    kept.reverse();
    (kept, used)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", &[])]
    #[case("one", &["one"])]
    #[case("one\n§\ntwo\nlines\n§\n", &["one", "two\nlines"])]
    #[case("one\r\n§\r\ntwo", &["one", "two"])]
    #[case("§\n § \n§", &[])]
    #[case("see § 5 of it\n§\nb", &["see § 5 of it", "b"])]
    fn entries_are_separated_by_a_line_of_their_own(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(entries(text), expected);
    }

    #[rstest]
    #[case(9, &["aa", "bb", "cc"][1..], 7)]
    #[case(12, &["aa", "bb", "cc"], 12)]
    #[case(1, &["c"], 1)]
    #[case(0, &[], 0)]
    fn the_newest_entries_that_fit_stay(#[case] limit: usize, #[case] kept: &[&str], #[case] used: usize) {
        let entries = ["aa", "bb", "cc"].map(str::to_owned);
        assert_eq!(newest(&entries, limit), (kept.iter().map(|entry| (*entry).to_owned()).collect(), used));
    }

    proptest! {
        #[test]
        fn the_prompt_never_exceeds_the_limit(text: String, limit in 0_usize..40) {
            let (kept, used) = newest(&entries(&text), limit);
            prop_assert_eq!(kept.join(SEPARATOR).chars().count(), used);
            prop_assert!(used <= limit);
        }
    }
}
