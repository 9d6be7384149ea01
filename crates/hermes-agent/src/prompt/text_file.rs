//! Reads text files of an agent for the prompt. Each file may be missing, huge, no text, or no file at all.

use std::path::Path;

use hermes_core::chain;
use hermes_os::whole_file;

/// The longest file that is read, in bytes. A longer one is no text that a person wrote.
const FILE_MAX: u64 = 1024 * 1024;

/// The share of a text over its limit that its beginning gets, in percent. The end gets the rest.
const HEAD_PERCENT: usize = 75;

/// Reads the file `relative` in `directory`, and shortens it to `limit` characters. Returns `None` if there is none, and if it
/// cannot be used; the latter is a warning.
pub(crate) fn read(
    directory: &Path,
    relative: impl AsRef<Path>,
    limit: usize,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let relative = relative.as_ref();
    let text = read_whole(directory, relative, FILE_MAX, warnings)?;
    let (text, cut) = shortened(text, limit);
    if cut {
        let path = directory.join(relative);
        warnings.push(format!(
            "{} has more than {limit} characters; the prompt has its beginning and its end",
            path.display()
        ));
    }
    Some(text)
}

/// Reads the file `relative` in `directory`, of at most `limit` bytes. Bytes that are not UTF-8 become `�`, with a warning.
pub(crate) fn read_whole(
    directory: &Path,
    relative: &Path,
    limit: u64,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let bytes = match whole_file::read_within(directory, relative, limit) {
        Ok(bytes) => bytes?,
        Err(error) => {
            warnings.push(format!("{}; the prompt is without it", chain(&error)));
            return None;
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let path = directory.join(relative);
            warnings.push(format!(
                "{} has bytes that are not UTF-8; the prompt has a sign in their place",
                path.display()
            ));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
    };
    Some(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Returns the text, and `true` if it had more than `limit` characters and lost its middle.
fn shortened(text: String, limit: usize) -> (String, bool) {
    let characters = text.chars().count();
    if characters <= limit {
        return (text, false);
    }
    let head = limit * HEAD_PERCENT / 100;
    let tail = limit - head;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(characters - tail).collect();
    (format!("{start}\n\n[{} characters are left out here]\n\n{end}", characters - limit), true)
}

/// Returns the text in one line: white space becomes one space, other control characters go.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abcd", 4, "abcd")]
    #[case("abcdefgh", 4, "abc\n\n[4 characters are left out here]\n\nh")]
    #[case("äöüß", 1, "\n\n[3 characters are left out here]\n\nß")]
    fn a_long_text_keeps_its_beginning_and_its_end(
        #[case] text: &str,
        #[case] limit: usize,
        #[case] expected: &str,
    ) {
        assert_eq!(shortened(text.to_owned(), limit).0, expected);
    }

    proptest! {
        #[test]
        fn a_shortened_text_is_bounded(text: String, limit in 0_usize..50) {
            let (short, cut) = shortened(text.clone(), limit);
            prop_assert!(short.chars().count() <= limit + 60);
            prop_assert_eq!(cut, short != text);
        }

        #[test]
        fn one_line_has_no_control_character(text: String) {
            prop_assert!(!one_line(&text).chars().any(char::is_control));
        }
    }
}
