//! The repair of a conversation on its way to a provider. The store keeps the messages as they were.
//!
//! A provider rejects a request with a call without a result, a result without a call, or an empty message. A kill, an import or a
//! fault of a model server leaves such messages. The same messages always give the same output, so that a provider's cache holds.

use std::collections::{HashMap, HashSet};

use crate::message::{Block, Message, Role, ToolCall, ToolResult};

/// The result of a call whose result is unknown. It never changes: the text is a part of the cached prefix.
pub const ABORTED: &str =
    "[aborted] No result of this call is known. It may have taken effect; check before you repeat it.";

/// The place of a block: the index of its message, and its index in it.
pub(crate) type BlockIndex = (usize, usize);

/// Returns the messages in a form that a provider accepts:
/// - each call has its result right behind its message; a missing one is [`ABORTED`], a displaced one moves there;
/// - results without a call go, and so do calls without a name or ID;
/// - empty texts go, and messages that are empty then;
/// - consecutive messages of the user become one message, with all blocks.
///
/// Messages that have this form already do not change.
pub fn sendable(messages: Vec<Message>) -> Vec<Message> {
    let results = results_of_calls(&messages);
    let mut sent: Vec<Message> = Vec::with_capacity(messages.len());
    let mut index = 0;
    while let Some(message) = messages.get(index) {
        match message.role {
            Role::User => push_user(&mut sent, message),
            // A result is placed behind its call, and an orphan goes.
            Role::Tool => {}
            Role::Assistant => {
                if let Some(assistant) = cleaned_assistant(message) {
                    sent.push(assistant);
                    index += push_results(&mut sent, &messages, index, &results);
                }
            }
        }
        index += 1;
    }
    sent
}

/// Returns the place of the result of each call that has one. Servers use an ID again, so the result of a call lies before the next
/// message with a call of that ID.
pub(crate) fn results_of_calls(messages: &[Message]) -> HashMap<BlockIndex, BlockIndex> {
    #[derive(Default)]
    struct Places {
        calls: Vec<BlockIndex>,
        results: Vec<BlockIndex>,
    }
    let mut by_id = HashMap::<&str, Places>::new();
    for (index, message) in messages.iter().enumerate() {
        for (place, block) in message.blocks.iter().enumerate() {
            match block {
                Block::ToolCall(call) if message.role == Role::Assistant && is_sendable_call(call) => {
                    by_id.entry(&call.id).or_default().calls.push((index, place));
                }
                Block::ToolResult(result) => {
                    by_id.entry(&result.call_id).or_default().results.push((index, place));
                }
                _ => {}
            }
        }
    }
    let mut found = HashMap::new();
    for Places { calls, results } in by_id.into_values() {
        let mut results = results.into_iter().peekable();
        let mut groups = calls.chunk_by(|one, other| one.0 == other.0).peekable();
        while let Some(group) = groups.next() {
            let message = message_of(group);
            let next = groups.peek().map_or(usize::MAX, |group| message_of(group));
            while results.next_if(|result| result.0 <= message).is_some() {}
            for &call in group {
                if let Some(result) = results.next_if(|result| result.0 < next) {
                    found.insert(call, result);
                }
            }
        }
    }
    found
}

/// Returns the message of calls that are all in one.
fn message_of(calls: &[BlockIndex]) -> usize {
    calls.first().map_or(0, |call| call.0)
}

fn is_sendable_call(call: &ToolCall) -> bool {
    !call.id.is_empty() && !call.name.trim().is_empty()
}

fn is_blank(block: &Block) -> bool {
    matches!(block, Block::Text { text } if text.trim().is_empty())
}

fn push_user(sent: &mut Vec<Message>, message: &Message) {
    let is_kept = |block: &&Block| match block {
        Block::Text { .. } => !is_blank(block),
        Block::Image { .. } | Block::Opaque(_) => true,
        Block::Reasoning { .. } | Block::ToolCall(_) | Block::ToolResult(_) => false,
    };
    let blocks: Vec<_> = message.blocks.iter().filter(is_kept).cloned().collect();
    match sent.last_mut() {
        _ if blocks.is_empty() => {}
        Some(last) if last.role == Role::User => last.blocks.extend(blocks),
        _ => sent.push(Message { role: Role::User, blocks }),
    }
}

/// Returns the message of the model without blocks that no provider accepts; `None` if no text and no call is left.
fn cleaned_assistant(message: &Message) -> Option<Message> {
    let is_kept = |block: &&Block| match block {
        Block::Text { .. } => !is_blank(block),
        Block::ToolCall(call) => is_sendable_call(call),
        Block::ToolResult(_) => false,
        Block::Image { .. } | Block::Reasoning { .. } | Block::Opaque(_) => true,
    };
    let blocks: Vec<_> = message.blocks.iter().filter(is_kept).cloned().collect();
    let says_something = blocks.iter().any(|block| matches!(block, Block::Text { .. } | Block::ToolCall(_)));
    says_something.then_some(Message { role: Role::Assistant, blocks })
}

/// Adds the results of the calls of message `index`. Returns the number of messages behind it that this dealt with.
fn push_results(
    sent: &mut Vec<Message>,
    messages: &[Message],
    index: usize,
    results: &HashMap<BlockIndex, BlockIndex>,
) -> usize {
    let behind = messages.iter().skip(index + 1).take_while(|message| message.role == Role::Tool).count();
    let places = 0..messages[index].blocks.len();
    let own: HashSet<BlockIndex> = places.filter_map(|place| results.get(&(index, place))).copied().collect();
    for (offset, message) in messages.iter().skip(index + 1).take(behind).enumerate() {
        let is_own = |place: usize| own.contains(&(index + 1 + offset, place));
        let blocks: Vec<_> = message
            .blocks
            .iter()
            .enumerate()
            .filter(|&(place, _)| is_own(place))
            .map(|(_, block)| block.clone())
            .collect();
        if !blocks.is_empty() {
            sent.push(Message { role: Role::Tool, blocks });
        }
    }
    let others = messages[index].blocks.iter().enumerate().filter_map(|(place, block)| match block {
        Block::ToolCall(call) if is_sendable_call(call) => match results.get(&(index, place)) {
            Some(&(message, _)) if message <= index + behind => None,
            Some(&(message, place)) => messages.get(message)?.blocks.get(place).cloned(),
            None => Some(aborted(call)),
        },
        _ => None,
    });
    let blocks: Vec<_> = others.collect();
    if !blocks.is_empty() {
        sent.push(Message { role: Role::Tool, blocks });
    }
    behind
}

fn aborted(call: &ToolCall) -> Block {
    Block::ToolResult(ToolResult { call_id: call.id.clone(), content: ABORTED.to_owned(), is_error: true })
}

#[cfg(test)]
pub(crate) mod tests;
