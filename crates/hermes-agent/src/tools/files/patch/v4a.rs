//! The V4A format of patches: sections for files, with hunks whose place is their context. The Python program and other agents write it.

/// The most sections of a patch.
const SECTIONS_MAX: usize = 200;

/// The change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// The file.
    pub(crate) path: String,
    /// The change.
    pub(crate) change: Change,
}

/// A kind of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A new file with this content.
    Add(String),
    /// The file goes.
    Delete,
    /// Lines change, and the file may move.
    Update {
        /// The new path.
        move_to: Option<String>,
        /// The changes, in order.
        hunks: Vec<Hunk>,
    },
}

/// A change of lines that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// The lines of `@@`, each below the one before.
    pub(crate) anchors: Vec<String>,
    /// The lines.
    pub(crate) lines: Vec<Line>,
    /// `true` if the lines are the last ones of the file.
    pub(crate) at_end: bool,
    /// The number of the hunk's first line in the patch.
    pub(crate) number: usize,
}

/// A line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It stays.
    Context(String),
    /// It goes.
    Remove(String),
    /// It comes.
    Add(String),
}

/// A fault of a patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// The patch has no begin.
    #[error("the first line is not `*** Begin Patch`")]
    NoBegin,
    /// The patch is cut off.
    #[error("there is no line `*** End Patch`")]
    NoEnd,
    /// The patch changes nothing.
    #[error("it changes no file")]
    Empty,
    /// The patch has too many sections.
    #[error("it changes more than {SECTIONS_MAX} files")]
    TooLong,
    /// A line has no meaning at its place.
    #[error("line {number} is not {expected}: {line}")]
    Line {
        /// The number of the line in the patch, from 1.
        number: usize,
        /// The lines that may stand there.
        expected: &'static str,
        /// The begin of the line.
        line: String,
    },
    /// A section has no hunk.
    #[error("the section of {path} has no changes")]
    NoHunk {
        /// The file.
        path: String,
    },
}

/// Reads a patch.
pub(crate) fn parse(patch: &str) -> Result<Vec<Section>, ParseError> {
    let mut lines =
        patch.lines().enumerate().skip_while(|(_, line)| line.trim().is_empty() || is_fence(line));
    if lines.next().is_none_or(|(_, line)| line.trim() != "*** Begin Patch") {
        return Err(ParseError::NoBegin);
    }
    let mut sections: Vec<Section> = Vec::new();
    for (index, line) in lines {
        let number = index + 1;
        if line.trim() == "*** End Patch" {
            return finished(sections);
        }
        if let Some(section) = header(line) {
            if sections.len() == SECTIONS_MAX {
                return Err(ParseError::TooLong);
            }
            sections.push(section);
            continue;
        }
        let fault = |expected| ParseError::Line { number, expected, line: line.chars().take(80).collect() };
        match sections.last_mut().map(|section| &mut section.change) {
            None if line.trim().is_empty() => {}
            None => return Err(fault("`*** Update File: `, `*** Add File: ` or `*** Delete File: `")),
            Some(Change::Delete) if line.trim().is_empty() => {}
            Some(Change::Delete) => return Err(fault("the header of a file")),
            Some(Change::Add(content)) => {
                let added = line.strip_prefix('+').or_else(|| line.is_empty().then_some(""));
                content.push_str(added.ok_or_else(|| fault("a line with `+`"))?);
                content.push('\n');
            }
            Some(Change::Update { move_to, hunks }) => match line.strip_prefix("*** Move to: ") {
                Some(path) if hunks.is_empty() && move_to.is_none() => {
                    *move_to = Some(path.trim().to_owned())
                }
                Some(_) => return Err(fault("a change; the new path follows the header")),
                None => update(hunks, line, number)
                    .ok_or_else(|| fault("`@@`, or a line that begins with a space, `-` or `+`"))?,
            },
        }
    }
    Err(ParseError::NoEnd)
}

fn finished(sections: Vec<Section>) -> Result<Vec<Section>, ParseError> {
    for Section { path, change } in &sections {
        if let Change::Update { move_to: None, hunks } = change
            && hunks.iter().all(|hunk| hunk.lines.iter().all(|line| matches!(line, Line::Context(_))))
        {
            return Err(ParseError::NoHunk { path: path.clone() });
        }
    }
    if sections.is_empty() { Err(ParseError::Empty) } else { Ok(sections) }
}

/// Returns `true` for a line of a Markdown fence, which models put around a patch.
fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

fn header(line: &str) -> Option<Section> {
    let line = line.trim_end();
    let section = |path: &str, change| Some(Section { path: path.trim().to_owned(), change });
    if let Some(path) = line.strip_prefix("*** Update File: ") {
        section(path, Change::Update { move_to: None, hunks: Vec::new() })
    } else if let Some(path) = line.strip_prefix("*** Add File: ") {
        section(path, Change::Add(String::new()))
    } else {
        section(line.strip_prefix("*** Delete File: ")?, Change::Delete)
    }
}

/// Adds a line to the hunks. Returns `None` if it is none of a hunk.
fn update(hunks: &mut Vec<Hunk>, line: &str, number: usize) -> Option<()> {
    if let Some(anchor) = line.strip_prefix("@@") {
        let anchor = anchor_of(anchor);
        match hunks.last_mut().filter(|hunk| hunk.lines.is_empty() && !hunk.at_end) {
            Some(hunk) => hunk.anchors.extend(anchor),
            None => hunks.push(Hunk { anchors: anchor.into_iter().collect(), number, ..Hunk::default() }),
        }
        return Some(());
    }
    if hunks.last().is_none_or(|hunk| hunk.at_end) {
        if line.trim().is_empty() {
            return Some(());
        }
        hunks.push(Hunk { number, ..Hunk::default() });
    }
    let hunk = hunks.last_mut()?;
    if line.trim_end() == "*** End of File" {
        hunk.at_end = true;
        return Some(());
    }
    let (kind, text) = match line.chars().next() {
        // Models leave out the space of an empty line.
        None => (' ', ""),
        Some(kind) => (kind, &line[kind.len_utf8()..]),
    };
    hunk.lines.push(match kind {
        ' ' => Line::Context(text.to_owned()),
        '-' => Line::Remove(text.to_owned()),
        '+' => Line::Add(text.to_owned()),
        _ => return None,
    });
    Some(())
}

/// Returns the text of an anchor. One of a unified diff, `@@ -1,2 +1,3 @@ text`, has it after its numbers.
fn anchor_of(text: &str) -> Option<String> {
    let text = text.trim();
    let text = match text.strip_prefix('-').and_then(|rest| rest.split_once("@@")) {
        Some((numbers, rest)) if numbers.chars().all(|c| c.is_ascii_digit() || ", +".contains(c)) => {
            rest.trim()
        }
        _ => text,
    };
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const PATCH: &str = "*** Begin Patch
*** Update File: src/a.rs
*** Move to: src/b.rs
@@ impl A
@@ fn x()
 let a = 1;
-let b = 2;
+let b = 3;

 end
@@ -9,2 +9,3 @@ fn y()
+last
*** End of File
*** Add File: new.txt
+one
+
+two
*** Delete File: old.txt
*** End Patch
";

    #[test]
    fn a_patch_has_sections_and_hunks() {
        let line = str::to_owned;
        let first = Hunk {
            anchors: vec![line("impl A"), line("fn x()")],
            lines: vec![
                Line::Context(line("let a = 1;")),
                Line::Remove(line("let b = 2;")),
                Line::Add(line("let b = 3;")),
                Line::Context(line("")),
                Line::Context(line("end")),
            ],
            at_end: false,
            number: 4,
        };
        let second = Hunk {
            anchors: vec![line("fn y()")],
            lines: vec![Line::Add(line("last"))],
            at_end: true,
            number: 11,
        };
        let section = |path: &str, change| Section { path: path.to_owned(), change };
        let expected = vec![
            section(
                "src/a.rs",
                Change::Update { move_to: Some(line("src/b.rs")), hunks: vec![first, second] },
            ),
            section("new.txt", Change::Add(line("one\n\ntwo\n"))),
            section("old.txt", Change::Delete),
        ];
        assert_eq!(parse(PATCH), Ok(expected.clone()));
        assert_eq!(parse(&PATCH.replace('\n', "\r\n")), Ok(expected.clone()));
        let fenced = parse(&format!("\n```diff\n{PATCH}```\n")).unwrap();
        assert_eq!(fenced[1..], expected[1..]);
    }

    #[rstest]
    #[case::no_begin("*** Update File: a\n", ParseError::NoBegin)]
    #[case::cut_off("*** Begin Patch\n*** Update File: a\n-x\n", ParseError::NoEnd)]
    #[case::empty("*** Begin Patch\n*** End Patch", ParseError::Empty)]
    #[case::no_hunk("*** Begin Patch\n*** Update File: a\n x\n*** End Patch", ParseError::NoHunk { path: "a".into() })]
    #[case::foreign_line(
        "*** Begin Patch\n*** Update File: a\n@@\nx\n*** End Patch",
        ParseError::Line { number: 4, expected: "`@@`, or a line that begins with a space, `-` or `+`", line: "x".into() }
    )]
    #[case::add_without_plus(
        "*** Begin Patch\n*** Add File: a\nx\n*** End Patch",
        ParseError::Line { number: 3, expected: "a line with `+`", line: "x".into() }
    )]
    fn a_fault_is_told_with_its_line(#[case] patch: &str, #[case] expected: ParseError) {
        assert_eq!(parse(patch), Err(expected));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(patch: String) {
            let _ = parse(&format!("*** Begin Patch\n{patch}\n*** End Patch"));
        }

        #[test]
        fn any_order_of_lines_is_parsed(
            lines in proptest::collection::vec(
                proptest::sample::select(vec![
                    "*** Update File: a", "*** Add File: b", "*** Delete File: c", "*** Move to: d", "@@ x", "@@",
                    "*** End of File", " c", "-r", "+a", "", "x", "@@ -1 +1 @@", "*** End Patch", "+é", "é",
                ]),
                0..20,
            )
        ) {
            if let Ok(sections) = parse(&format!("*** Begin Patch\n{}\n*** End Patch", lines.join("\n"))) {
                prop_assert!(!sections.is_empty());
            }
        }
    }
}
