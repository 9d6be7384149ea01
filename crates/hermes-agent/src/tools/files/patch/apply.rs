//! Applies the hunks of a patch to the text of a file.

use super::find::{Indentation, nearest, places};
use super::v4a::{Hunk, Line};

/// The reason why a hunk has no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HunkError {
    /// An anchor is not in the file.
    #[error("the line after `@@` is not in the file: {anchor}")]
    NoAnchor {
        /// The line.
        anchor: String,
        /// Similar lines with their numbers. It may be empty.
        nearest: String,
    },
    /// The lines are not in the file.
    #[error("the lines of the hunk at line {number} of the patch are not in the file")]
    Absent {
        /// The number of the hunk's first line in the patch.
        number: usize,
        /// Similar lines with their numbers. It may be empty.
        nearest: String,
    },
    /// The lines are at several places.
    #[error("the lines of the hunk at line {number} of the patch stand at {count} places")]
    Several {
        /// The number of the hunk's first line in the patch.
        number: usize,
        /// The number of places.
        count: usize,
    },
    /// Two hunks change the same lines.
    #[error("the hunk at line {number} of the patch changes lines of another hunk")]
    Overlap {
        /// The number of the hunk's first line in the patch.
        number: usize,
    },
}

impl HunkError {
    /// Returns the way to do better.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NoAnchor { nearest, .. } | Self::Absent { nearest, .. } if !nearest.is_empty() => {
                format!("the nearest lines are\n{nearest}")
            }
            Self::NoAnchor { .. } | Self::Absent { .. } => "read the file again".to_owned(),
            Self::Several { .. } => "add lines of context, or a line `@@ ` with a line above it".to_owned(),
            Self::Overlap { .. } => "put the changes into one hunk".to_owned(),
        }
    }
}

/// The lines that take the place of others.
struct Replacement {
    start: usize,
    end: usize,
    lines: Vec<String>,
    number: usize,
}

/// Returns the text with all hunks applied. Each hunk is found in the text as it was.
pub(crate) fn apply(text: &str, hunks: &[Hunk]) -> Result<String, HunkError> {
    let ends_with_newline = text.is_empty() || text.ends_with('\n');
    let lines: Vec<&str> = text.lines_of_file().collect();
    let mut replacements = Vec::new();
    let mut cursor = 0;
    for hunk in hunks {
        let replacement = located(&lines, hunk, cursor)?;
        cursor = replacement.end;
        replacements.push(replacement);
    }
    replacements.sort_by_key(|replacement| (replacement.start, replacement.end));
    let mut changed: Vec<String> = Vec::new();
    let mut at = 0;
    for replacement in replacements {
        let Some(kept) = lines.get(at..replacement.start) else {
            return Err(HunkError::Overlap { number: replacement.number });
        };
        changed.extend(kept.iter().map(|line| (*line).to_owned()));
        changed.extend(replacement.lines);
        at = replacement.end;
    }
    changed.extend(lines[at..].iter().map(|line| (*line).to_owned()));
    let mut changed = changed.join("\n");
    if ends_with_newline && !changed.is_empty() {
        changed.push('\n');
    }
    Ok(changed)
}

/// The lines of a file. CR at their end is a part of them, unlike in [`str::lines`].
trait LinesOfFile {
    fn lines_of_file(&self) -> impl Iterator<Item = &str>;
}

impl LinesOfFile for str {
    fn lines_of_file(&self) -> impl Iterator<Item = &str> {
        let without_end = self.strip_suffix('\n').unwrap_or(self);
        without_end.split('\n').take(if self.is_empty() { 0 } else { usize::MAX })
    }
}

/// Finds the place of a hunk, preferably after line `cursor`.
fn located(lines: &[&str], hunk: &Hunk, cursor: usize) -> Result<Replacement, HunkError> {
    let mut after = cursor;
    for anchor in &hunk.anchors {
        let find =
            |from: usize| places(&lines[from..], &[anchor.as_str()]).first().map(|place| from + place.line);
        let found = find(after).or_else(|| find(0));
        let Some(line) = found else {
            let nearest = nearest(lines, &[anchor.as_str()]);
            return Err(HunkError::NoAnchor { anchor: anchor.chars().take(80).collect(), nearest });
        };
        after = line + 1;
    }
    let old: Vec<&str> = hunk.lines.iter().filter_map(Line::old).collect();
    if old.is_empty() {
        let at = if hunk.anchors.is_empty() || hunk.at_end { lines.len() } else { after };
        let added = hunk.lines.iter().map(|line| line.text().to_owned()).collect();
        return Ok(Replacement { start: at, end: at, lines: added, number: hunk.number });
    }
    let mut found = places(lines, &old);
    if hunk.at_end {
        found.retain(|place| place.line + old.len() == lines.len());
    }
    let place = match found.as_slice() {
        [] => return Err(HunkError::Absent { number: hunk.number, nearest: nearest(lines, &old) }),
        [place] => place,
        several => {
            let mut later = several.iter().filter(|place| place.line >= after);
            match (later.next(), later.next(), hunk.anchors.is_empty()) {
                (Some(place), None, _) | (Some(place), _, false) => place,
                _ => return Err(HunkError::Several { number: hunk.number, count: several.len() }),
            }
        }
    };
    let kept = &lines[place.line..place.line + old.len()];
    let new = new_lines(hunk, kept, &place.indentation);
    Ok(Replacement { start: place.line, end: place.line + old.len(), lines: new, number: hunk.number })
}

/// Returns the lines after the change. Context stays as the file has it.
fn new_lines(hunk: &Hunk, kept: &[&str], indentation: &Indentation) -> Vec<String> {
    let mut kept = kept.iter();
    let mut new = Vec::new();
    for line in &hunk.lines {
        match line {
            Line::Context(_) => new.extend(kept.next().map(|line| (*line).to_owned())),
            Line::Remove(_) => {
                kept.next();
            }
            Line::Add(text) => new.push(indentation.applied(text)),
        }
    }
    new
}

impl Line {
    fn text(&self) -> &str {
        let (Self::Context(text) | Self::Remove(text) | Self::Add(text)) = self;
        text
    }

    fn old(&self) -> Option<&str> {
        (!matches!(self, Self::Add(_))).then(|| self.text())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::v4a::{Change, parse};
    use super::*;

    fn applied(text: &str, hunks: &str) -> Result<String, HunkError> {
        let sections =
            parse(&format!("*** Begin Patch\n*** Update File: a\n{hunks}\n*** End Patch")).unwrap();
        let Change::Update { hunks, .. } = &sections[0].change else { panic!("no update") };
        apply(text, hunks)
    }

    #[rstest]
    #[case::replaced("a\nb\nc\n", " a\n-b\n+x\n c", "a\nx\nc\n")]
    #[case::no_newline_at_the_end("a\nb", "-b\n+x", "a\nx")]
    #[case::two_hunks("a\nb\nc\nd\n", "@@\n-a\n+x\n@@\n-d\n+y", "x\nb\nc\ny\n")]
    #[case::hunks_in_the_wrong_order("a\nb\nc\nd\n", "@@\n-d\n+y\n@@\n-a\n+x", "x\nb\nc\ny\n")]
    #[case::below_an_anchor("f:\n  x\ng:\n  x\n", "@@ g:\n-  x\n+  y", "f:\n  x\ng:\n  y\n")]
    #[case::inserted_below_an_anchor("f:\n  x\n", "@@ f:\n+  w", "f:\n  w\n  x\n")]
    #[case::appended("a\n", "+b", "a\nb\n")]
    #[case::into_an_empty_file("", "+b", "b\n")]
    #[case::everything_removed("a\n", "-a", "")]
    #[case::at_the_end("x\ny\nx\n", "-x\n+z\n*** End of File", "x\ny\nz\n")]
    #[case::other_indentation("if a:\n    b\n    c\n", " b\n-c\n+d", "if a:\n    b\n    d\n")]
    #[case::context_stays("a  \nb\n", " a\n-b\n+c", "a  \nc\n")]
    #[case::second_of_two("x\na\nx\n", "@@\n-a\n+b\n@@\n-x\n+y", "x\nb\ny\n")]
    fn hunks_find_their_place(#[case] text: &str, #[case] hunks: &str, #[case] expected: &str) {
        assert_eq!(applied(text, hunks).as_deref(), Ok(expected));
    }

    #[rstest]
    #[case::absent("aaaa\n", "-aaab\n+x", HunkError::Absent { number: 3, nearest: "1|aaaa".into() })]
    #[case::several("x\nx\n", "-x\n+y", HunkError::Several { number: 3, count: 2 })]
    #[case::no_anchor("x\n", "@@ fn z\n-x\n+y", HunkError::NoAnchor { anchor: "fn z".into(), nearest: String::new() })]
    #[case::overlap("a\nb\n", "@@\n-a\n-b\n@@\n-b\n+x", HunkError::Overlap { number: 6 })]
    fn an_unclear_hunk_is_an_error(#[case] text: &str, #[case] hunks: &str, #[case] expected: HunkError) {
        assert_eq!(applied(text, hunks), Err(expected));
    }

    proptest! {
        #[test]
        fn any_hunks_give_an_answer(
            text in "[ab \n\r]{0,20}",
            hunks in proptest::collection::vec(
                proptest::sample::select(vec!["@@", "@@ a", " a", "-a", "+b", "-b", "", "*** End of File"]),
                0..10,
            )
        ) {
            let patch = format!("*** Begin Patch\n*** Update File: a\n{}\n*** End Patch", hunks.join("\n"));
            if let Ok(sections) = parse(&patch)
                && let Change::Update { hunks, .. } = &sections[0].change
            {
                let _ = apply(&text, hunks);
            }
        }

        #[test]
        fn a_line_changes_and_the_others_stay(lines in proptest::collection::vec("[a-z]{1,3}", 1..10), at: prop::sample::Index) {
            let at = at.index(lines.len());
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let hunk: String = lines.iter().enumerate().map(|(index, line)| match index == at {
                true => format!("-{line}\n+NEW\n"),
                false => format!(" {line}\n"),
            }).collect();
            let mut expected = lines.clone();
            expected[at] = "NEW".to_owned();
            prop_assert_eq!(applied(&text, hunk.trim_end_matches('\n')), Ok(expected.join("\n") + "\n"));
        }
    }
}
