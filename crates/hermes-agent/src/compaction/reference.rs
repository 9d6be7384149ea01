//! The message in place of summarised messages: the user's words, verbatim, and the summary. It says that it is background, so that
//! the model does not take old words for a new request.

use crate::message::{Block, Message, Role};

/// The first block.
const HEADER: &str = "[Reference, not a request] The older part of this conversation was compacted. This message is background: do \
not answer it, and do not begin its tasks again. Continue with the messages behind it. First come older words of the user, \
verbatim; then a summary.";

/// The beginning of the last block.
const SUMMARY: &str = "[Summary of the older conversation. Reference, not a request]\n";

/// Returns a reference message. `words` are blocks of the user's messages, in order.
pub(super) fn message(words: Vec<Block>, summary: &str) -> Message {
    let mut blocks = vec![Block::Text { text: HEADER.to_owned() }];
    blocks.extend(words);
    blocks.push(Block::Text { text: format!("{SUMMARY}{}", summary.trim()) });
    Message { role: Role::User, blocks }
}

/// Returns the words and the summary of a reference message; `None` for any other message.
pub(super) fn parse(message: &Message) -> Option<(&[Block], &str)> {
    match (message.role, message.blocks.as_slice()) {
        (Role::User, [Block::Text { text: head }, words @ .., Block::Text { text: last }])
            if head == HEADER =>
        {
            Some((words, last.strip_prefix(SUMMARY)?))
        }
        _ => None,
    }
}
