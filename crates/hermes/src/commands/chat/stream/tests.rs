//! The display of an answer that streams.

use proptest::prelude::*;
use rstest::rstest;
use unicode_width::UnicodeWidthStr as _;

use super::*;

const ANSWER: &str = "\
# Moving a volume

First **stop** the gateway, then copy the `hermes.db` file: see [the guide](https://docs.test/move) or <https://docs.test>.
It takes *about* two minutes, ~~never~~ longer.  
A hard break.

1. Stop it:
   ```sh
   hermes gateway stop
   ```
2. Copy the directory
   - with `rsync`
   - or with `tar`

1. Start it

- [x] done
- [ ] open

> A quote that is long enough to be broken into two lines of sixty columns.
>
> > nested

| Name | Bytes | Note |
| :--- | ---: | --- |
| 文字 | 12 | wide |
| b | 3 | a cell that is so long that the column must be broken |

---
```rust
fn main() {
    println!(\"hi\");
}
```
[1]: https://source.test
";

#[test]
fn an_answer_is_readable_without_colours() {
    insta::assert_snapshot!(render(ANSWER, 60, Style::Plain));
}

#[test]
fn an_answer_is_readable_in_colours() {
    insta::assert_snapshot!(render(ANSWER, 60, Style::Coloured).replace('\u{1b}', "␛"));
}

#[test]
fn a_table_becomes_lines_on_a_narrow_terminal() {
    let table = "| Name | Size | State |\n|---|---|---|\n| first | 12 | ok |\n| second | 3 | broken |\n";
    insta::assert_snapshot!(render(table, 16, Style::Plain));
}

/// Returns the output of each piece, and of the end.
fn outputs(pieces: &[&str]) -> Vec<String> {
    let mut stream = Stream::new(40, Style::Plain);
    let mut outputs: Vec<_> = pieces.iter().map(|piece| stream.push(piece)).collect();
    outputs.push(stream.finish());
    outputs
}

#[rstest]
#[case::words(&["Hel", "lo wor", "ld, **bo", "ld** x", "\n\nNext"], &["", "Hello", " world,", " bold", " x\n", "\nNext\n"])]
#[case::items(&["- a\n- b", "\n- c\n"], &["", "• a\n• b\n", "• c\n"])]
#[case::code(&["```c\nint", " x;\n", "```\n"], &["    ── c\n", "    int x;\n", "", ""])]
#[case::heading(&["# T", "itle\n", "text"], &["", "# Title\n", "", "text\n"])]
#[case::rule_behind_text(&["text\n", "---\n", "more\n"], &["text", "\n────────────────────────────────────────\n", "more", "\n"])]
#[case::open_link(&["see [a](", "http://b) now ", "end"], &["see", "", "", " a (http://b) now end\n"])]
#[case::nothing(&["", "\n\n"], &["", "", ""])]
fn each_piece_prints_the_settled_text(#[case] pieces: &[&str], #[case] expected: &[&str]) {
    assert_eq!(outputs(pieces), expected);
}

#[test]
fn a_new_width_counts_for_the_next_block() {
    let mut stream = Stream::new(10, Style::Plain);
    let mut out = stream.push("one two three ");
    stream.resize(40);
    out.push_str(&stream.push("four five\n\none two three four"));
    out.push_str(&stream.finish());
    assert_eq!(out, "one two\nthree four\nfive\n\none two three four\n");
}

#[rstest]
#[case("\u{1b}[2J\u{1b}[Hx", "x\n")]
#[case("a \u{1b}]0;title\u{7} b\u{9b}31m", "a b\u{fffd}31m\n")]
#[case("`x\u{1b}[1A`", "`x`\n")]
#[case("&#27;[1A", "␛[1A\n")]
#[case("[x](/y\u{1b}[1A)", "x (/y)\n")]
#[case("```\n\u{1b}[1Acode\u{8}\n```", "    code␈\n")]
#[case("over\rwritten", "overwritten\n")]
#[case("<b>\u{1b}[1m</b>", "<b></b>\n")]
fn escape_sequences_of_the_model_are_removed(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(render(text, 40, Style::Plain), expected);
}

/// Removes SGR sequences.
fn without_sgr(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end =
            part.find(|character: char| !character.is_ascii_digit() && character != ';').expect("an end");
        assert_eq!(part.chars().nth(end), Some('m'), "{part:?}");
        plain.push_str(&part[end + 1..]);
    }
    plain
}

/// Texts that are likely to hold Markdown.
fn markdown_text() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "word ",
        "two words",
        "\n",
        "\n\n",
        "- ",
        "  - ",
        "1. ",
        "2) ",
        "# ",
        "> ",
        "**",
        "*",
        "_",
        "`",
        "```",
        "~~~\n",
        "|",
        " | ",
        "---",
        "===",
        "|---|---|\n",
        "| a | b |\n",
        "[",
        "](",
        ")",
        "[x]: http://y\n",
        "<",
        ">",
        "<b>",
        "<br>",
        "\\",
        "&amp;",
        "!",
        "    ",
        "\t",
        "中文",
        "👩\u{200d}💻",
        "\u{1b}[2J",
        "\u{1b}",
        "\r\n",
        "é",
        ":",
        "~",
        "  \n",
        "\u{9b}",
        "[ ] ",
    ];
    prop::collection::vec(prop::sample::select(PARTS), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_division_into_pieces_prints_the_same(text in markdown_text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), width in 1_usize..50) {
        let mut at: Vec<_> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.sort_unstable();
        let mut stream = Stream::new(width, Style::Coloured);
        let mut out = String::new();
        let mut start = 0;
        for end in at.into_iter().chain([text.len()]) {
            out.push_str(&stream.push(&text[start..end]));
            start = end;
        }
        out.push_str(&stream.finish());
        prop_assert_eq!(out, render(&text, width, Style::Coloured));
    }

    #[test]
    fn character_by_character_prints_the_same(text in markdown_text(), width in 1_usize..50) {
        let mut stream = Stream::new(width, Style::Coloured);
        let mut out: String = text.chars().map(|character| stream.push(&character.to_string())).collect();
        out.push_str(&stream.finish());
        prop_assert_eq!(out, render(&text, width, Style::Coloured));
    }

    #[test]
    fn only_sgr_sequences_reach_the_terminal(text in prop_oneof![markdown_text(), any::<String>()], width in 1_usize..50) {
        let plain = without_sgr(&render(&text, width, Style::Coloured));
        let is_shown = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
        prop_assert!(plain.chars().all(is_shown), "{plain:?}");
        let without_colours = render(&text, width, Style::Plain);
        prop_assert!(without_colours.chars().all(is_shown), "{without_colours:?}");
    }

    #[test]
    fn words_of_a_paragraph_stay_and_fit(words in prop::collection::vec("[a-z]{1,9}", 1..30)) {
        let out = render(&words.join(" "), 20, Style::Plain);
        prop_assert!(out.lines().all(|line| line.width() <= 20));
        prop_assert_eq!(out.split_whitespace().collect::<Vec<_>>(), words);
    }
}
