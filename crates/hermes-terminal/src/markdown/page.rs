//! Renders whole blocks of Markdown.

use hermes_os::printable::printable;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};

use super::face::{Face, Style};
use super::table::Table;
use super::wrap::{Line, Span, wrap};
use super::{is_blank, line_before, line_start, options};

/// The place of a text on the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The width of the terminal, in columns.
    pub width: usize,
    /// The look.
    pub style: Style,
    /// The number of the next item, if a numbered list goes on.
    pub next_number: Option<u64>,
}

/// Rendered blocks.
#[derive(Debug)]
pub struct Chunk {
    /// The lines.
    pub lines: Vec<Line>,
    /// The number that would follow, if the last block is a numbered list.
    pub next_number: Option<u64>,
}

impl Chunk {
    /// Returns the lines with their SGR sequences, each with its newline.
    pub fn paint(&self, style: Style) -> String {
        self.lines.iter().map(|line| line.paint(style) + "\n").collect()
    }
}

/// The indent of a code block.
const CODE_INDENT: &str = "    ";
/// Text gets at least this many columns, however deep it is nested.
const MIN_WIDTH: usize = 10;

/// Returns the blocks of `source` as lines.
pub fn chunk(source: &str, place: Place) -> Chunk {
    let mut page = Page::new(source, place);
    let parser = Parser::new_ext(source, options());
    let mut definitions: Vec<_> =
        parser.reference_definitions().iter().map(|(_, definition)| definition.span.clone()).collect();
    definitions.sort_by_key(|span| std::cmp::Reverse(span.start));
    for (event, range) in parser.into_offset_iter() {
        while let Some(definition) = definitions.pop_if(|definition| definition.start < range.start) {
            page.literal(definition.start, &source[definition]);
        }
        page.event(event, range.start);
    }
    while let Some(definition) = definitions.pop() {
        page.literal(definition.start, &source[definition]);
    }
    page.put_spans();
    Chunk { lines: page.out, next_number: page.next_number }
}

/// Returns a line of a code block.
pub fn code_line(line: &str) -> Line {
    let line = printable(line.as_bytes());
    let mut code = Line::default();
    if !line.trim().is_empty() {
        code.push(CODE_INDENT.to_owned(), Face::default());
        code.push(line, Face::CODE);
    }
    code
}

/// Returns the line over a code block: its language. Returns `None` if the block names none.
pub fn language_line(info: &str) -> Option<Line> {
    let language = info.split([' ', ',', '\t', '{']).next().filter(|word| !word.is_empty())?;
    let mut line = Line::of(CODE_INDENT, Face::default());
    line.push(format!("── {}", printable(language.as_bytes())), Face::DIM);
    Some(line)
}

/// The opening fence of a code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    sign: char,
    length: usize,
    indent: usize,
    /// The language and what follows it.
    pub info: String,
}

impl Fence {
    /// Reads the line that opens a code block (CommonMark 0.31.2, 4.5).
    pub fn opened_by(line: &str) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let sign = text.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
        let info = text.trim_start_matches(sign);
        let length = text.len() - info.len();
        let is_fence = indent <= 3 && length >= 3 && !(sign == '`' && info.contains('`'));
        is_fence.then(|| Self { sign, length, indent, info: info.trim().to_owned() })
    }

    /// Returns `true` if `line` ends the code block.
    pub fn is_closed_by(&self, line: &str) -> bool {
        let text = line.trim_start_matches(' ');
        let rest = text.trim_start_matches(self.sign);
        line.len() - text.len() <= 3 && text.len() - rest.len() >= self.length && rest.trim().is_empty()
    }

    /// Returns a line of the code without the indent of the fence.
    pub fn content<'a>(&self, line: &'a str) -> &'a str {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        line.get(spaces.min(self.indent)..).unwrap_or(line)
    }
}

/// The beginning of each line of a container block.
struct Prefix {
    /// Before the first line. It is taken by then.
    first: Option<Line>,
    /// Before each further line.
    rest: Line,
}

struct Page<'a> {
    source: &'a str,
    place: Place,
    out: Vec<Line>,
    /// The text of the block that is open.
    spans: Vec<Span>,
    faces: Vec<Face>,
    prefixes: Vec<Prefix>,
    /// The lists that are open: the number of the next item of each, if it has numbers.
    lists: Vec<Option<u64>>,
    links: Vec<Link>,
    table: Option<Table>,
    code: Option<String>,
    /// The number that would follow, if the last block is a numbered list.
    next_number: Option<u64>,
    /// The line whose blank line is done.
    spaced_line: Option<usize>,
}

struct Link {
    url: String,
    /// The index of its first span.
    first: usize,
}

impl<'a> Page<'a> {
    fn new(source: &'a str, place: Place) -> Self {
        Self {
            source,
            place,
            out: Vec::new(),
            spans: Vec::new(),
            faces: Vec::new(),
            prefixes: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            table: None,
            code: None,
            next_number: None,
            spaced_line: None,
        }
    }

    fn event(&mut self, event: Event<'_>, offset: usize) {
        match event {
            Event::Start(tag) => self.start(tag, offset),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.put_text(&text),
            },
            Event::Code(text) => self.put_code(&text),
            Event::Html(html) => self.put_html_lines(&html),
            Event::InlineHtml(html) if is_line_break(&html) => self.put_text("\n"),
            Event::InlineHtml(html) => self.put_text(&html),
            Event::SoftBreak => self.put_text(" "),
            Event::HardBreak => self.put_text("\n"),
            Event::Rule => {
                self.begin_block(offset);
                let rule = "─".repeat(self.width().min(40));
                self.put_line(Line::of(rule, Face::DIM));
            }
            Event::TaskListMarker(is_done) => self.put_text(if is_done { "[x] " } else { "[ ] " }),
            // The options of the parser exclude the rest.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.put_text(&text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>, offset: usize) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.begin_block(offset),
            Tag::Heading { level, .. } => {
                self.begin_block(offset);
                self.faces.push(Face {
                    bold: true,
                    underlined: level == HeadingLevel::H1,
                    ..Face::default()
                });
                if self.place.style == Style::Plain {
                    self.put_text(&format!("{} ", "#".repeat(level as usize)));
                }
            }
            Tag::BlockQuote(_) => {
                self.begin_block(offset);
                let sign = if self.place.style == Style::Plain { ">" } else { "│" };
                let mut rest = Line::of(sign, Face::DIM);
                rest.push(" ".to_owned(), Face::default());
                self.prefixes.push(Prefix { first: None, rest });
            }
            Tag::CodeBlock(kind) => {
                self.begin_block(offset);
                if let CodeBlockKind::Fenced(info) = kind
                    && let Some(line) = language_line(&info)
                {
                    self.put_line(line);
                }
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.put_spans();
                let number = first.map(|first| match self.place.next_number.take() {
                    Some(next) if self.prefixes.is_empty() => next,
                    _ => first,
                });
                self.lists.push(number);
            }
            Tag::Item => {
                self.begin_block(offset);
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let marker = format!("{number}. ");
                        *number = number.saturating_add(1);
                        marker
                    }
                    _ => "• ".to_owned(),
                };
                let rest = Line::of(" ".repeat(marker.chars().count()), Face::default());
                self.prefixes.push(Prefix { first: Some(Line::of(marker, Face::default())), rest });
            }
            Tag::Table(alignments) => {
                self.begin_block(offset);
                self.table = Some(Table::new(alignments));
            }
            Tag::TableHead | Tag::TableRow => self.table.iter_mut().for_each(Table::begin_row),
            Tag::Emphasis => self.push_face(|face| face.italic = true),
            Tag::Strong => self.push_face(|face| face.bold = true),
            Tag::Strikethrough => self.push_face(|face| face.struck = true),
            Tag::Link { dest_url, .. } => {
                self.links.push(Link { url: dest_url.into_string(), first: self.spans.len() });
                self.push_face(|face| face.underlined = true);
            }
            Tag::Image { dest_url, .. } => {
                self.links.push(Link { url: dest_url.into_string(), first: self.spans.len() });
                self.push_face(|face| face.italic = true);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.put_spans(),
            TagEnd::Heading(_) => {
                self.put_spans();
                self.faces.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.put_spans();
                self.prefixes.pop();
            }
            TagEnd::CodeBlock => {
                for line in self.code.take().unwrap_or_default().lines() {
                    self.put_line(code_line(line));
                }
            }
            TagEnd::List(_) => {
                let next = self.lists.pop().flatten();
                if self.lists.is_empty() && self.prefixes.is_empty() {
                    self.next_number = next;
                }
            }
            TagEnd::Item => {
                self.put_spans();
                if self.prefixes.last().is_some_and(|prefix| prefix.first.is_some()) {
                    self.put_line(Line::default());
                }
                self.prefixes.pop();
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.spans);
                self.table.iter_mut().for_each(|table| table.put_cell(cell.clone()));
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    table.lines(self.width()).into_iter().for_each(|line| self.put_line(line));
                }
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.faces.pop();
            }
            TagEnd::Link | TagEnd::Image => self.end_link(),
            _ => {}
        }
    }

    /// Ends the block before, and puts a blank line if the source has one here.
    fn begin_block(&mut self, offset: usize) {
        self.put_spans();
        if self.lists.is_empty() {
            self.place.next_number = None;
        }
        let line = line_start(self.source, offset);
        if self.spaced_line.replace(line) != Some(line) {
            self.next_number = None;
            if !self.out.is_empty() && line_before(self.source, offset).is_some_and(is_blank) {
                let mut blank = Line::default();
                self.prefixes.iter().for_each(|prefix| blank.append(prefix.rest.clone()));
                blank.trim_end();
                self.out.push(blank);
            }
        }
    }

    /// Puts a part of the source that is no block for the parser.
    fn literal(&mut self, offset: usize, text: &str) {
        self.begin_block(offset);
        text.lines().for_each(|line| self.put_line(Line::of(printable(line.as_bytes()), Face::default())));
    }

    fn width(&self) -> usize {
        let taken: usize = self.prefixes.iter().map(|prefix| prefix.rest.width()).sum();
        self.place.width.saturating_sub(taken).max(MIN_WIDTH)
    }

    fn face(&self) -> Face {
        self.faces.last().copied().unwrap_or_default()
    }

    fn push_face(&mut self, change: impl FnOnce(&mut Face)) {
        let mut face = self.face();
        change(&mut face);
        self.faces.push(face);
    }

    fn put_text(&mut self, text: &str) {
        let text = if text == "\n" { text.to_owned() } else { printable(text.as_bytes()) };
        self.spans.push(Span { text, face: self.face() });
    }

    /// Puts code of a line. Without colours it keeps its signs.
    fn put_code(&mut self, code: &str) {
        let code = printable(code.as_bytes());
        let text = if self.place.style == Style::Plain { format!("`{code}`") } else { code };
        self.spans.push(Span { text, face: Face { code: true, ..self.face() } });
    }

    fn put_html_lines(&mut self, html: &str) {
        html.lines().for_each(|line| self.put_line(Line::of(printable(line.as_bytes()), Face::default())));
    }

    /// Ends a link: its URL follows the text, unless it is the text.
    fn end_link(&mut self) {
        self.faces.pop();
        let Some(link) = self.links.pop() else { return };
        let shown: String = self.spans.iter().skip(link.first).map(|span| span.text.as_str()).collect();
        let url = printable(link.url.as_bytes());
        if url.is_empty() || shown == url || format!("mailto:{shown}") == url {
            return;
        }
        let space = if shown.is_empty() { "" } else { " " };
        self.spans.push(Span { text: space.to_owned(), face: self.face() });
        self.spans.push(Span { text: format!("({url})"), face: Face { dim: true, ..self.face() } });
    }

    /// Puts the text of the open block, if there is one.
    fn put_spans(&mut self) {
        let spans = std::mem::take(&mut self.spans);
        for line in wrap(&spans, self.width()) {
            self.put_line(line);
        }
    }

    fn put_line(&mut self, line: Line) {
        let mut whole = Line::default();
        for part in &mut self.prefixes {
            whole.append(part.first.take().unwrap_or_else(|| part.rest.clone()));
        }
        if line.is_empty() {
            whole.trim_end();
        }
        whole.append(line);
        self.out.push(whole);
    }
}

/// Models write this tag inside of tables.
fn is_line_break(html: &str) -> bool {
    matches!(html.to_ascii_lowercase().as_str(), "<br>" | "<br/>" | "<br />")
}
