//! The blocks of a text that is not complete yet: which of them end, and where.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

use super::{line_start, options};

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A paragraph. A blank line ends it.
    Paragraph,
    /// A heading or a rule. Its own line ends it.
    Line,
    /// A table or a quote. A blank line ends it.
    Region,
    /// An item of a list. The next item, or a block behind the list, ends it.
    Item,
    /// A code block between fences.
    Fenced,
    /// Another block. The next block ends it.
    Other,
}

/// A block of the top level, or an item of a list of the top level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The offset of its first line.
    pub start: usize,
    /// Its kind.
    pub kind: Kind,
}

/// Returns the blocks of the top level, in order. A list is one block for each item.
pub fn outline(source: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut depth = 0_usize;
    let mut in_list = false;
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        let kind = match &event {
            Event::Start(Tag::List(_)) if depth == 0 => {
                in_list = true;
                None
            }
            Event::Start(Tag::Item) if depth == 1 && in_list => Some(Kind::Item),
            Event::Start(tag) if depth == 0 => Some(kind_of(tag)),
            Event::Rule if depth == 0 => Some(Kind::Line),
            _ => None,
        };
        blocks.extend(kind.map(|kind| Block { start: line_start(source, range.start), kind }));
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                in_list &= depth > 0;
            }
            _ => {}
        }
    }
    blocks
}

fn kind_of(tag: &Tag<'_>) -> Kind {
    match tag {
        Tag::Paragraph => Kind::Paragraph,
        Tag::Heading { .. } => Kind::Line,
        Tag::Table(_) | Tag::BlockQuote(_) => Kind::Region,
        Tag::CodeBlock(CodeBlockKind::Fenced(_)) => Kind::Fenced,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_at_the_beginning_of_their_lines() {
        let source = "para\n\n# head\n  - one\n    - nested\n  - two\n\n---\n```x\ncode\n```\n> q\n";
        let found: Vec<_> =
            outline(source).iter().map(|block| (&source[block.start..][..4], block.kind)).collect();
        let expected = [
            ("para", Kind::Paragraph),
            ("# he", Kind::Line),
            ("  - ", Kind::Item),
            ("  - ", Kind::Item),
            ("---\n", Kind::Line),
            ("```x", Kind::Fenced),
            ("> q\n", Kind::Region),
        ];
        assert_eq!(found, expected);
    }
}
