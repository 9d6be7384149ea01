//! The mode `replace` of `patch`: one text takes the place of another.

use super::find::{nearest, places};

/// The places that a message names.
const NAMED_MAX: usize = 8;

/// The reason why nothing was replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// There is no text to look for.
    #[error("`old_string` is empty")]
    Empty,
    /// Both texts are the same.
    #[error("`old_string` and `new_string` are the same")]
    Same,
    /// The text stands at several places.
    #[error("`old_string` stands at {count} places: lines {lines}")]
    Several {
        /// The number of places.
        count: usize,
        /// The lines of the first ones.
        lines: String,
    },
    /// The text stands nowhere.
    #[error("`old_string` is not in the file")]
    Absent {
        /// Similar lines with their numbers. It may be empty.
        nearest: String,
    },
}

impl ReplaceError {
    /// Returns the way to do better.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Empty => "write_file makes a file, and replaces a whole one".to_owned(),
            Self::Same => "state the new text in `new_string`".to_owned(),
            Self::Several { .. } => "add lines around it to `old_string`, or set `replace_all`".to_owned(),
            Self::Absent { nearest } if nearest.is_empty() => "read the file again".to_owned(),
            Self::Absent { nearest } => format!("the nearest lines are\n{nearest}"),
        }
    }
}

/// A changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// The text.
    pub(crate) text: String,
    /// The number of places.
    pub(crate) count: usize,
    /// `true` if white space differed.
    pub(crate) tolerant: bool,
}

/// Replaces `old` by `new`: once, or at all places. A text that is not there exactly may differ in white space, if its place is clear.
pub(crate) fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<Replaced, ReplaceError> {
    if old.is_empty() {
        return Err(ReplaceError::Empty);
    }
    if old == new {
        return Err(ReplaceError::Same);
    }
    match text.matches(old).count() {
        0 => tolerant(text, old, new),
        count if count == 1 || all => Ok(Replaced { text: text.replace(old, new), count, tolerant: false }),
        count => {
            let starts = text.match_indices(old).map(|(at, _)| text[..at].matches('\n').count() + 1);
            Err(several(count, starts))
        }
    }
}

fn several(count: usize, lines: impl Iterator<Item = usize>) -> ReplaceError {
    let mut lines: Vec<String> = lines.take(NAMED_MAX + 1).map(|line| line.to_string()).collect();
    if lines.len() > NAMED_MAX {
        lines[NAMED_MAX] = "…".to_owned();
    }
    ReplaceError::Several { count, lines: lines.join(", ") }
}

/// Replaces whole lines that differ in white space.
fn tolerant(text: &str, old: &str, new: &str) -> Result<Replaced, ReplaceError> {
    // The last part of a text that ends with a newline is no line.
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    let wanted: Vec<&str> = old.strip_suffix('\n').unwrap_or(old).split('\n').collect();
    let found = places(&lines, &wanted);
    let place = match found.as_slice() {
        [] => return Err(ReplaceError::Absent { nearest: nearest(&lines, &wanted) }),
        [place] => place,
        several_ => return Err(several(several_.len(), several_.iter().map(|place| place.line + 1))),
    };
    let start: usize = lines[..place.line].iter().map(|line| line.len() + 1).sum();
    let end = place.line + wanted.len();
    let length: usize = lines[place.line..end].iter().map(|line| line.len() + 1).sum();
    let new: Vec<String> = new.split('\n').map(|line| place.indentation.applied(line)).collect();
    let mut changed = text[..start].to_owned();
    changed.push_str(&new.join("\n"));
    // The newline of the last line belongs to `old` if `old` ends with one.
    let rest = start + length - usize::from(!old.ends_with('\n'));
    changed.push_str(text.get(rest..).unwrap_or_default());
    Ok(Replaced { text: changed, count: 1, tolerant: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::exact("a b c", "b", "x", false, "a x c")]
    #[case::all("b b", "b", "x", true, "x x")]
    #[case::removed("a\nb\nc\n", "b\n", "", false, "a\nc\n")]
    #[case::ends_of_lines("a  \nb\n", "a\nb", "x", false, "x\n")]
    #[case::indented("if x:\n    y\n    z\n", "y\nz\n", "y\nw\n", false, "if x:\n    y\n    w\n")]
    #[case::less("\ta\n", "\t\ta", "\t\tb", false, "\tb\n")]
    #[case::last_line_without_newline("x\n  a", "a ", "b", false, "x\n  b")]
    #[case::newline_only_in_the_wanted("  a", " a\n", " b\n", false, "  b\n")]
    fn one_text_takes_the_place_of_another(
        #[case] text: &str,
        #[case] old: &str,
        #[case] new: &str,
        #[case] all: bool,
        #[case] expected: &str,
    ) {
        assert_eq!(replace(text, old, new, all).unwrap().text, expected);
    }

    #[rstest]
    #[case("a", "", "b", ReplaceError::Empty)]
    #[case("a", "a", "a", ReplaceError::Same)]
    #[case("a\na", "a", "b", ReplaceError::Several { count: 2, lines: "1, 2".into() })]
    #[case("  a\n    a", "\ta\n", "b", ReplaceError::Absent { nearest: "1|  a".into() })]
    #[case("  x\n  x", "x ", "b", ReplaceError::Several { count: 2, lines: "1, 2".into() })]
    fn an_unclear_place_is_an_error(
        #[case] text: &str,
        #[case] old: &str,
        #[case] new: &str,
        #[case] expected: ReplaceError,
    ) {
        assert_eq!(replace(text, old, new, false), Err(expected));
    }

    proptest! {
        #[test]
        fn any_texts_give_an_answer(text in "[ a\n]{0,20}", old in "[ a\n]{0,6}", new in "[ b\n]{0,6}", all: bool) {
            if let Ok(replaced) = replace(&text, &old, &new, all) {
                prop_assert!(replaced.count > 0);
                prop_assert_eq!(replaced.tolerant, !text.contains(&old));
            }
        }
    }
}
