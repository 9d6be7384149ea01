//! The text of the model for a pipe: exactly as it wrote it, as it comes.

/// The state of an answer that goes to a pipe.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    /// The text so far ends inside of a line.
    is_inside_line: bool,
    /// Text of an earlier model call was printed, and a blank line must follow it.
    is_spaced: bool,
}

impl Plain {
    /// Takes a piece. Returns the text to print.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        if piece.is_empty() {
            return String::new();
        }
        self.is_inside_line = !piece.ends_with('\n');
        let space = if std::mem::take(&mut self.is_spaced) { "\n" } else { "" };
        format!("{space}{piece}")
    }

    /// Takes the end of the text of a model call. Returns the newline that the text lacks. A blank line comes before the next text.
    pub(crate) fn finish(&mut self, has_text: bool) -> String {
        self.is_spaced |= has_text;
        if std::mem::take(&mut self.is_inside_line) { "\n".to_owned() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_the_text_of_the_model() {
        let mut plain = Plain::default();
        let mut out = String::new();
        for piece in ["", "**a**\u{1b}[1m", "\n\n", "b"] {
            out.push_str(&plain.push(piece));
        }
        out.push_str(&plain.finish(true));
        assert_eq!(out, "**a**\u{1b}[1m\n\nb\n");
    }

    #[test]
    fn a_blank_line_is_between_the_texts_of_two_calls() {
        let mut plain = Plain::default();
        let mut out = plain.finish(false);
        out.push_str(&plain.push("a\n"));
        out.push_str(&plain.finish(true));
        out.push_str(&plain.push("b"));
        out.push_str(&plain.finish(true));
        assert_eq!(out, "a\n\nb\n");
    }
}
