//! The text of a file, with line ends of one kind. A changed file keeps the line ends and the byte order mark that it had.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

use crate::tools::files::failure::Failure;
use crate::tools::files::open::{read, shown};

/// The longest file that is changed, in bytes.
const FILE_BYTES: u64 = 10 * 1024 * 1024;

/// The longest diff of an output, in bytes.
const DIFF_BYTES: usize = 16 * 1024;

/// The time after which a diff is coarse.
const DIFF_TIME: Duration = Duration::from_secs(1);

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text. If all lines of the file end with CR LF, these end with LF.
    pub(crate) text: String,
    is_windows: bool,
    has_mark: bool,
}

impl Text {
    /// Reads a file. It must be UTF-8.
    pub(crate) fn read(path: &Path) -> Result<(Self, Vec<u8>), Failure> {
        let bytes = read("patch", path, FILE_BYTES)?;
        let Ok(text) = str::from_utf8(&bytes) else {
            let hint = "use a command, such as sed (terminal)";
            return Err(Failure::refused("patch", shown(path), "it is not UTF-8 text", hint));
        };
        Ok((Self::of(text), bytes))
    }

    fn of(text: &str) -> Self {
        let (text, has_mark) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let newlines = text.matches('\n').count();
        let is_windows = newlines > 0 && text.matches("\r\n").count() == newlines;
        let text = if is_windows { text.replace("\r\n", "\n") } else { text.to_owned() };
        Self { text, is_windows, has_mark }
    }

    /// Returns a text of the model with the line ends of [`Text::text`].
    pub(crate) fn normal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_windows { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
    }

    /// Returns the bytes of the file with a changed text.
    pub(crate) fn bytes(&self, changed: &str) -> Vec<u8> {
        let text = if self.is_windows { changed.replace('\n', "\r\n") } else { changed.to_owned() };
        if self.has_mark { format!("{BYTE_ORDER_MARK}{text}").into_bytes() } else { text.into_bytes() }
    }
}

/// Returns the difference as a unified diff.
pub(crate) fn unified_diff(before: (&str, &str), after: (&str, &str)) -> String {
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(before.1, after.1);
    let mut text = diff.unified_diff().context_radius(3).header(before.0, after.0).to_string();
    if text.len() > DIFF_BYTES {
        let end = text.floor_char_boundary(DIFF_BYTES);
        let end = text[..end].rfind('\n').map_or(end, |newline| newline + 1);
        let left = text[end..].lines().count();
        text.truncate(end);
        text.push_str(&format!("[{left} more lines of the diff]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::windows("a\r\nb\r\n", "a\nb\n")]
    #[case::mixed("a\r\nb\n", "a\r\nb\n")]
    #[case::mark("\u{feff}a\n", "a\n")]
    fn line_ends_are_of_one_kind(#[case] file: &str, #[case] text: &str) {
        assert_eq!(Text::of(file).text, text);
    }

    #[test]
    fn a_long_diff_is_cut_at_a_line() {
        let after = "ä\n".repeat(20_000);
        let diff = unified_diff(("a", ""), ("b", &after));
        assert!(diff.len() < DIFF_BYTES + 100);
        assert!(diff.ends_with(" more lines of the diff]\n"), "{}", &diff[diff.len() - 40..]);
    }

    proptest! {
        #[test]
        fn an_unchanged_text_gives_the_same_bytes(file in "(\r|\n|\r\n|a|\u{feff}){0,12}") {
            let text = Text::of(&file);
            prop_assert_eq!(text.bytes(&text.text), file.as_bytes());
        }
    }
}
