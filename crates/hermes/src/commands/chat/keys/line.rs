//! A line that a person types without seeing it.

/// The longest text, in bytes. Further keys are ignored until Enter.
const MAX: usize = 64 * 1024;

const BACKSPACE: u8 = 0x7f;
const CONTROL_H: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const ESCAPE: u8 = 0x1b;

/// The keys so far: texts that Enter ended, and the one behind them.
#[derive(Debug, Default)]
pub(super) struct TypedLine {
    ended: Vec<String>,
    rest: Vec<u8>,
    escape: Escape,
}

/// The place in a sequence of bytes that one key sends, as an arrow does (ECMA-48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// The byte behind ESC comes next.
    Begun,
    /// The sequence ends with a byte from `@` to `~`.
    Parameters,
}

impl TypedLine {
    /// Returns a line that begins with `text`.
    pub(super) fn begun(text: &str) -> Self {
        Self { rest: text.as_bytes().to_vec(), ..Self::default() }
    }

    /// Adds keys.
    pub(super) fn push(&mut self, keys: &[u8]) {
        for key in keys {
            self.press(*key);
        }
    }

    fn press(&mut self, key: u8) {
        match (self.escape, key) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Parameters,
            (Escape::Begun, _) | (Escape::Parameters, b'@'..=b'~') => self.escape = Escape::None,
            (Escape::Parameters, _) => {}
            (Escape::None, ESCAPE) => self.escape = Escape::Begun,
            (Escape::None, b'\r' | b'\n') => {
                let text = self.take_rest();
                if !text.trim().is_empty() {
                    self.ended.push(text.trim_end().to_owned());
                }
            }
            (Escape::None, BACKSPACE | CONTROL_H) => {
                let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
                while self.rest.pop().is_some_and(is_continuation) {}
            }
            (Escape::None, CONTROL_U) => self.rest.clear(),
            (Escape::None, b'\t') => self.rest.push(b' '),
            (Escape::None, control) if control.is_ascii_control() => {}
            (Escape::None, key) if self.rest.len() < MAX => self.rest.push(key),
            (Escape::None, _) => {}
        }
    }

    /// Returns the texts that Enter ended, as one.
    pub(super) fn take_ended(&mut self) -> Option<String> {
        let ended = std::mem::take(&mut self.ended);
        (!ended.is_empty()).then(|| ended.join("\n"))
    }

    /// Returns the text that Enter has not ended.
    pub(super) fn take_rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"abc", None, "abc")]
    #[case(b"abc\r", Some("abc"), "")]
    #[case(b"one\rtwo\nthree", Some("one\ntwo"), "three")]
    #[case(b"\r\n  \r", None, "")]
    #[case("aä\x7fb\r".as_bytes(), Some("ab"), "")]
    #[case("日本\x08\r".as_bytes(), Some("日"), "")]
    #[case(b"\x7f\x7fa", None, "a")]
    #[case(b"wrong\x15right", None, "right")]
    #[case(b"a\x1b[A\x1b[1;5Cb\x1bOPc\x1bxd\r", Some("abcd"), "")]
    #[case(b"\x1b[200~pasted\x1b[201~\r", Some("pasted"), "")]
    #[case(b"a\x04\x00\x01b", None, "ab")]
    fn keys_become_texts(#[case] keys: &[u8], #[case] ended: Option<&str>, #[case] rest: &str) {
        let mut line = TypedLine::default();
        line.push(keys);
        assert_eq!((line.take_ended().as_deref(), line.take_rest().as_str()), (ended, rest));
    }

    proptest! {
        #[test]
        fn the_pieces_of_the_keys_do_not_matter(keys: Vec<u8>, cut in 0_usize..50) {
            let (mut whole, mut pieces) = (TypedLine::default(), TypedLine::default());
            whole.push(&keys);
            let (one, other) = keys.split_at(cut.min(keys.len()));
            pieces.push(one);
            pieces.push(other);
            prop_assert_eq!(whole.take_ended(), pieces.take_ended());
            prop_assert_eq!(whole.take_rest(), pieces.take_rest());
        }
    }
}
