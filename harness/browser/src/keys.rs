//! Keys by their names, as a person says them: `Tab Tab Enter`, `Shift+Tab`.

use thirtyfour::Key;

/// One stroke: the keys that are held down, and the one that is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) held: Vec<char>,
    pub(super) key: char,
}

/// Reads strokes; the word that is none is the error.
pub(super) fn strokes(text: &str) -> Result<Vec<Stroke>, String> {
    text.split_whitespace().map(|word| stroke(word).ok_or_else(|| word.to_owned())).collect()
}

fn stroke(word: &str) -> Option<Stroke> {
    let mut parts: Vec<&str> = word.split('+').collect();
    let key = code(parts.pop()?)?;
    let held = parts.into_iter().map(modifier).collect::<Option<_>>()?;
    Some(Stroke { held, key })
}

fn modifier(name: &str) -> Option<char> {
    let key = match name {
        "Shift" => Key::Shift,
        "Control" => Key::Control,
        "Alt" => Key::Alt,
        "Meta" => Key::Meta,
        _ => return None,
    };
    Some(key.value())
}

fn code(name: &str) -> Option<char> {
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return Some(letter);
    }
    let key = match name {
        "Tab" => Key::Tab,
        "Enter" => Key::Enter,
        "Escape" => Key::Escape,
        // The letter, as a keyboard sends it: WebDriver's code of that name types nothing into a field.
        "Space" => return Some(' '),
        "Backspace" => Key::Backspace,
        "Delete" => Key::Delete,
        "Home" => Key::Home,
        "End" => Key::End,
        "PageUp" => Key::PageUp,
        "PageDown" => Key::PageDown,
        "Left" => Key::Left,
        "Right" => Key::Right,
        "Up" => Key::Up,
        "Down" => Key::Down,
        _ => return None,
    };
    Some(key.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_read_with_what_is_held() {
        let read = strokes("Tab Shift+Tab x Control+a Space").unwrap();
        let keys: Vec<char> = read.iter().map(|stroke| stroke.key).collect();
        assert_eq!(keys, ['\u{e004}', '\u{e004}', 'x', 'a', ' ']);
        assert!(read[0].held.is_empty());
        assert_eq!(read[1].held, ['\u{e008}']);
        assert_eq!(read[3].held, ['\u{e009}']);
    }

    #[test]
    fn a_word_that_is_no_key_is_named() {
        assert_eq!(strokes("Tab Return2"), Err("Return2".to_owned()));
        assert_eq!(strokes("Hyper+x"), Err("Hyper+x".to_owned()));
        assert_eq!(strokes("Tab+"), Err("Tab+".to_owned()));
    }
}
