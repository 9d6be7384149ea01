//! Pages as Markdown: ordinary, broken and hostile.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn convert(html: &str) -> Document {
    of(html, &Url::parse("https://example.org/dir/page").unwrap())
}

#[rstest]
#[case::paragraphs("<p>a\n b</p><p>c<br>d", "a b\n\nc\nd")]
#[case::headings("<h1>One</h1>x<h3> Three </h3>y", "# One\n\nx\n\n### Three\n\ny")]
#[case::emphasis("a <b>bold</b>, <em> it </em>.", "a **bold**, *it* .")]
#[case::empty_emphasis("a<b></b><i> </i>b", "a b")]
#[case::links(
    "<a href='x?a=b'>rel</a> <a href=/top>top</a> <a href='#here'>here</a>",
    "[rel](https://example.org/dir/x?a=b) [top](https://example.org/top) here"
)]
#[case::odd_links(
    "<a href='javascript:x()'>js</a> <a href='/a(b)'>p</a> <a>none</a>",
    "js [p](<https://example.org/a(b)>) none"
)]
#[case::unclosed_links(
    "<a href=a>one<a href=b>two",
    "[one](https://example.org/dir/a)[two](https://example.org/dir/b)"
)]
#[case::base("<base href='//other.example/'><a href=x>y</a>", "[y](https://other.example/x)")]
#[case::lists("<ul><li>a<li>b<ol start=3><li>c</li><li><p>d</p></ol></ul>e", "- a\n- b\n  3. c\n  4. d\n\ne")]
#[case::code(
    "<p>run <code>ls  -l</code></p><pre><code>if x:\n    y\n\nz</code></pre>end",
    "run `ls -l`\n\n```\nif x:\n    y\n\nz\n```\n\nend"
)]
#[case::quotes("<blockquote><p>a<p>b</blockquote>c", "> a\n>\n> b\n\nc")]
#[case::tables("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n--- | ---\n1 | 2")]
#[case::tables_without_heads("<table><tbody><tr><td>1</td><td></td><td>3</td></tr></table>x", "1 | | 3\n\nx")]
#[case::images("<img alt='a cat' src=x><img src=y>z", "[image: a cat]z")]
#[case::skipped(
    "a<script>if (a<b) '</p>'</script><style>p{}</style><nav>menu<nav>x</nav>y</nav><svg><title>t</title></svg>b",
    "ab"
)]
#[case::noscript("a<noscript><p>b</noscript>c", "ac")]
#[case::hidden("a<div hidden>x<div>y</div>z</div><span style='display: none'>s</span>b", "ab")]
#[case::characters("&lt;b&gt; &amp;amp; &eacute; &#x1F600; a&nbsp;b", "<b> &amp; é 😀 a b")]
#[case::control_characters("a\u{1b}[31mb\u{e0041}\u{e0042}c", "a[31mbc")]
#[case::comments("a<!-- <p>hidden -->b<!doctype x>", "ab")]
#[case::cut_off("<p>a</p><p class=\"x", "a")]
#[case::rule("a<hr>b", "a\n\n---\n\nb")]
#[case::end_tags_alone("</div></ul></b></pre></blockquote></table>a", "a")]
fn elements_become_markdown(#[case] html: &str, #[case] expected: &str) {
    assert_eq!(convert(html).text, expected);
}

#[test]
fn the_title_is_no_part_of_the_text() {
    let html = "<html><head><title> A\n &amp; B </title><meta x></head><body>text<title>other</title></body>";
    let document = convert(html);
    assert_eq!(document.title.as_deref(), Some("A & B"));
    assert_eq!(document.text, "text");
    assert_eq!(convert(&format!("<title>{}", "x".repeat(5000))).title.unwrap().len(), TITLE_MAX);
    assert_eq!(convert("<title> </title>x").title, None);
}

#[rstest]
#[case::divs("<div>")]
#[case::lists("<ul><li>")]
#[case::quotes("<blockquote>")]
#[case::marks("<b><i><a href=x>")]
#[case::fonts("<font a=1><p>")]
#[case::tables("<table><tr><td>")]
#[case::code("<pre>")]
#[case::skipped("<svg>")]
#[case::hidden("<div hidden>")]
#[case::closed("</div></ul></table>")]
#[case::comments("<!--")]
#[case::attributes("<a b=")]
fn deep_pages_take_no_stack_and_little_time(#[case] open: &str) {
    let html = format!("start {}x", open.repeat(100_000));
    let start = Instant::now();
    let document = convert(&html);
    assert!(document.text.starts_with("start"), "{}", document.text.len());
    assert!(document.text.len() <= TEXT_MAX + 64 * 1024, "{}", document.text.len());
    // A parser that builds the tree of such a page needs minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_page_cannot_grow_without_limit() {
    // Each short link becomes a long one.
    let base = format!("<base href='https://example.org/{}/'>", "a".repeat(900));
    let document = convert(&format!("{base}{}", "<a href=x>y</a>".repeat(100_000)));
    assert!(document.is_cut);
    assert!(document.text.len() < TEXT_MAX + 64 * 1024, "{}", document.text.len());
}

proptest! {
    #[test]
    fn no_page_breaks_the_converter(html in "(<(/?(a|b|p|pre|ul|ol|li|table|tr|td|th|h1|blockquote|code|title|nav|br))( href=x| hidden)?>|[a-z \n&<>]){0,60}") {
        let document = convert(&html);
        prop_assert_eq!(document.text.trim_end(), &document.text);
    }
}
