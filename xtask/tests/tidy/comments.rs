//! The comments of a Rust file, in blocks of consecutive lines.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use proc_macro2::{TokenStream, TokenTree};

/// Consecutive lines that begin with `//`, `///` or `//!`.
pub(crate) struct Block {
    /// The number of the first line, from 1.
    pub(crate) line: usize,
    /// The lines without the slashes.
    pub(crate) lines: Vec<String>,
}

/// Returns the blocks of comments of a file.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let in_literals = lines_in_literals(text);
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//").filter(|_| !in_literals.contains(&(index + 1)));
        let Some(comment) = comment else {
            is_open = false;
            continue;
        };
        let comment = comment.strip_prefix(['/', '!']).unwrap_or(comment).trim().to_owned();
        match blocks.last_mut() {
            Some(block) if is_open => block.lines.push(comment),
            _ => blocks.push(Block { line: index + 1, lines: vec![comment] }),
        }
        is_open = true;
    }
    blocks
}

impl Block {
    /// Returns the first word.
    pub(crate) fn opening(&self) -> &str {
        let first = self.lines.iter().find(|line| !line.is_empty()).map_or("", String::as_str);
        first.split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default()
    }

    /// Returns the number of words of each sentence. Code, tables and headings are left out.
    pub(crate) fn sentence_lengths(&self) -> Vec<usize> {
        let mut lengths = vec![0];
        let mut in_code = false;
        for line in &self.lines {
            let is_fence = line.starts_with("```");
            in_code ^= is_fence;
            if line.is_empty() || is_fence || line.starts_with(['-', '*', '|', '#']) {
                lengths.push(0);
            }
            if in_code || is_fence || line.starts_with(['|', '#']) {
                continue;
            }
            for word in line.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)) {
                *lengths.last_mut().unwrap() += 1;
                if word.trim_end_matches(['"', ')', '*', '`']).ends_with(['.', '?', '!']) {
                    lengths.push(0);
                }
            }
        }
        lengths.retain(|length| *length > 0);
        lengths
    }
}

/// Returns the lines that begin within a literal: slashes there are no comment.
fn lines_in_literals(text: &str) -> BTreeSet<usize> {
    fn add(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => add(group.stream(), lines),
                TokenTree::Literal(literal) => {
                    let span = literal.span();
                    lines.extend(span.start().line + 1..=span.end().line);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    let mut lines = BTreeSet::new();
    add(TokenStream::from_str(text).unwrap(), &mut lines);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_lines_are_one_block() {
        let text =
            "//! Who\n\n// What is\n/// this\nfn f() {} // not this\n  // Here.\nlet a = \"\n// no\n\";";
        let blocks = blocks(text);
        let openings: Vec<_> = blocks.iter().map(|block| (block.line, block.opening())).collect();
        assert_eq!(openings, [(1, "Who"), (3, "What"), (6, "Here")]);
    }

    #[test]
    fn a_sentence_ends_with_its_paragraph_or_item() {
        let text = "/// One two (`three`). Four\n/// five.\n///\n/// Six\n/// - seven eight\n/// ```\n/// x y\n/// ```\n/// nine";
        assert_eq!(blocks(text)[0].sentence_lengths(), [3, 2, 1, 2, 1]);
    }
}
