//! Limits of turns, memory and money.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::SettingsError;
use super::server::ModelSettings;
use super::sources::{Sources, place};
use crate::message::Usage;

/// `compression`: when and how far the history is compacted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compression {
    /// `enabled`.
    pub enabled: bool,
    /// `threshold`: the part of the context at which compaction begins. 0.5 by default.
    pub threshold: f64,
    /// `target_ratio`: the part of the threshold that remains. 0.2 by default.
    pub target_ratio: f64,
    /// `protect_last_n`: the newest messages that stay. 20 by default.
    pub protect_last_n: usize,
}

/// The tokens that a price is for.
const PRICED_TOKENS: f64 = 1_000_000.0;

impl Price {
    /// Returns the cost of these tokens, in US dollars.
    pub fn cost(&self, usage: Usage) -> f64 {
        let fresh = usage.input.saturating_sub(usage.cached);
        let cost = |tokens: u64, price: f64| tokens as f64 * price / PRICED_TOKENS;
        cost(fresh, self.input) + cost(usage.cached, self.cached) + cost(usage.output, self.output)
    }
}

/// `memory`: the memory files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `memory_enabled`: `MEMORY.md` is part of the prompt.
    pub memory_enabled: bool,
    /// `user_profile_enabled`: `USER.md` is part of the prompt.
    pub user_profile_enabled: bool,
    /// `memory_char_limit`, in characters. 2200 by default.
    pub memory_char_limit: usize,
    /// `user_char_limit`, in characters. 1375 by default.
    pub user_char_limit: usize,
}

/// `budget`: limits of use. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// `tokens_per_day`.
    pub tokens_per_day: Option<u64>,
    /// `usd_per_day`, in US dollars.
    pub usd_per_day: Option<f64>,
    /// `tokens_per_turn`.
    pub tokens_per_turn: Option<u64>,
    /// `prices`: the price of each model by its name.
    pub prices: BTreeMap<String, Price>,
}

/// The price of a model, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the prompt from the cache. Equal to `input` if it is not set.
    pub cached: f64,
    /// Tokens of the answer.
    pub output: f64,
}

impl Memory {
    /// Returns the limit of `MEMORY.md`, in characters; `None` if the file is no part of the prompt.
    pub fn memory_limit(&self) -> Option<usize> {
        self.memory_enabled.then_some(self.memory_char_limit)
    }

    /// Returns the limit of `USER.md`, in characters; `None` if the file is no part of the prompt.
    pub fn user_limit(&self) -> Option<usize> {
        self.user_profile_enabled.then_some(self.user_char_limit)
    }
}

impl Budget {
    /// Warns of models whose use costs an unknown amount.
    pub(super) fn warn(&self, models: &[ModelSettings], warnings: &mut Vec<String>) {
        if self.usd_per_day.is_none() {
            return;
        }
        let unpriced =
            models.iter().map(|model| &model.model).filter(|model| !self.prices.contains_key(*model));
        warnings.extend(unpriced.map(|model| {
            format!("budget.usd_per_day does not count {model}: budget.prices has no price for this model")
        }));
    }
}

const PART: &str = "a number from 0 to 1";
const COUNT: &str = "a whole number of at least 0";
const POSITIVE: &str = "a whole number of at least 1";
const PRICE: &str = "a number of US dollars of at least 0";

pub(super) fn max_turns(sources: &Sources<'_>) -> Result<u32, SettingsError> {
    let turns = sources.whole("agent.max_turns", 1, POSITIVE)?.unwrap_or(90);
    Ok(u32::try_from(turns).unwrap_or(u32::MAX))
}

pub(super) fn compression(sources: &Sources<'_>) -> Result<Compression, SettingsError> {
    Ok(Compression {
        enabled: sources.boolean("compression.enabled")?.unwrap_or(true),
        threshold: sources.number("compression.threshold", 0.0..=1.0, PART)?.unwrap_or(0.5),
        target_ratio: sources.number("compression.target_ratio", 0.0..=1.0, PART)?.unwrap_or(0.2),
        protect_last_n: size(sources, "compression.protect_last_n", 20)?,
    })
}

pub(super) fn memory(sources: &Sources<'_>) -> Result<Memory, SettingsError> {
    Ok(Memory {
        memory_enabled: sources.boolean("memory.memory_enabled")?.unwrap_or(true),
        user_profile_enabled: sources.boolean("memory.user_profile_enabled")?.unwrap_or(true),
        memory_char_limit: size(sources, "memory.memory_char_limit", 2200)?,
        user_char_limit: size(sources, "memory.user_char_limit", 1375)?,
    })
}

pub(super) fn budget(sources: &Sources<'_>) -> Result<Budget, SettingsError> {
    Ok(Budget {
        tokens_per_day: sources.whole("budget.tokens_per_day", 0, COUNT)?,
        usd_per_day: sources.number("budget.usd_per_day", 0.0..=f64::MAX, PRICE)?,
        tokens_per_turn: sources.whole("budget.tokens_per_turn", 0, COUNT)?,
        prices: prices(sources)?,
    })
}

fn prices(sources: &Sources<'_>) -> Result<BTreeMap<String, Price>, SettingsError> {
    const RULE: &str = "for each model {input: USD, output: USD}, and possibly cached, per million tokens";
    let Some(setting) = sources.setting("budget.prices") else { return Ok(BTreeMap::new()) };
    let invalid = |name: &str, value: &Value| SettingsError::Invalid {
        place: place(name, setting),
        value: value.to_string(),
        rule: RULE,
    };
    let all = setting.json();
    let Value::Object(models) = &all else { return Err(invalid("budget.prices", &all)) };
    let price = |value: &Value| {
        let field = |name| value.get(name).and_then(Value::as_f64).filter(|usd| *usd >= 0.0);
        let input = field("input")?;
        let cached = if value.get("cached").is_some() { field("cached")? } else { input };
        Some(Price { input, cached, output: field("output")? })
    };
    let prices = models.iter().map(|(model, value)| {
        let price = price(value).ok_or_else(|| invalid(&format!("budget.prices.{model}"), value))?;
        Ok((model.clone(), price))
    });
    prices.collect()
}

fn size(sources: &Sources<'_>, key: &str, default: usize) -> Result<usize, SettingsError> {
    let size = sources.whole(key, 0, COUNT)?;
    Ok(size.map_or(default, |size| usize::try_from(size).unwrap_or(usize::MAX)))
}
