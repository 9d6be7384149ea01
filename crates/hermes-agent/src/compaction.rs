//! Compaction: the planning of a shorter history, without I/O.
//!
//! It has two steps. Old outputs of tools are forgotten first. If that is not enough, the model summarises the older messages. The
//! user's words stay verbatim. A call and its result are never separated.
//!
//! The driver does this:
//! 1. It asks [`is_due`] before a model call, and then [`plan`]s.
//! 2. If the plan [needs a summary](Plan::request), it calls the model. If the provider says that the prompt is too long, it
//!    [shortens the request](Plan::drop_oldest) and calls again.
//! 3. It [applies](Plan::apply) the plan and [records](Gains::record) the gain. After two poor gains, it stops to compact.

use crate::message::Message;

mod forget;
mod plan;
mod reference;
mod request;
#[cfg(test)]
mod tests;

pub use plan::{Plan, plan};

/// The context length of a model whose length is unknown, in tokens.
pub const DEFAULT_CONTEXT_LENGTH: u64 = 128_000;

/// The smallest gain that counts, in percent.
const GAIN_MIN_PERCENT: u64 = 10;

/// The number of poor gains in a row that ends compaction.
const POOR_GAINS_MAX: u8 = 2;

/// The bounds of the settings. A threshold of 0 would compact before each call, and one of 1 never.
const THRESHOLD: (f64, f64) = (0.1, 0.95);
const TARGET_RATIO: (f64, f64) = (0.02, 0.5);

/// The settings of compaction (`compression.*` of a configuration) and of the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The context length of the model, in tokens (`model.context_length`).
    pub context_length: u64,
    /// The share of the context length at which compaction is due (`compression.threshold`).
    pub threshold: f64,
    /// The share of the threshold that the newest messages keep (`compression.target_ratio`).
    pub target_ratio: f64,
    /// The number of newest messages that stay, unless they are too long (`compression.protect_last_n`).
    pub protect_last_n: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { context_length: DEFAULT_CONTEXT_LENGTH, threshold: 0.5, target_ratio: 0.2, protect_last_n: 20 }
    }
}

impl Limits {
    /// Returns these limits with all values in their bounds.
    fn bounded(self) -> Self {
        let bounded = |value: f64, (min, max): (f64, f64), default: f64| {
            if value.is_nan() { default } else { value.clamp(min, max) }
        };
        let default = Self::default();
        Self {
            context_length: self.context_length.max(1),
            threshold: bounded(self.threshold, THRESHOLD, default.threshold),
            target_ratio: bounded(self.target_ratio, TARGET_RATIO, default.target_ratio),
            protect_last_n: self.protect_last_n,
        }
    }

    /// Returns the tokens at which compaction is due.
    fn due_at(self) -> u64 {
        share(self.context_length, self.threshold)
    }
}

/// Returns a share of a number of tokens.
fn share(tokens: u64, ratio: f64) -> u64 {
    (tokens as f64 * ratio) as u64
}

/// The cause of a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// [`is_due`], since the provider reported this number of tokens for the last prompt.
    Due {
        /// The reported tokens.
        reported: u64,
    },
    /// The user asked for it.
    Requested,
    /// The provider rejected the prompt as too long. So the context length of the settings may be wrong.
    TooLong,
}

/// Returns `true` if the last prompt reached the threshold. Only the provider's own count can say that, never an estimate.
pub fn is_due(last_reported_input: Option<u64>, context_length: u64, threshold: f64) -> bool {
    let limits = Limits { context_length, threshold, ..Limits::default() }.bounded();
    last_reported_input.is_some_and(|reported| reported >= limits.due_at())
}

/// A compacted history.
#[derive(Clone, Debug, PartialEq)]
pub struct Compacted {
    /// The messages for the model.
    pub history: Vec<Message>,
    /// The number of new messages at the beginning of `history`: the reference, and copies of the user's
    /// newest messages if they lie before `kept_from`.
    pub added: usize,
    /// The index of the first old message that stays. The messages before it are hidden from the model.
    pub kept_from: usize,
    /// The outputs of old messages that are forgotten: the index of the message, and of the block in it.
    pub forgotten: Vec<(usize, usize)>,
    /// The estimated tokens of the messages before.
    pub before: u64,
    /// The estimated tokens of `history`.
    pub after: u64,
}

/// The reason why a compaction gains nothing. The history stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGain {
    /// The history has no messages that may be summarised.
    #[error("failed to compact the conversation: it has no older messages that may go")]
    NothingOld,
    /// The model answered without a text.
    #[error("failed to compact the conversation: the model returned no summary")]
    NoSummary,
    /// The result is no shorter.
    #[error("failed to compact the conversation: the summary is as long as the messages that it stands for")]
    NotShorter,
}

/// The gains of the compactions of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gains {
    poor: u8,
}

impl Gains {
    /// The sentence for the user when compaction stops.
    pub const STOPPED: &str = "Compaction stopped: two in a row gained less than 10 %. Begin a new session, or set \
                               model.context_length if the model's context is longer.";

    /// Records a compaction by the estimated tokens before and after. One without a gain has equal numbers.
    pub fn record(&mut self, before: u64, after: u64) {
        let gain = before.saturating_sub(after);
        let is_poor = gain.saturating_mul(100) < before.saturating_mul(GAIN_MIN_PERCENT) || before == 0;
        self.poor = if is_poor { self.poor.saturating_add(1) } else { 0 };
    }

    /// Returns `true` after two poor gains in a row. Then no compaction begins by itself, and the user is told [`Gains::STOPPED`].
    pub fn are_exhausted(self) -> bool {
        self.poor >= POOR_GAINS_MAX
    }
}
