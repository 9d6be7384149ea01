//! The plan of a compaction: the messages that are summarised, and those that stay.

use super::forget::{self, Forgotten, scaled};
use super::request::Transcript;
use super::{Cause, Compacted, Limits, NoGain, reference, share};
use crate::message::{Block, Message, Role};
use crate::provider::ModelRequest;
use crate::repair;
use crate::tokens::{self, Estimator};

/// The tokens of older words of the user that stay verbatim, for a model of the default context length.
const WORDS_TOKENS: u64 = 20_000;

/// The share of the threshold that the messages may have after the first step alone. More would make the next compaction due soon.
const ENOUGH: f64 = 0.8;

/// The share of the context length that the request for a summary may have by the estimate. Some servers cut a longer prompt without
/// a word.
const REQUEST_SHARE: f64 = 0.75;

/// A plan for one history.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    forgotten: Forgotten,
    summary: Option<Summary>,
    estimator: Estimator,
}

/// The second step.
#[derive(Clone, Debug, PartialEq)]
struct Summary {
    /// The index of the first message that stays.
    cut: usize,
    /// The user's newest messages, if they lie before the cut: the newest with a text, and pictures behind it. They stay messages,
    /// since they are the present task.
    task: Vec<usize>,
    /// Older words of the user that stay.
    words: Vec<Block>,
    transcript: Transcript,
}

/// Plans the compaction of a history.
///
/// # Errors
/// Fails if there is nothing old to summarise or to forget.
pub fn plan(
    messages: &[Message],
    limits: &Limits,
    estimator: &Estimator,
    cause: Cause,
) -> Result<Plan, NoGain> {
    let limits = limits.bounded();
    // The present length bounds the share that stays. So a short history gets shorter too, when the user or the provider wants it.
    let present = estimator.messages(messages).max(1);
    let length = match cause {
        Cause::Due { .. } => limits.context_length,
        Cause::Requested | Cause::TooLong => limits.context_length.min(present),
    };
    let forgotten = forget::choose(messages, length, estimator);
    let forget_only = Plan { forgotten: forgotten.clone(), summary: None, estimator: *estimator };
    if let Cause::Due { reported } = cause
        && !forgotten.places.is_empty()
        && reported.saturating_sub(forgotten.gain) <= share(limits.due_at(), ENOUGH)
    {
        return Ok(forget_only);
    }
    match summary(messages, &forgotten, &limits, length, estimator) {
        Some(mut summary) => {
            let request_length = if cause == Cause::TooLong { length } else { limits.context_length };
            while request_tokens(&summary.transcript, estimator) > share(request_length, REQUEST_SHARE)
                && summary.transcript.drop_oldest()
            {}
            Ok(Plan { forgotten, summary: Some(summary), estimator: *estimator })
        }
        None if forgotten.places.is_empty() => Err(NoGain::NothingOld),
        None => Ok(forget_only),
    }
}

impl Plan {
    /// Returns the request for the summary; `None` if the plan needs none.
    pub fn request(&self) -> Option<ModelRequest> {
        self.summary.as_ref().map(|summary| summary.transcript.request())
    }

    /// Shortens the request after the provider rejected it as too long: the oldest messages are left out of the transcript. Returns
    /// `false` if there is no more to leave out.
    pub fn drop_oldest(&mut self) -> bool {
        self.summary.as_mut().is_some_and(|summary| summary.transcript.drop_oldest())
    }

    /// Returns the compacted history. `messages` are those of the plan; `summary` is the model's answer, if the plan needs one.
    ///
    /// # Errors
    /// Fails if the summary is missing, or if the result is no shorter.
    pub fn apply(&self, messages: &[Message], summary: &str) -> Result<Compacted, NoGain> {
        let mut history = Vec::new();
        let mut kept_from = 0;
        if let Some(plan) = &self.summary {
            if summary.trim().is_empty() {
                return Err(NoGain::NoSummary);
            }
            history.push(reference::message(plan.words.clone(), summary));
            history.extend(plan.task.iter().filter_map(|&task| messages.get(task)).cloned());
            kept_from = plan.cut;
        }
        let added = history.len();
        history.extend(forget::without(messages, kept_from, &self.forgotten.places));
        let (before, after) = (self.estimator.messages(messages), self.estimator.messages(&history));
        if after >= before {
            return Err(NoGain::NotShorter);
        }
        let places = self.forgotten.places.iter().copied();
        let forgotten = places.filter(|&(message, _)| message >= kept_from).collect();
        Ok(Compacted { history, added, kept_from, forgotten, before, after })
    }
}

fn request_tokens(transcript: &Transcript, estimator: &Estimator) -> u64 {
    let request = transcript.request();
    estimator.estimate(&request.messages, &request.system, &request.tools)
}

/// Returns the second step; `None` if there is nothing to summarise.
fn summary(
    messages: &[Message],
    forgotten: &Forgotten,
    limits: &Limits,
    length: u64,
    estimator: &Estimator,
) -> Option<Summary> {
    let cut = cut(messages, forgotten, limits, length, estimator);
    let head = messages.get(..cut)?;
    let newest = messages
        .iter()
        .rposition(|message| is_of_user(message) && !message.plain_text().trim().is_empty())
        .or_else(|| messages.iter().rposition(is_of_user));
    let is_task =
        |index: usize, message: &Message| newest.is_some_and(|newest| index >= newest) && is_of_user(message);
    let mut task = Vec::new();
    let mut transcript = Transcript::default();
    let mut words: Vec<&[Block]> = Vec::new();
    let mut summarised = 0;
    for (index, message) in head.iter().enumerate() {
        if let Some((earlier_words, earlier)) = reference::parse(message) {
            if !transcript.earlier.is_empty() {
                transcript.earlier.push_str("\n\n");
            }
            transcript.earlier.push_str(earlier);
            transcript.push_words(earlier_words);
            words.extend(earlier_words.iter().map(std::slice::from_ref));
            continue;
        }
        transcript.push(message);
        if is_task(index, message) {
            task.push(index);
            continue;
        }
        summarised += 1;
        if is_of_user(message) {
            words.push(&message.blocks);
        }
    }
    if summarised == 0 || transcript.is_empty() {
        return None;
    }
    let words = newest_words(&words, scaled(WORDS_TOKENS, length), estimator);
    Some(Summary { cut, task, words, transcript })
}

/// Returns `true` for a message with words or pictures of the user.
fn is_of_user(message: &Message) -> bool {
    message.role == Role::User && reference::parse(message).is_none() && message.blocks.iter().any(is_word)
}

fn is_word(block: &Block) -> bool {
    match block {
        Block::Text { text } => !text.trim().is_empty(),
        Block::Image { .. } => true,
        _ => false,
    }
}

/// Returns the blocks of the newest messages that fit in `limit` tokens, in order.
fn newest_words(words: &[&[Block]], limit: u64, estimator: &Estimator) -> Vec<Block> {
    let mut used = 0_u64;
    let fits = |blocks: &&&[Block]| {
        used = used.saturating_add(blocks.iter().map(tokens::of_block).sum());
        estimator.corrected(used) <= limit
    };
    let count = words.iter().rev().take_while(fits).count();
    let newest = words.get(words.len() - count..).unwrap_or_default();
    newest.iter().copied().flatten().filter(|block| is_word(block)).cloned().collect()
}

/// Returns the index of the first message that stays. The messages from it on fit in the target ratio, or are the newest
/// `protect_last_n` and have at most half of the threshold. No call is before it with a result behind it. At least the last message
/// stays.
fn cut(
    messages: &[Message],
    forgotten: &Forgotten,
    limits: &Limits,
    length: u64,
    estimator: &Estimator,
) -> usize {
    let shorter = forget::without(messages, 0, &forgotten.places);
    let costs: Vec<u64> = shorter.iter().map(tokens::of_message).collect();
    // The number of pairs that a cut before this message would separate.
    let mut separated = vec![0_i64; messages.len() + 1];
    for ((call, _), (result, _)) in repair::results_of_calls(messages) {
        if let (Some(first), true) = (separated.get_mut(call + 1), call < result) {
            *first += 1;
        }
        if let Some(end) = separated.get_mut(result + 1) {
            *end -= 1;
        }
    }
    let mut open = 0;
    let may_cut: Vec<bool> = separated
        .iter()
        .map(|change| {
            open += change;
            open == 0
        })
        .collect();

    let due_at = share(length, limits.threshold);
    let budget = share(due_at, limits.target_ratio);
    let ceiling = budget.max(due_at / 2);
    let (mut cut, mut tail, mut count) = (None, 0_u64, 0_usize);
    for (index, cost) in costs.iter().enumerate().rev() {
        tail = tail.saturating_add(*cost);
        count += 1;
        let tokens = estimator.corrected(tail);
        let fits = tokens <= budget || (count <= limits.protect_last_n && tokens <= ceiling);
        if cut.is_some() && !fits {
            break;
        }
        if may_cut.get(index) == Some(&true) {
            cut = Some(index);
        }
    }
    cut.unwrap_or(0)
}
