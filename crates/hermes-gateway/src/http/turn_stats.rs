//! Counters of turns, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hermes_agent::message::Usage;
use hermes_agent::protocol::{Event, StopReason};
use serde::Serialize;

use super::chat::seconds;

/// The upper bounds of the histogram of the time to the first token, in seconds.
pub(crate) const FIRST_TOKEN_BOUNDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Counters of turns.
#[derive(Debug, Default)]
pub(crate) struct TurnStats {
    counts: Mutex<Counts>,
    /// The last day on which the budget was used up, in days since 1970 (UTC). 0 stands for never.
    exhausted_on: AtomicU64,
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// The ended turns by the reason of their end.
    pub(crate) ends: BTreeMap<String, u64>,
    /// The tokens by model and kind.
    pub(crate) tokens: BTreeMap<(String, &'static str), u64>,
    /// The failed turns by the class of the provider's error.
    pub(crate) errors: BTreeMap<String, u64>,
    /// The number of first tokens up to each bound of [`FIRST_TOKEN_BOUNDS`].
    pub(crate) first_tokens: [u64; FIRST_TOKEN_BOUNDS.len()],
    /// The number of first tokens.
    pub(crate) first_token_count: u64,
    /// The sum of the times to the first token, in seconds.
    pub(crate) first_token_sum: f64,
}

/// The observer of one turn.
#[derive(Debug)]
pub(crate) struct Observer<'s> {
    stats: &'s TurnStats,
    began: Instant,
    model: String,
    has_token: bool,
}

impl TurnStats {
    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the budget of the day is used up.
    pub(crate) fn budget_is_used_up(&self) -> bool {
        self.exhausted_on.load(Ordering::Relaxed) == today()
    }

    /// Returns the observer of a turn that begins now.
    pub(crate) fn observer(&self) -> Observer<'_> {
        Observer { stats: self, began: Instant::now(), model: String::new(), has_token: false }
    }
}

impl Observer<'_> {
    /// Counts an event.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::ModelCallStarted { model, .. } => self.model.clone_from(model),
            Event::TextDelta { .. } | Event::ReasoningDelta { .. } if !self.has_token => {
                self.has_token = true;
                self.stats.counts().add_first_token(self.began.elapsed().as_secs_f64());
            }
            Event::ModelCallEnded { usage } => self.stats.counts().add_tokens(&self.model, *usage),
            Event::TurnEnded(end) => {
                match end.reason {
                    StopReason::Budget => self.stats.exhausted_on.store(today(), Ordering::Relaxed),
                    // Its calls were paid for: the limit was raised, or another day began.
                    StopReason::EndTurn => self.stats.exhausted_on.store(0, Ordering::Relaxed),
                    _ => {}
                }
                let mut counts = self.stats.counts();
                *counts.ends.entry(word(&end.reason)).or_default() += 1;
                if let Some(error) = &end.error {
                    *counts.errors.entry(word(&error.class)).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}

impl Counts {
    fn add_tokens(&mut self, model: &str, usage: Usage) {
        let fresh = usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_written);
        let kinds = [
            ("input", fresh),
            ("cached", usage.cached),
            ("cache_written", usage.cache_written),
            ("output", usage.output.saturating_sub(usage.reasoning)),
            ("reasoning", usage.reasoning),
        ];
        for (kind, count) in kinds {
            *self.tokens.entry((model.to_owned(), kind)).or_default() += count;
        }
    }

    fn add_first_token(&mut self, seconds: f64) {
        for (bound, count) in FIRST_TOKEN_BOUNDS.iter().zip(&mut self.first_tokens) {
            *count += u64::from(seconds <= *bound);
        }
        self.first_token_count += 1;
        self.first_token_sum += seconds;
    }
}

/// Returns the word of a value that serialises as one.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

/// Returns the day in days since 1970, in UTC as the budget counts.
fn today() -> u64 {
    seconds() / (24 * 60 * 60)
}
