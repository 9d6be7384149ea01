//! The project file: the instructions that lie in the working directory.

use std::path::Path;

use super::text_file;

/// The names, in the order of the search. The Python program has the same.
const NAMES: [&str; 5] = [".hermes.md", "HERMES.md", "AGENTS.md", "CLAUDE.md", ".cursorrules"];

/// The longest project file, in characters.
const CHARACTERS: usize = 20_000;

/// Returns the name and the text of the first file that exists and can be used.
pub(crate) fn read(directory: &Path, warnings: &mut Vec<String>) -> Option<(&'static str, String)> {
    NAMES.into_iter().find_map(|name| {
        let text = text_file::read(directory, name, CHARACTERS, warnings)?;
        let text = text.trim();
        (!text.is_empty()).then(|| (name, format!("# Instructions of the project ({name})\n\n{text}")))
    })
}
