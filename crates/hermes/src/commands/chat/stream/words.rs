//! Finds the words of an open paragraph whose look no later text changes.

/// Returns the beginning of the paragraph `text` that ends behind a word and has no open mark: emphasis, code, link or HTML. Returns
/// `None` if the text may be another block, or if no word is settled.
pub(super) fn settled(text: &str) -> Option<&str> {
    let mut end = 0;
    let mut marks = Marks::default();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let is_complete = line.ends_with('\n');
        if !is_text(line, is_complete) {
            break;
        }
        for (index, character) in line.char_indices() {
            if character.is_whitespace() && marks.are_closed() && !line[..index].ends_with('\\') {
                end = offset + index;
            }
            marks.put(character);
        }
        offset += line.len();
    }
    text.get(..end).filter(|settled| !settled.trim().is_empty())
}

/// Returns `true` if the line is the text of a paragraph: its first word shows it.
fn is_text(line: &str, is_complete: bool) -> bool {
    let text = line.trim_start_matches(' ');
    let Some(word) = text.split(char::is_whitespace).next().filter(|word| !word.is_empty()) else {
        return false;
    };
    let has_end = is_complete || word.len() < text.len();
    let is_number = word.trim_end_matches(['.', ')']).chars().all(|character| character.is_ascii_digit());
    let begins_block = word.starts_with(['#', '>', '~', '|', '<', '[', '=', '+', '-', ':', '\t'])
        || word.starts_with("```")
        || is_number && word.ends_with(['.', ')']);
    has_end && !begins_block && line.len() - text.len() <= 3 && word.chars().any(char::is_alphanumeric)
}

/// The marks of a line that are open.
#[derive(Default)]
struct Marks {
    /// A mark that this module does not follow to its end.
    is_unclear: bool,
    /// The length of the run of backticks that opened code.
    code: Option<usize>,
    /// The runs that opened emphasis.
    emphasis: Vec<(char, usize)>,
    run: Option<(char, usize)>,
    before_run: Option<char>,
    last: Option<char>,
}

impl Marks {
    fn put(&mut self, character: char) {
        match &mut self.run {
            Some((sign, length)) if *sign == character => *length += 1,
            _ => {
                self.end_run(character);
                if matches!(character, '*' | '_' | '`' | '~') {
                    self.run = Some((character, 1));
                    self.before_run = self.last;
                }
            }
        }
        // Links, HTML and escapes: their end is not sought.
        self.is_unclear |= self.code.is_none() && matches!(character, '[' | '<' | '\\');
        self.last = Some(character);
    }

    /// Returns `true` before white space if no mark is open.
    fn are_closed(&mut self) -> bool {
        self.end_run(' ');
        !self.is_unclear && self.code.is_none() && self.emphasis.is_empty()
    }

    fn end_run(&mut self, next: char) {
        let Some((sign, length)) = self.run.take() else { return };
        if sign == '`' {
            match self.code {
                Some(opened) if opened == length => self.code = None,
                None => self.code = Some(length),
                Some(_) => {}
            }
            return;
        }
        if self.code.is_some() {
            return;
        }
        let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let is_space = |character: Option<char>| character.is_none_or(char::is_whitespace);
        let (before, next) = (self.before_run, Some(next));
        // CommonMark 0.31.2, 6.2. Punctuation counts neither as a space nor as a word.
        let follows_text = is_word(before) || !is_space(before) && !is_word(next);
        let can_close = follows_text && (sign != '_' || !is_word(next));
        if is_space(before) && is_space(next) || sign == '_' && is_word(before) && is_word(next) {
            // It is text.
        } else if is_space(before) && is_word(next) {
            self.emphasis.push((sign, length));
        } else if can_close && self.emphasis.last() == Some(&(sign, length)) {
            self.emphasis.pop();
        } else {
            self.is_unclear = true;
        }
    }
}
