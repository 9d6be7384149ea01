//! JSON strings that a server cuts inside of a character.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, Visitor};

/// A text that comes in pieces, each a JSON string. A piece may end between the two halves of a surrogate pair.
#[derive(Debug, Default)]
pub(super) struct PiecedText {
    /// The first half of a pair, until the second one comes: three bytes, as WTF-8 encodes them.
    half: Vec<u8>,
}

impl PiecedText {
    /// Reads a JSON string and returns the text that it completes. Returns `None` if the JSON is no string.
    pub(super) fn push(&mut self, json: &str) -> Option<String> {
        let piece = serde_json::Deserializer::from_str(json).deserialize_bytes(Bytes).ok()?;
        let mut bytes = std::mem::take(&mut self.half);
        bytes.extend(piece);
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return Some(text);
                }
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    match (surrogate(broken), broken.get(3..).and_then(surrogate)) {
                        (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                            rest = &broken[6..];
                        }
                        (Some(0xd800..0xdc00), _) if broken.len() == 3 => {
                            self.half = broken.to_vec();
                            return Some(text);
                        }
                        (found, _) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = &broken[found.map_or(1, |_| 3)..];
                        }
                    }
                }
            }
        }
    }
}

/// Returns the surrogate that these bytes begin with.
fn surrogate(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
            Some(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f))
        }
        _ => None,
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[r#""a""#, r#""b""#], "ab")]
    #[case(&[r#""x\ud83d""#, r#""\ude00y""#], "x😀y")]
    #[case(&[r#""\ud83d\ude00é""#], "😀é")]
    #[case(&[r#""\ud83d""#, r#""z""#], "\u{fffd}z")]
    #[case(&[r#""\ude00""#], "\u{fffd}")]
    fn surrogates_cut_in_two_are_joined(#[case] pieces: &[&str], #[case] expected: &str) {
        let mut text = PiecedText::default();
        let joined: String = pieces.iter().map(|piece| text.push(piece).unwrap()).collect();
        assert_eq!(joined, expected);
    }

    #[test]
    fn other_json_is_no_text() {
        for json in ["null", "1", "{}", "[1]"] {
            assert_eq!(PiecedText::default().push(json), None, "{json}");
        }
    }
}
