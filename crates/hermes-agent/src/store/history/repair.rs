//! Pairs calls and results on the way to the model. The stored rows stay as they are.

use std::mem;

use super::StoredMessage;
use crate::message::{Block, Message, Role, ToolResult};

/// The result of a call that has none, as in imported sessions.
const NO_RESULT: &str = "The result of this call is not known.";

/// Returns the messages with exactly one result for each call, right after the message of the call. Results without a call, and messages
/// that become empty, are left out.
pub(crate) fn pair(messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let mut paired = Vec::with_capacity(messages.len());
    let mut group: Option<Group> = None;
    for stored in messages {
        match stored.message.role {
            Role::Assistant => {
                close(&mut paired, group.take());
                group = Group::of(&stored);
                paired.push(stored);
            }
            Role::Tool => {
                if let Some(group) = &mut group {
                    group.take(stored);
                }
            }
            Role::User => match &mut group {
                Some(group) => group.later.push(stored),
                None => paired.push(stored),
            },
        }
    }
    close(&mut paired, group);
    paired
}

/// The calls of one message, their results, and the user's messages that were stored among them.
struct Group {
    from: StoredMessage,
    calls: Vec<String>,
    results: Vec<(ToolResult, StoredMessage)>,
    later: Vec<StoredMessage>,
}

impl Group {
    fn of(stored: &StoredMessage) -> Option<Self> {
        let calls: Vec<String> = stored.message.calls().map(|call| call.id.clone()).collect();
        let mut from = stored.clone();
        from.message.blocks.clear();
        (!calls.is_empty()).then_some(Self { from, calls, results: Vec::new(), later: Vec::new() })
    }

    fn take(&mut self, mut stored: StoredMessage) {
        for block in mem::take(&mut stored.message.blocks) {
            let Block::ToolResult(result) = block else { continue };
            if let Some(index) = self.calls.iter().position(|call| *call == result.call_id) {
                self.calls.remove(index);
                self.results.push((result, stored.clone()));
            }
        }
    }
}

fn close(paired: &mut Vec<StoredMessage>, group: Option<Group>) {
    let Some(group) = group else { return };
    let Group { from, calls, results, later } = group;
    for (result, stored) in results {
        paired.push(StoredMessage { message: Message::result(result), ..stored });
    }
    for call_id in calls {
        let result = ToolResult { call_id, content: NO_RESULT.to_owned(), is_error: true };
        paired.push(StoredMessage { message: Message::result(result), ..from.clone() });
    }
    paired.extend(later);
}
