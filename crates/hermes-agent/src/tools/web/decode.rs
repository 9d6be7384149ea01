//! Bytes of the web as text: kinds of content, and character sets.
//!
//! UTF-8 and windows-1252 (which the web also calls ISO-8859-1 and ASCII) are decoded. Few pages use other character sets, and their
//! tables are large. The text of such a page keeps its ASCII, and a note says so.

use std::string::FromUtf8Error;

/// The kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// HTML and XHTML.
    Html,
    /// Text, JSON, XML and the like.
    Plain,
    /// No text.
    Other,
}

/// The bytes in which a document may declare its character set (HTML standard, 13.2.3.2).
const DECLARATION_WITHIN: usize = 1024;

/// The characters of windows-1252 from 0x80 to 0x9f.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Kind {
    /// Returns the kind of a `Content-Type` in small letters. Returns `None` without one.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        let is_plain = essence.starts_with("text/")
            || subtype.ends_with("+json")
            || subtype.ends_with("+xml")
            || ["json", "xml", "javascript", "x-ndjson", "yaml", "x-yaml", "toml", "x-sh", "sql"]
                .contains(&subtype);
        match essence {
            "" => None,
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            _ if is_plain && !essence.starts_with("image/") => Some(Self::Plain),
            _ => Some(Self::Other),
        }
    }

    /// Returns the kind of a body without a `Content-Type`.
    pub(super) fn sniff(body: &[u8]) -> Self {
        let start = String::from_utf8_lossy(&body[..body.len().min(DECLARATION_WITHIN)]).to_ascii_lowercase();
        if start.contains("<!doctype html") || start.contains("<html") {
            Self::Html
        } else if start.contains('\0') || start.matches('\u{fffd}').count() > 8 {
            Self::Other
        } else {
            Self::Plain
        }
    }
}

/// Decodes a body. Returns a note if a part of it is lost.
pub(super) fn text(body: Vec<u8>, content_type: &str, kind: Kind) -> (String, Option<String>) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(body);
    let declared = charset(content_type).or_else(|| {
        let start = &body[..body.len().min(DECLARATION_WITHIN)];
        (kind == Kind::Html).then(|| charset(&String::from_utf8_lossy(start).to_ascii_lowercase())).flatten()
    });
    match declared.as_deref() {
        None => match String::from_utf8(body) {
            Ok(text) => (text, None),
            Err(error) if is_cut_utf8(&error) => (lossy(error.as_bytes()), None),
            Err(error) => (windows_1252(error.as_bytes()), None),
        },
        Some("utf-8" | "utf8") => (lossy(&body), None),
        Some("iso-8859-1" | "iso8859-1" | "latin1" | "windows-1252" | "cp1252" | "us-ascii" | "ascii") => {
            (windows_1252(&body), None)
        }
        // Many pages declare a character set and are UTF-8.
        Some(other) => match String::from_utf8(body) {
            Ok(text) => (text, None),
            Err(error) => {
                let note = format!(
                    "the page is in {other}, which web_extract does not decode: letters beyond ASCII are lost"
                );
                (lossy(error.as_bytes()), Some(note))
            }
        },
    }
}

/// Returns `true` for characters that a reader does not see, and that could carry hidden text or control a terminal.
pub(super) fn is_hidden(letter: char) -> bool {
    // Tags of Unicode repeat ASCII without being shown.
    letter.is_control() && !matches!(letter, '\n' | '\t') || matches!(letter, '\u{e0000}'..='\u{e007f}')
}

fn charset(text: &str) -> Option<String> {
    let (_, value) = text.split_once("charset=")?;
    let value = value.trim_start_matches(['"', '\'', ' ']);
    let end = value.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_:.".contains(letter));
    let name = &value[..end.unwrap_or(value.len()).min(40)];
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns `true` if the body is UTF-8 that is cut within its last character.
fn is_cut_utf8(error: &FromUtf8Error) -> bool {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    error.utf8_error().error_len().is_none() && !valid.is_ascii()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn windows_1252(bytes: &[u8]) -> String {
    let decode = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("text/html; charset=utf-8", Some(Kind::Html))]
    #[case("application/xhtml+xml", Some(Kind::Html))]
    #[case("text/plain", Some(Kind::Plain))]
    #[case("text/markdown;x", Some(Kind::Plain))]
    #[case("application/json", Some(Kind::Plain))]
    #[case("application/ld+json", Some(Kind::Plain))]
    #[case("application/rss+xml", Some(Kind::Plain))]
    #[case("image/svg+xml", Some(Kind::Other))]
    #[case("image/png", Some(Kind::Other))]
    #[case("application/octet-stream", Some(Kind::Other))]
    #[case("application/pdf", Some(Kind::Other))]
    #[case("nonsense", Some(Kind::Other))]
    #[case("", None)]
    fn content_types_have_kinds(#[case] content_type: &str, #[case] kind: Option<Kind>) {
        assert_eq!(Kind::of(content_type), kind);
    }

    #[rstest]
    #[case(b"caf\xc3\xa9", "text/plain", "café")]
    #[case(b"caf\xe9", "text/plain", "café")]
    #[case(b"caf\xe9 \x80", "text/plain; charset=\"latin1\"", "café €")]
    #[case(b"\xef\xbb\xbfcaf\xc3\xa9", "text/plain", "café")]
    #[case(b"caf\xe9", "text/plain; charset=utf-8", "caf\u{fffd}")]
    #[case::cut_within_a_character(b"caf\xc3\xa9 \xe2\x82", "text/plain", "café \u{fffd}")]
    #[case::wrong_declaration("日本".as_bytes(), "text/html; charset=shift_jis", "日本")]
    fn texts_are_decoded(#[case] body: &[u8], #[case] content_type: &str, #[case] expected: &str) {
        assert_eq!(text(body.to_vec(), content_type, Kind::Plain), (expected.to_owned(), None));
    }

    #[test]
    fn a_document_declares_its_character_set() {
        let body = b"<meta charset='iso-8859-1'>\xc3\xa9".to_vec();
        assert!(text(body.clone(), "text/html", Kind::Html).0.ends_with("Ã©"));
        assert!(text(body, "text/html", Kind::Plain).0.ends_with("é"));
    }

    #[test]
    fn a_lost_character_set_is_named() {
        let (text, note) = text(b"a\x93\xfa".to_vec(), "text/html; charset=shift_jis", Kind::Html);
        assert!(text.starts_with('a'));
        assert!(note.unwrap().contains("shift_jis"));
    }
}
