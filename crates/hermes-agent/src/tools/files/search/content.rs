//! The lines of files that match a regular expression.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkFinish, SinkMatch};

use crate::tools::files::failure::Failure;
use crate::tools::files::open::{open, shown};

/// The longest line of an output, in characters.
const LINE_CHARACTERS: usize = 400;

/// The memory of the search for one file: its longest line, in bytes.
const FILE_MEMORY: usize = 8 * 1024 * 1024;

/// The memory of a compiled expression, in bytes.
const EXPRESSION_MEMORY: usize = 4 * 1024 * 1024;

/// A line of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The number of the line.
    pub(crate) number: u64,
    /// The line, shortened.
    pub(crate) text: String,
    /// `false` for a line around a match.
    pub(crate) is_match: bool,
}

/// A search in files.
pub(crate) struct Search {
    matcher: RegexMatcher,
    searcher: Searcher,
}

impl Search {
    /// Prepares a search, with `context` lines before and after a match.
    pub(crate) fn new(pattern: &str, context: usize) -> Result<Self, Failure> {
        let matcher = RegexMatcherBuilder::new()
            .line_terminator(Some(b'\n'))
            .size_limit(EXPRESSION_MEMORY)
            .dfa_size_limit(EXPRESSION_MEMORY)
            .build(pattern)
            .map_err(|error| {
                let literal: String = pattern.chars().flat_map(escaped).collect();
                let hint = format!(
                    "the syntax is that of ripgrep, line by line, without look-around and back-references; \
                     for the text itself use {literal}"
                );
                Failure::refused("read", "the regular expression", error.to_string(), hint)
            })?;
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(Some(FILE_MEMORY))
            .before_context(context)
            .after_context(context)
            .build();
        Ok(Self { matcher, searcher })
    }

    /// Returns the number of matching lines of a file, at most `most`, and the lines for the output. These are `take` matches after the
    /// first `skip`, with their context. A binary file has none.
    pub(crate) fn file(
        &mut self,
        path: &Path,
        skip: usize,
        take: usize,
        most: usize,
    ) -> Result<(usize, Vec<Found>), Failure> {
        let (file, _) = open("search", path)?;
        let mut sink = Lines {
            skip,
            take,
            most,
            matches: 0,
            lines: BTreeMap::new(),
            before: Vec::new(),
            is_binary: false,
        };
        let searched = self.searcher.search_file(&self.matcher, &file, &mut sink);
        searched.map_err(|error| Failure::io("search", &shown(path), error))?;
        if sink.is_binary {
            return Ok((0, Vec::new()));
        }
        Ok((sink.matches, sink.lines.into_values().collect()))
    }
}

/// Collects lines.
struct Lines {
    skip: usize,
    take: usize,
    most: usize,
    matches: usize,
    lines: BTreeMap<u64, Found>,
    /// The context lines since the last match. They belong to the next one.
    before: Vec<Found>,
    is_binary: bool,
}

impl Lines {
    fn is_wanted(&self) -> bool {
        (self.skip + 1..=self.skip.saturating_add(self.take)).contains(&self.matches)
    }

    fn keep(&mut self, found: Found) {
        self.lines.insert(found.number, found);
    }
}

impl Sink for Lines {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, line: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.matches += 1;
        let before = std::mem::take(&mut self.before);
        if self.is_wanted() {
            before.into_iter().for_each(|found| self.keep(found));
            self.keep(Found {
                number: line.line_number().unwrap_or(0),
                text: short(line.bytes()),
                is_match: true,
            });
        }
        Ok(self.matches < self.most)
    }

    fn context(&mut self, _: &Searcher, line: &SinkContext<'_>) -> Result<bool, io::Error> {
        let found =
            Found { number: line.line_number().unwrap_or(0), text: short(line.bytes()), is_match: false };
        match line.kind() {
            grep_searcher::SinkContextKind::After if self.is_wanted() => self.keep(found),
            grep_searcher::SinkContextKind::Before => self.before.push(found),
            _ => {}
        }
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> Result<bool, io::Error> {
        self.is_binary = true;
        Ok(false)
    }

    fn finish(&mut self, _: &Searcher, end: &SinkFinish) -> Result<(), io::Error> {
        self.is_binary |= end.binary_byte_offset().is_some();
        Ok(())
    }
}

/// Returns a line without its end, shortened.
fn short(line: &[u8]) -> String {
    // A character has at most four bytes.
    let is_long = line.len() > 4 * LINE_CHARACTERS;
    let text = String::from_utf8_lossy(if is_long { &line[..4 * LINE_CHARACTERS] } else { line });
    let text = text.trim_end_matches(['\n', '\r']);
    match text.char_indices().nth(LINE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if is_long => format!("{text}…"),
        None => text.to_owned(),
    }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let needs = r"\.+*?()|[]{}^$#&-~".contains(character);
    needs.then_some('\\').into_iter().chain([character])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn search(content: &[u8], pattern: &str, context: usize, skip: usize, take: usize) -> (usize, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, content).unwrap();
        let (count, lines) = Search::new(pattern, context).unwrap().file(&path, skip, take, 1_000).unwrap();
        let line = |found: &Found| {
            format!("{}{}{}", found.number, if found.is_match { '|' } else { '-' }, found.text)
        };
        (count, lines.iter().map(line).collect::<Vec<_>>().join(" "))
    }

    #[rstest]
    #[case::all("a\nb\nab\r\n", "a", 0, 0, 9, 2, "1|a 3|ab")]
    #[case::second("a\nb\na\n", "a", 0, 1, 1, 2, "3|a")]
    #[case::context("1\n2\nx\n4\n5\n", "x", 1, 0, 9, 1, "2-2 3|x 4-4")]
    #[case::shared_context("x\n2\nx\n", "x", 2, 0, 9, 2, "1|x 2-2 3|x")]
    #[case::context_of_a_skipped_match("x\n2\n3\nx\n5\n", "x", 1, 1, 9, 2, "3-3 4|x 5-5")]
    #[case::ends("ab\nb\n", "^b$", 0, 0, 9, 1, "2|b")]
    #[case::none("a\n", "z", 0, 0, 9, 0, "")]
    fn matching_lines_have_numbers_and_context(
        #[case] content: &str,
        #[case] pattern: &str,
        #[case] context: usize,
        #[case] skip: usize,
        #[case] take: usize,
        #[case] count: usize,
        #[case] lines: &str,
    ) {
        assert_eq!(search(content.as_bytes(), pattern, context, skip, take), (count, lines.to_owned()));
    }

    #[test]
    fn binary_files_have_no_matches() {
        assert_eq!(search(b"abc\n\0\nabc\n", "abc", 0, 0, 9), (0, String::new()));
    }

    #[test]
    fn a_long_line_is_shortened() {
        let content = "ä".repeat(100_000);
        let (count, lines) = search(content.as_bytes(), "ä", 0, 0, 9);
        assert_eq!((count, lines.chars().count()), (1, 2 + LINE_CHARACTERS + 1));
    }

    #[rstest]
    #[case("foo(", r"for the text itself use foo\(")]
    #[case("(?=x)", "without look-around")]
    #[case("a\nb", "line by line")]
    #[case("\\w{1000}{1000}", "failed to read the regular expression")]
    fn a_faulty_expression_is_explained(#[case] pattern: &str, #[case] expected: &str) {
        let Err(failure) = Search::new(pattern, 0) else { panic!("{pattern} is taken") };
        let message = failure.output().content;
        assert!(message.contains(expected), "{message}");
    }

    proptest! {
        #[test]
        fn an_escaped_text_finds_itself(text in "[ -~äß]{1,12}") {
            let pattern: String = text.chars().flat_map(escaped).collect();
            prop_assert_eq!(search(text.as_bytes(), &pattern, 0, 0, 9).0, 1, "{}", pattern);
        }
    }
}
