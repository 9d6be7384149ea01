//! The IDs of tool calls in an answer.

use std::collections::BTreeSet;

use crate::message::Block;

/// Gives each call an ID of its own: a server may send none, or the same for two.
pub(super) fn give_own_ids(blocks: &mut [Block]) {
    let mut seen = BTreeSet::new();
    for block in blocks {
        let Block::ToolCall(call) = block else { continue };
        while call.id.is_empty() || !seen.insert(call.id.clone()) {
            call.id = format!("call_{:016x}", getrandom::u64().unwrap_or_default());
        }
    }
}
