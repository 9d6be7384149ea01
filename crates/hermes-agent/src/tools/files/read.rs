//! The tool `read_file`: numbered lines of a text file. A file of any size is read in little memory.

use std::fmt::Write;
use std::io::{BufRead, BufReader};

use serde::Deserialize;

use super::failure::Failure;
use super::open::{open, path_of, shown};

/// The lines of a call without `limit`. The Python program has the same number.
const DEFAULT_LINES: u64 = 500;

/// The most bytes of an output, and of one line.
const OUTPUT_BYTES: usize = 50 * 1024;
const LINE_BYTES: usize = 2_000;

/// The first bytes of a file, which tell if it is binary.
const PROBE_BYTES: usize = 8 * 1024;

/// The bytes after the shown lines that are read to count the lines.
const COUNTED_BYTES: u64 = 64 * 1024 * 1024;

/// The arguments.
#[derive(Deserialize)]
pub(crate) struct Arguments {
    path: String,
    offset: Option<u64>,
    limit: Option<u64>,
}

/// Runs the tool.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let path = path_of(&arguments.path)?;
    let (file, length) = open("read", &path)?;
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let failed = |error| Failure::io("read", &shown(&path), error);
    let start = reader.fill_buf().map_err(failed)?;
    if let Some(kind) = binary_kind(&start[..start.len().min(PROBE_BYTES)]) {
        let cause = format!("it is no text, but {kind} of {length} bytes");
        return Err(Failure::refused("read", shown(&path), cause, "use a command for its format (terminal)"));
    }
    let first = arguments.offset.unwrap_or(1).max(1);
    let lines = read_lines(&mut reader, first, arguments.limit.unwrap_or(DEFAULT_LINES)).map_err(failed)?;
    if lines.total == 0 {
        return Ok("(the file is empty)".to_owned());
    }
    if lines.shown == 0 {
        let cause = format!("it has {} lines, and `offset` is {first}", lines.total);
        return Err(Failure::refused("read", shown(&path), cause, "use a smaller `offset`"));
    }
    Ok(with_end(lines, first))
}

/// Returns the text with a last line that tells how to go on.
fn with_end(lines: Lines, first: u64) -> String {
    let Lines { mut text, shown, total, more } = lines;
    let last = first + shown - 1;
    let total_text = if more { format!("more than {total}") } else { total.to_string() };
    let _ = match (last < total || more, first) {
        (true, _) => {
            write!(text, "[lines {first}-{last} of {total_text}; go on with offset {}]", last + 1)
        }
        (false, 1) => Ok(()),
        (false, _) => write!(text, "[lines {first}-{last} of {total_text}; this is the end]"),
    };
    text
}

/// A part of a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    /// The lines with their numbers.
    text: String,
    /// The number of lines in `text`.
    shown: u64,
    /// The counted lines of the file.
    total: u64,
    /// `true` if the count ended before the file.
    more: bool,
}

/// Reads the lines from number `first` on, at most `limit`, and counts all.
fn read_lines(reader: &mut impl BufRead, first: u64, limit: u64) -> std::io::Result<Lines> {
    let mut lines = Lines::default();
    let (mut line, mut length) = (Vec::new(), 0_usize);
    let mut is_full = false;
    let mut counted = 0_u64;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let is_wanted = !is_full && lines.total + 1 >= first && lines.shown < limit;
        if is_wanted {
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
        } else if lines.total + 1 >= first {
            counted += part.len() as u64 + 1;
        }
        length += part.len();
        let consumed = part.len() + usize::from(end.is_some());
        reader.consume(consumed);
        if end.is_some() {
            end_line(&mut lines, &mut is_full, is_wanted, &line, length);
            line.clear();
            length = 0;
            if counted > COUNTED_BYTES {
                lines.more = !reader.fill_buf()?.is_empty();
                return Ok(lines);
            }
        } else if counted > COUNTED_BYTES {
            lines.more = true;
            return Ok(lines);
        }
    }
    if length > 0 {
        let is_wanted = !is_full && lines.total + 1 >= first && lines.shown < limit;
        end_line(&mut lines, &mut is_full, is_wanted, &line, length);
    }
    Ok(lines)
}

/// Counts a line of `length` bytes, and adds its begin if it is wanted and there is room.
fn end_line(lines: &mut Lines, is_full: &mut bool, is_wanted: bool, line: &[u8], length: usize) {
    lines.total += 1;
    if !is_wanted {
        return;
    }
    let mut text = String::from_utf8_lossy(line).replace('\0', "\u{fffd}");
    if length > line.len() {
        // The cut may have divided the last character.
        text.truncate(text.trim_end_matches('\u{fffd}').len());
        let _ = write!(text, "… [{} more bytes]", length - line.len());
    } else if text.ends_with('\r') {
        text.pop();
    }
    let text = if lines.total == 1 { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
    let numbered = format!("{}|{text}\n", lines.total);
    if lines.text.len() + numbered.len() > OUTPUT_BYTES {
        *is_full = true;
        return;
    }
    lines.text.push_str(&numbered);
    lines.shown += 1;
}

/// Returns the kind of a binary file by its first bytes, or `None` for text.
fn binary_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"GIF8", "a GIF picture"),
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or office document"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"\xfd7zXZ", "an xz archive"),
        (b"\x7fELF", "a program"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xff\xfe", "a UTF-16 text"),
        (b"\xfe\xff", "a UTF-16 text"),
    ];
    let known = KINDS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind);
    known.or_else(|| start.contains(&0).then_some("a binary file"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn lines(text: &[u8], first: u64, limit: u64) -> String {
        with_end(read_lines(&mut Cursor::new(text), first, limit).unwrap(), first)
    }

    #[rstest]
    #[case::whole(b"a\nb\n", 1, 9, "1|a\n2|b\n")]
    #[case::no_newline_at_the_end(b"a\nb", 1, 9, "1|a\n2|b\n")]
    #[case::windows(b"\xef\xbb\xbfa\r\nb\r\n", 1, 9, "1|a\n2|b\n")]
    #[case::begin(b"a\nb\nc\n", 1, 2, "1|a\n2|b\n[lines 1-2 of 3; go on with offset 3]")]
    #[case::middle(b"a\nb\nc\n", 2, 1, "2|b\n[lines 2-2 of 3; go on with offset 3]")]
    #[case::end(b"a\nb\nc\n", 3, 5, "3|c\n[lines 3-3 of 3; this is the end]")]
    #[case::empty_lines(b"\n\n", 1, 5, "1|\n2|\n")]
    #[case::no_utf_8(b"a\xffb", 1, 5, "1|a\u{fffd}b\n")]
    fn lines_have_numbers_and_the_way_on(
        #[case] text: &[u8],
        #[case] first: u64,
        #[case] limit: u64,
        #[case] expected: &str,
    ) {
        assert_eq!(lines(text, first, limit), expected);
    }

    #[test]
    fn a_huge_line_is_cut() {
        let text = format!("{}\nb", "ä".repeat(1_000_000));
        let output = lines(text.as_bytes(), 1, 5);
        assert!(output.ends_with("… [1998000 more bytes]\n2|b\n"), "{}", &output[output.len() - 60..]);
        assert!(output.len() < 2_100);
    }

    #[test]
    fn an_output_has_at_most_50_kb() {
        let text = format!("{}\n", "x".repeat(1_000)).repeat(100);
        let output = lines(text.as_bytes(), 1, 2_000);
        assert!(output.len() <= OUTPUT_BYTES + 100);
        assert!(
            output.ends_with("[lines 1-51 of 100; go on with offset 52]"),
            "{}",
            &output[output.len() - 60..]
        );
    }

    #[rstest]
    #[case(b"\x89PNG\r\n\x1a\n", "a PNG picture of 8 bytes")]
    #[case(b"a\0b", "a binary file of 3 bytes")]
    #[case(b"\xff\xfea\0", "a UTF-16 text of 4 bytes")]
    fn a_binary_file_is_named_as_such(#[case] bytes: &[u8], #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, bytes).unwrap();
        let arguments = Arguments { path: path.to_str().unwrap().to_owned(), offset: None, limit: None };
        let message = run(&arguments).unwrap_err().output().content;
        assert!(message.contains(expected), "{message}");
    }

    proptest! {
        #[test]
        fn pages_give_each_line_once(lines in proptest::collection::vec("[a-z]{0,8}", 1..60), limit in 1_u64..20) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut found = Vec::new();
            while found.len() < lines.len() {
                let page = read_lines(&mut Cursor::new(text.as_bytes()), found.len() as u64 + 1, limit).unwrap();
                prop_assert_eq!(page.total, lines.len() as u64);
                found.extend(page.text.lines().map(|line| line.split_once('|').unwrap().1.to_owned()));
            }
            prop_assert_eq!(found, lines);
        }

        #[test]
        fn any_bytes_are_read_within_the_limits(bytes: Vec<u8>, first in 1_u64..9, limit in 1_u64..9) {
            let lines = read_lines(&mut Cursor::new(&bytes), first, limit).unwrap();
            prop_assert!(lines.shown <= limit && lines.shown <= lines.total);
        }
    }
}
