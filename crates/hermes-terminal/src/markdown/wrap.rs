//! Breaks text into lines of a width, in columns of a terminal (Unicode Standard Annex #11).

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::face::{Face, Style};

/// A piece of text in one face. A newline in it is a hard break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// The look.
    pub face: Face,
}

/// Joins the signs of one emoji.
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// One line: spans whose neighbours have different faces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<Span>,
    width: usize,
}

impl Line {
    /// Returns a line of one face.
    pub fn of(text: impl Into<String>, face: Face) -> Self {
        let mut line = Self::default();
        line.push(text.into(), face);
        line
    }

    /// Returns a line of these spans.
    pub fn from_spans(spans: Vec<Span>) -> Self {
        let mut line = Self::default();
        spans.into_iter().for_each(|span| line.push(span.text, span.face));
        line
    }

    /// Returns the spans.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Returns the line with its SGR sequences.
    pub fn paint(&self, style: Style) -> String {
        self.spans.iter().map(|span| style.paint(&span.text, span.face)).collect()
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    fn put(&mut self, character: char, face: Face) {
        match self.spans.last_mut() {
            Some(last) if last.face == face => last.text.push(character),
            _ => self.spans.push(Span { text: character.into(), face }),
        }
    }

    /// Adds a text.
    pub(super) fn push(&mut self, text: String, face: Face) {
        let width = text.width();
        self.put_span(Span { text, face });
        self.width += width;
    }

    /// Adds a line.
    pub(super) fn append(&mut self, other: Self) {
        other.spans.into_iter().for_each(|span| self.put_span(span));
        self.width += other.width;
    }

    fn put_span(&mut self, span: Span) {
        match self.spans.last_mut() {
            _ if span.text.is_empty() => {}
            Some(last) if last.face == span.face => last.text.push_str(&span.text),
            _ => self.spans.push(span),
        }
    }

    /// Removes white space without a face from the end.
    pub(super) fn trim_end(&mut self) {
        while let Some(last) = self.spans.last_mut().filter(|last| last.face == Face::default()) {
            last.text.truncate(last.text.trim_end().len());
            if !last.text.is_empty() {
                break;
            }
            self.spans.pop();
        }
        self.width = self.spans.iter().map(|span| span.text.width()).sum();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// Breaks `spans` into lines of at most `width` columns: at white space, and beside characters that are two columns wide. A longer word
/// stays whole: the terminal breaks it, and a copied URL is then still one. The lines of a beginning of `spans` that ends behind a
/// word are the beginning of the lines of `spans`.
pub fn wrap(spans: &[Span], width: usize) -> Vec<Line> {
    let mut lines =
        Lines { width, done: Vec::new(), line: Line::default(), space: None, word: Line::default() };
    for span in spans {
        for character in span.text.chars() {
            lines.put(character, span.face);
        }
    }
    lines.finish()
}

/// Cuts a line into lines of at most `width` columns, also inside of words.
pub fn cut(line: &Line, width: usize) -> Vec<Line> {
    let mut done = Vec::new();
    let mut part = Line::default();
    for span in &line.spans {
        for character in span.text.chars() {
            let columns = character.width().unwrap_or(0);
            if part.width + columns > width && !part.is_empty() {
                done.push(std::mem::take(&mut part));
            }
            part.put(character, span.face);
            part.width += columns;
        }
    }
    done.push(part);
    done
}

struct Lines {
    width: usize,
    done: Vec<Line>,
    line: Line,
    /// White space between the line and the word. A face counts if all of it, and both neighbours, have it.
    space: Option<Face>,
    word: Line,
}

impl Lines {
    fn put(&mut self, character: char, face: Face) {
        if character == '\n' {
            self.end_word();
            self.end_line();
        } else if character.is_whitespace() && character != '\u{a0}' {
            self.end_word();
            if !self.line.is_empty() {
                let same = self.space.is_none_or(|space| space == face);
                self.space = Some(if same { face } else { Face::default() });
            }
        } else {
            let is_wide = character.width() == Some(2);
            if is_wide && !self.word.ends_with(ZERO_WIDTH_JOINER) {
                self.end_word();
            }
            self.word.put(character, face);
        }
    }

    fn end_word(&mut self) {
        let mut word = std::mem::take(&mut self.word);
        if word.is_empty() {
            return;
        }
        word.width = word.spans.iter().map(|span| span.text.width()).sum();
        let space = usize::from(self.space.is_some());
        if !self.line.is_empty() && self.line.width + space + word.width > self.width {
            self.end_line();
        } else if let Some(face) = self.space.take() {
            let is_inside = self.line.spans.last().is_some_and(|span| span.face == face)
                && word.spans.first().is_some_and(|span| span.face == face);
            self.line.put(' ', if is_inside { face } else { Face::default() });
            self.line.width += 1;
        }
        self.line.append(word);
    }

    fn end_line(&mut self) {
        self.space = None;
        self.done.push(std::mem::take(&mut self.line));
    }

    fn finish(mut self) -> Vec<Line> {
        self.end_word();
        if !self.line.is_empty() {
            self.end_line();
        }
        self.done
    }
}

impl Line {
    fn ends_with(&self, character: char) -> bool {
        self.spans.last().is_some_and(|span| span.text.ends_with(character))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn lines(text: &str, width: usize) -> Vec<String> {
        let span = Span { text: text.into(), face: Face::default() };
        wrap(&[span], width).iter().map(|line| line.paint(Style::Plain)).collect()
    }

    #[rstest]
    #[case("one two  three", 7, &["one two", "three"])]
    #[case("one two", 3, &["one", "two"])]
    #[case("a longwordhere b", 5, &["a", "longwordhere", "b"])]
    #[case("中文字符", 4, &["中文", "字符"])]
    #[case("中文字符", 5, &["中文", "字符"])]
    #[case("a\nb", 10, &["a", "b"])]
    #[case("👩\u{200d}💻👩\u{200d}💻", 2, &["👩\u{200d}💻", "👩\u{200d}💻"])]
    #[case("a\u{a0}b c", 3, &["a\u{a0}b", "c"])]
    #[case("   ", 3, &[])]
    fn text_breaks_at_its_width(#[case] text: &str, #[case] width: usize, #[case] expected: &[&str]) {
        assert_eq!(lines(text, width), expected);
    }

    proptest! {
        #[test]
        fn a_cut_line_keeps_its_text_and_fits(text in "[a-z中 ]{0,60}", width in 2_usize..30) {
            let parts = cut(&Line::of(text.clone(), Face::default()), width);
            prop_assert!(parts.iter().all(|part| part.width() <= width), "{parts:?}");
            prop_assert_eq!(parts.iter().map(|part| part.paint(Style::Plain)).collect::<String>(), text);
        }

        #[test]
        fn a_line_of_many_words_fits(text in "[a-z中 ]{0,60}", width in 1_usize..30) {
            for line in lines(&text, width) {
                let is_one_word = !line.trim_start_matches('中').contains([' ', '中']);
                prop_assert!(line.width() <= width || is_one_word, "{line:?}");
            }
        }

        #[test]
        fn words_that_follow_change_no_earlier_line(head in "[a-z中 ]{0,40}", tail in "[a-z中 ]{0,40}", width in 1_usize..30) {
            let whole = lines(&format!("{head} {tail}"), width).join("\n");
            prop_assert!(whole.starts_with(&lines(&head, width).join("\n")));
        }
    }
}
