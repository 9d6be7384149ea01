//! The first step: old outputs of tools are forgotten. The calls stay, so the model knows what it did.

use super::DEFAULT_CONTEXT_LENGTH;
use crate::message::{Block, Message, Role, ToolResult};
use crate::repair::BlockIndex;
use crate::tokens::{self, Estimator};

/// The text in place of a forgotten output. It never changes: it is a part of the cached prefix.
pub(super) const FORGOTTEN: &str =
    "[The output of this call was removed to save space. Repeat the call if you need the output.]";

/// The tokens of the newest outputs that stay, and the smallest gain, for a model of [`DEFAULT_CONTEXT_LENGTH`].
const KEPT_TOKENS: u64 = 40_000;
const GAIN_TOKENS: u64 = 20_000;

/// Outputs to forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// Their places, in order.
    pub(super) places: Vec<BlockIndex>,
    /// The estimated tokens that are gained.
    pub(super) gain: u64,
}

/// Returns the number of tokens for a model of this context length, when `tokens` is right for the default length. A longer context
/// gives no higher number.
pub(super) fn scaled(tokens: u64, context_length: u64) -> u64 {
    let length = context_length.min(DEFAULT_CONTEXT_LENGTH);
    tokens * length / DEFAULT_CONTEXT_LENGTH
}

/// Chooses the outputs to forget: all older than the newest 40,000 tokens of outputs, if that gains 20,000 tokens. Outputs that the
/// model has not seen stay.
pub(super) fn choose(messages: &[Message], context_length: u64, estimator: &Estimator) -> Forgotten {
    let seen = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(0);
    let (mut newest, mut gain, mut places) = (0_u64, 0_u64, Vec::new());
    for (index, message) in messages.iter().enumerate().rev() {
        for (place, block) in message.blocks.iter().enumerate().rev() {
            let Block::ToolResult(result) = block else { continue };
            let cost = tokens::of_block(block);
            newest = newest.saturating_add(cost);
            let gained = cost.saturating_sub(tokens::of_block(&forgotten(result)));
            if index <= seen
                && gained > 0
                && estimator.corrected(newest) > scaled(KEPT_TOKENS, context_length)
            {
                gain += gained;
                places.push((index, place));
            }
        }
    }
    places.reverse();
    let gain = estimator.corrected(gain);
    if gain < scaled(GAIN_TOKENS, context_length).max(1) {
        return Forgotten::default();
    }
    Forgotten { places, gain }
}

fn forgotten(result: &ToolResult) -> Block {
    let (call_id, is_error) = (result.call_id.clone(), result.is_error);
    Block::ToolResult(ToolResult { call_id, content: FORGOTTEN.to_owned(), is_error })
}

/// Returns the messages from `start` on, without the outputs at `places`.
pub(super) fn without(messages: &[Message], start: usize, places: &[BlockIndex]) -> Vec<Message> {
    let mut history = messages.get(start..).unwrap_or_default().to_vec();
    for &(index, place) in places {
        let block = index
            .checked_sub(start)
            .and_then(|index| history.get_mut(index))
            .and_then(|message| message.blocks.get_mut(place));
        if let Some(block) = block
            && let Block::ToolResult(result) = block
        {
            *block = forgotten(result);
        }
    }
    history
}
