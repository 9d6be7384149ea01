//! Files of the person: completions of `@`, and a message in an editor.

use std::fs;
use std::path::Path;
use std::process;

use hermes_core::{Home, ProfileName};
use hermes_operations::{Report, ReportKind};
use hermes_os::whole_file;

/// The most completions.
const COMPLETIONS_MAX: usize = 100;
/// The largest message of an editor, in bytes.
const EDITED_MAX: u64 = 4 * 1024 * 1024;

/// Returns the names of files that begin with `begin`, in order, each with its directory. A directory ends with `/`. Hidden files
/// need the dot.
pub(super) fn completions(directory: &Path, begin: &str) -> Vec<String> {
    let (parent, name) = begin.rsplit_once('/').map_or(("", begin), |(parent, name)| (parent, name));
    let looked_at = if begin.starts_with('/') { Path::new("/").join(parent) } else { directory.join(parent) };
    let Ok(entries) = fs::read_dir(looked_at) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let found = entry.file_name().into_string().ok()?;
            let is_wanted = found.starts_with(name) && (name.starts_with('.') || !found.starts_with('.'));
            let slash = if entry.path().is_dir() { "/" } else { "" };
            let parent = if begin.contains('/') { format!("{parent}/") } else { String::new() };
            is_wanted.then(|| format!("{parent}{found}{slash}"))
        })
        .collect();
    names.sort();
    names.truncate(COMPLETIONS_MAX);
    names
}

/// Returns the text that the person leaves in the editor. The file lies in the directory of the profile, and is private.
///
/// # Errors
/// The file cannot be written or read, or the editor failed.
pub(super) fn edited(
    home: &Home,
    profile: &ProfileName,
    text: &str,
    editor: fn(&Path) -> Result<(), Report>,
) -> Result<String, Report> {
    let path = home.chat_history(profile).with_file_name(format!(".message.{}.tmp", process::id()));
    whole_file::write_for_now(&path, text.as_bytes(), 0o600).map_err(|error| {
        Report::new(ReportKind::CannotWrite, "failed to begin a message in an editor").because(&error)
    })?;
    let ended = editor(&path);
    let read = whole_file::read(&path, EDITED_MAX);
    let _ = fs::remove_file(&path);
    ended.map_err(|error| error.hint("name an editor that is here: EDITOR=vi hermes --tui"))?;
    let bytes = read.map_err(|error| {
        Report::new(ReportKind::Failed, "failed to read the message of the editor").because(&error)
    })?;
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_completes_files_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("src/deep")).unwrap();
        for name in ["notes.md", "numbers", ".hidden", "src/main.rs"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let of = |begin: &str| completions(directory.path(), begin);
        assert_eq!(of("n"), ["notes.md", "numbers"]);
        assert_eq!(of(""), ["notes.md", "numbers", "src/"]);
        assert_eq!(of(".h"), [".hidden"]);
        assert_eq!(of("src/"), ["src/deep/", "src/main.rs"]);
        assert_eq!(of("missing/x"), [""; 0]);
    }
}
