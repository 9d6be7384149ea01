//! Markdown of messages (CommonMark with tables, strikethrough and task lists) as HTML of an allow-list.
//!
//! The text is hostile. Only this module writes tags, and each piece of the text passes [`escape`]. Raw HTML is text. Links lead to
//! `http`, `https` and `mailto` alone. Pictures are links, because the page loads nothing from elsewhere.

use pulldown_cmark::{Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

/// The longest text that is parsed, in bytes. A longer one is shown as it is.
const TEXT_MAX: usize = 128 * 1024;
/// The longest result, in bytes.
const HTML_MAX: usize = 1024 * 1024;
/// The deepest nesting. Deeper elements lose their tags, and keep their text.
const DEPTH_MAX: usize = 32;

/// Returns `text` as HTML.
pub(crate) fn html(text: &str) -> String {
    if text.len() > TEXT_MAX {
        return plain(text);
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut page = Page::default();
    for event in Parser::new_ext(text, options) {
        page.event(event);
        if page.out.len() > HTML_MAX {
            return plain(text);
        }
    }
    page.out
}

/// Returns `text` as it is, with its line ends.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::from("<p class=\"plain\">");
    escape(text, &mut out);
    out.push_str("</p>");
    out
}

/// Appends `text` without any character that has a meaning in HTML, also in an attribute.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
}

/// Tells whether a link may lead to `url`. Relative addresses would lead to pages of the dashboard.
fn is_allowed(url: &str) -> bool {
    let begins =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    ["http://", "https://", "mailto:"].into_iter().any(begins)
}

#[derive(Default)]
struct Page {
    out: String,
    /// The ends of the open elements. An element without tags has an empty one.
    ends: Vec<String>,
    /// The number of links that are open. Links do not nest.
    links: usize,
    is_in_head: bool,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => escape(&text, &mut self.out),
            Event::Code(text) => {
                self.out.push_str("<code>");
                escape(&text, &mut self.out);
                self.out.push_str("</code>");
            }
            Event::SoftBreak => self.out.push('\n'),
            Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(is_done) => self.out.push_str(if is_done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        if let Tag::TableHead = tag {
            self.is_in_head = true;
        }
        if self.ends.len() >= DEPTH_MAX {
            self.ends.push(String::new());
            return;
        }
        let (begin, end) = match tag {
            Tag::Paragraph => ("<p>", "</p>"),
            // The page has headings of the first two levels.
            Tag::Heading { level, .. } => match level {
                HeadingLevel::H1 => ("<h3>", "</h3>"),
                HeadingLevel::H2 => ("<h4>", "</h4>"),
                HeadingLevel::H3 => ("<h5>", "</h5>"),
                _ => ("<h6>", "</h6>"),
            },
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(_) => ("<pre class=\"code\" tabindex=\"0\"><code>", "</code></pre>"),
            Tag::HtmlBlock => ("<p class=\"plain\">", "</p>"),
            Tag::List(Some(first)) => {
                self.open(&format!("<ol start=\"{first}\">"), "</ol>");
                return;
            }
            Tag::List(None) => ("<ul>", "</ul>"),
            Tag::Item => ("<li>", "</li>"),
            Tag::Table(_) => ("<div class=\"scroll\"><table>", "</table></div>"),
            Tag::TableHead => ("<thead><tr>", "</tr></thead>"),
            Tag::TableRow => ("<tr>", "</tr>"),
            Tag::TableCell if self.is_in_head => ("<th scope=\"col\">", "</th>"),
            Tag::TableCell => ("<td>", "</td>"),
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Strikethrough => ("<del>", "</del>"),
            Tag::Link { link_type: LinkType::Email, dest_url, .. } => {
                return self.link(&format!("mailto:{dest_url}"), "");
            }
            Tag::Link { dest_url, .. } => return self.link(&dest_url, ""),
            Tag::Image { dest_url, .. } => return self.link(&dest_url, "Picture: "),
            _ => ("", ""),
        };
        self.open(begin, end);
    }

    fn open(&mut self, begin: &str, end: &str) {
        self.out.push_str(begin);
        self.ends.push(end.to_owned());
    }

    /// Begins a link. An address that is not allowed, or is within a link, becomes text.
    fn link(&mut self, url: &str, word: &str) {
        let mut shown = String::new();
        escape(url, &mut shown);
        if is_allowed(url) && self.links == 0 {
            let begin = format!("<a href=\"{shown}\" rel=\"noopener noreferrer nofollow\">{word}");
            self.open(&begin, "</a>");
        } else {
            self.open(word, &format!(" ({shown})"));
        }
        self.links += 1;
    }

    fn end(&mut self, tag: TagEnd) {
        if tag == TagEnd::TableHead {
            self.is_in_head = false;
        }
        let end = self.ends.pop().unwrap_or_default();
        if matches!(tag, TagEnd::Link | TagEnd::Image) && !end.is_empty() {
            self.links = self.links.saturating_sub(1);
        }
        self.out.push_str(&end);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::paragraph(
        "a *b* **c** ~~d~~ `e<`",
        "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e&lt;</code></p>"
    )]
    #[case::heading("# one\n#### four", "<h3>one</h3><h6>four</h6>")]
    #[case::code(
        "```rust\nlet a = \"<b>\";\n```",
        "<pre class=\"code\" tabindex=\"0\"><code>let a = &quot;&lt;b&gt;&quot;;\n</code></pre>"
    )]
    #[case::list("3. a\n4. b", "<ol start=\"3\"><li>a</li><li>b</li></ol>")]
    #[case::tasks("- [x] a\n- [ ] b", "<ul><li>☑ a</li><li>☐ b</li></ul>")]
    #[case::table(
        "|a|b|\n|-|-|\n|1|2|",
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead><tr><td>1</td><td>2</td></tr></table></div>"
    )]
    #[case::link(
        "[a](HTTPS://x.example/?a=1&b='\"2)",
        "<p><a href=\"HTTPS://x.example/?a=1&amp;b=&#39;&quot;2\" rel=\"noopener noreferrer nofollow\">a</a></p>"
    )]
    #[case::mail(
        "<me@x.example>",
        "<p><a href=\"mailto:me@x.example\" rel=\"noopener noreferrer nofollow\">me@x.example</a></p>"
    )]
    #[case::picture(
        "![alt](https://x.example/a.png)",
        "<p><a href=\"https://x.example/a.png\" rel=\"noopener noreferrer nofollow\">Picture: alt</a></p>"
    )]
    #[case::picture_in_a_link(
        "[![i](https://a.example)](https://b.example)",
        "<p><a href=\"https://b.example\" rel=\"noopener noreferrer nofollow\">Picture: i (https://a.example)</a></p>"
    )]
    #[case::break_and_rule("a\\\nb\n\n---", "<p>a<br>b</p><hr>")]
    fn markdown_becomes_html(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(html(text), expected);
    }

    #[rstest]
    #[case::script(
        "<script>alert(1)</script>",
        "<p class=\"plain\">&lt;script&gt;alert(1)&lt;/script&gt;</p>"
    )]
    #[case::inline("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>")]
    #[case::nested(
        "<div><b>x</b></div>",
        "<p class=\"plain\">&lt;div&gt;&lt;b&gt;x&lt;/b&gt;&lt;/div&gt;</p>"
    )]
    #[case::javascript("[a](javascript:alert(1))", "<p>a (javascript:alert(1))</p>")]
    #[case::mixed_case("[a](JaVaScRiPt:alert(1))", "<p>a (JaVaScRiPt:alert(1))</p>")]
    #[case::entity("[a](java&#x73;cript:alert(1))", "<p>a (javascript:alert(1))</p>")]
    #[case::tab("[a](<java\tscript:alert(1)>)", "<p>a (java\tscript:alert(1))</p>")]
    #[case::autolink("<javascript:alert(1)>", "<p>javascript:alert(1) (javascript:alert(1))</p>")]
    #[case::data(
        "![a](data:text/html;base64,PHNjcmlwdD4=)",
        "<p>Picture: a (data:text/html;base64,PHNjcmlwdD4=)</p>"
    )]
    #[case::relative("[a](/profiles/x/delete)", "<p>a (/profiles/x/delete)</p>")]
    #[case::same_scheme("[a](//evil.example)", "<p>a (//evil.example)</p>")]
    #[case::out_of_the_attribute(
        "[a](<https://x.example/\" onclick=\"alert(1)>)",
        "<p><a href=\"https://x.example/&quot; onclick=&quot;alert(1)\" rel=\"noopener noreferrer nofollow\">a</a></p>"
    )]
    #[case::title(
        "[a](https://x.example \"\\\" onclick=\\\"alert(1)\")",
        "<p><a href=\"https://x.example\" rel=\"noopener noreferrer nofollow\">a</a></p>"
    )]
    #[case::language("```\"><script>\nx\n```", "<pre class=\"code\" tabindex=\"0\"><code>x\n</code></pre>")]
    #[case::control("a\u{0}\u{1b}[31mb", "<p>a[31mb</p>")]
    fn hostile_text_stays_text(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(html(text), expected);
    }

    #[rstest]
    #[case::brackets("[")]
    #[case::stars("*")]
    #[case::stars_apart("*a ")]
    #[case::mixed("*_[")]
    #[case::links("[a](")]
    #[case::pictures("![")]
    #[case::quotes("> ")]
    #[case::lists("- ")]
    #[case::backticks("`a``")]
    #[case::tables("|a|\n|-|\n")]
    #[case::angles("<a")]
    #[case::comments("<!--")]
    #[case::definitions("[a]: b\n\n[a][a]")]
    #[case::entities("&amp;")]
    fn hostile_repetition_takes_little_time(#[case] piece: &str) {
        for length in [TEXT_MAX, 1024 * 1024] {
            let text = piece.repeat(length / piece.len());
            let began = Instant::now();
            let out = html(&text);
            // A build for debugging, on a busy machine.
            assert!(began.elapsed().as_secs() < 5, "{length} bytes took {:?}", began.elapsed());
            assert!(out.len() <= 6 * length + 100, "{} bytes", out.len());
        }
    }

    #[test]
    fn deep_nesting_is_cut_and_keeps_its_text() {
        let out = html(&format!("{}end", "> ".repeat(1000)));
        assert_eq!(out.matches("<blockquote>").count(), DEPTH_MAX);
        assert_eq!(out.matches("</blockquote>").count(), DEPTH_MAX);
        assert!(out.contains("end"));
    }
}
