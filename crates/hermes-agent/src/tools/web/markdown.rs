//! HTML as Markdown, in one pass over its tokens.
//!
//! There is no tree: time and memory grow with the length of a page, not with its depth. A page of 100,000 open `<div>`s overflows the
//! stack of tree walkers. A page of unclosed `<font>`s takes gigabytes in a parser that builds the tree of the HTML standard.

mod writer;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{EndTag, HtmlString, StartTag, Token, Tokenizer};
use reqwest::Url;

use writer::Writer;

/// The longest text that is made, in bytes.
const TEXT_MAX: usize = 2 * 1024 * 1024;

/// The longest title, in characters.
const TITLE_MAX: usize = 300;

/// The longest link, in bytes. Longer ones are data, not addresses.
const LINK_MAX: usize = 1000;

/// Elements whose content is no text of the page.
const SKIPPED: [&str; 14] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "audio", "video",
    "nav", "select", "textarea",
];

/// Elements that authors hide with an attribute, and that need an end tag.
const HIDEABLE: [&str; 8] = ["div", "span", "section", "article", "aside", "form", "dialog", "main"];

/// A page as Markdown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) title: Option<String>,
    pub(super) text: String,
    /// `true` if the text is longer than the limit.
    pub(super) is_cut: bool,
}

/// Converts a page. Relative links become absolute.
pub(super) fn of(html: &str, url: &Url) -> Document {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut converter = Converter::new(url);
    let mut is_cut = false;
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => converter.start(&tag),
            Ok(Token::EndTag(tag)) => converter.end(&tag),
            Ok(Token::String(text)) => converter.text(&String::from_utf8_lossy(&text)),
            // Reading from memory has no errors.
            _ => {}
        }
        if converter.writer.len() > TEXT_MAX {
            is_cut = true;
            break;
        }
    }
    let title = converter.title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    let title =
        title.map(|title| title.chars().take(TITLE_MAX).collect()).filter(|title: &String| !title.is_empty());
    Document { title, text: converter.writer.finish(), is_cut }
}

struct Converter {
    base: Url,
    has_base: bool,
    writer: Writer,
    /// The element whose content is skipped, and the number of its open namesakes.
    skipped: Option<(String, usize)>,
    in_title: bool,
    /// `true` after the end of the first title.
    has_title: bool,
    title: Option<String>,
    row: Row,
}

/// The state of a table's row.
#[derive(Default)]
struct Row {
    cells: usize,
    /// `true` while all cells of the first row are heads.
    is_head: bool,
    is_first: bool,
}

impl Converter {
    fn new(url: &Url) -> Self {
        Self {
            base: url.clone(),
            has_base: false,
            writer: Writer::default(),
            skipped: None,
            in_title: false,
            has_title: false,
            title: None,
            row: Row::default(),
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth += usize::from(*skipped == name);
            return;
        }
        let is_foreign = tag.self_closing && ["svg", "math"].contains(&&*name);
        if !is_foreign && (SKIPPED.contains(&&*name) || HIDEABLE.contains(&&*name) && is_hidden(tag)) {
            self.skipped = Some((name.into_owned(), 1));
            return;
        }
        match &*name {
            "title" => self.in_title = true,
            "base" if !self.has_base => {
                if let Some(base) = attribute(tag, "href").and_then(|href| self.base.join(&href).ok()) {
                    (self.base, self.has_base) = (base, true);
                }
            }
            "a" => {
                let target = attribute(tag, "href").and_then(|href| self.link(&href));
                self.writer.close("a");
                if let Some(target) = target {
                    self.writer.open("a", "[", format!("]({target})"));
                }
            }
            "b" | "strong" => self.writer.open("b", "**", "**".to_owned()),
            "i" | "em" => self.writer.open("i", "*", "*".to_owned()),
            "code" | "kbd" | "samp" => self.writer.open("code", "`", "`".to_owned()),
            "img" => {
                if let Some(alt) = attribute(tag, "alt").filter(|alt| !alt.trim().is_empty()) {
                    self.writer.text(&format!("[image: {}]", alt.trim()));
                }
            }
            "br" => self.writer.line(),
            "hr" => self.writer.rule(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.writer.block();
                self.writer.prefix(&"######"[..usize::from(name.as_bytes()[1] - b'0')]);
            }
            "pre" => self.writer.start_code(),
            "blockquote" => self.writer.start_quote(),
            "ul" | "ol" | "menu" => {
                let first = attribute(tag, "start").and_then(|start| start.trim().parse().ok()).unwrap_or(1);
                self.writer.start_list((&*name == "ol").then_some(first));
            }
            "li" => self.writer.item(),
            "table" => {
                self.writer.block();
                self.row.is_first = true;
            }
            "tr" => {
                self.end_row();
                self.row.is_head = self.row.is_first;
                self.writer.line();
            }
            "td" | "th" => {
                if self.row.cells > 0 {
                    self.writer.cell();
                }
                self.row.cells += 1;
                self.row.is_head &= &*name == "th";
            }
            _ => self.edge(&name),
        }
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth -= usize::from(*skipped == name);
            if *depth == 0 {
                self.skipped = None;
            }
            return;
        }
        match &*name {
            "title" => (self.in_title, self.has_title) = (false, self.title.is_some()),
            "a" => self.writer.close("a"),
            "b" | "strong" => self.writer.close("b"),
            "i" | "em" => self.writer.close("i"),
            "code" | "kbd" | "samp" => self.writer.close("code"),
            "pre" => self.writer.end_code(),
            "blockquote" => self.writer.end_quote(),
            "ul" | "ol" | "menu" => self.writer.end_list(),
            "tr" => self.end_row(),
            "table" => {
                self.end_row();
                self.writer.block();
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.writer.block(),
            _ => self.edge(&name),
        }
    }

    fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            return;
        }
        if self.in_title {
            if !self.has_title {
                self.title.get_or_insert_default().push_str(text);
            }
            return;
        }
        self.writer.text(text);
    }

    /// Ends lines and paragraphs at the edges of blocks.
    fn edge(&mut self, name: &str) {
        match name {
            "p" | "figure" | "details" | "dl" | "fieldset" | "form" | "section" | "article" | "main"
            | "header" | "footer" | "aside" | "center" => self.writer.block(),
            "div" | "dt" | "dd" | "figcaption" | "summary" | "caption" | "option" | "address" | "legend"
            | "thead" | "tbody" | "body" => self.writer.line(),
            _ => {}
        }
    }

    fn end_row(&mut self) {
        if self.row.cells == 0 {
            return;
        }
        if self.row.is_head && self.row.is_first && self.row.cells < 100 {
            self.writer.line();
            self.writer.text(&vec!["---"; self.row.cells].join(" | "));
        }
        self.writer.line();
        self.row = Row::default();
    }

    /// Returns the address of a link, if it leads to another page.
    fn link(&self, href: &str) -> Option<String> {
        let href = href.trim();
        if href.is_empty() || href.starts_with('#') {
            return None;
        }
        let target =
            self.base.join(href).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"))?;
        let target = target.as_str();
        let is_odd = target.contains(['(', ')', '<', '>']);
        (target.len() <= LINK_MAX).then(|| if is_odd { format!("<{target}>") } else { target.to_owned() })
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let name = HtmlString::from(name.as_bytes().to_vec());
    tag.attributes.get(&name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn is_hidden(tag: &StartTag<()>) -> bool {
    let style = attribute(tag, "style").unwrap_or_default();
    let style: String = style.chars().filter(|letter| !letter.is_whitespace()).collect();
    attribute(tag, "hidden").is_some() || style.to_ascii_lowercase().contains("display:none")
}

#[cfg(test)]
mod tests;
