//! The rules for fields of an answer that go back to the server with the history.

/// The rule of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replay {
    /// The field of the readable reasoning. `None` drops it.
    pub(super) reasoning: Option<&'static str>,
    /// `true` if a message with tool calls must have that field, even an empty one.
    pub(super) requires_reasoning: bool,
    /// The fields of a message that go back as their bytes.
    pub(super) fields: &'static [&'static str],
    /// `true` if further fields of a tool call go back.
    pub(super) call_fields: bool,
}

/// The fields of a message that are kept beside the text.
pub(super) const KEPT_FIELDS: &[&str] =
    &["reasoning_details", "extra_content", "thought_signature", "encrypted_content"];

const DROP: Replay = Replay { reasoning: None, requires_reasoning: false, fields: &[], call_fields: false };
const REASONING_CONTENT: Replay = Replay { reasoning: Some("reasoning_content"), ..DROP };
const REQUIRED: Replay = Replay { requires_reasoning: true, ..REASONING_CONTENT };
const GEMINI: Replay = Replay { fields: &["extra_content", "thought_signature"], call_fields: true, ..DROP };
/// An unknown server may be a proxy for Gemini: the fields of a call that it sent go back.
const CUSTOM: Replay = GEMINI;
const OPENROUTER: Replay = Replay { fields: &["reasoning_details"], ..DROP };

/// The rules by provider.
const BY_PROVIDER: &[(&str, Replay)] = &[
    ("openai", DROP),
    ("mistral", DROP),
    ("cerebras", DROP),
    ("groq", DROP),
    ("xai", DROP),
    ("openrouter", OPENROUTER),
    ("gemini", GEMINI),
    ("deepseek", REQUIRED),
    ("kimi", REQUIRED),
    ("zai", REASONING_CONTENT),
    ("minimax", REASONING_CONTENT),
];

/// The rules by a part of the model's name, for the other providers.
const BY_MODEL: &[(&str, Replay)] = &[("deepseek", REQUIRED), ("kimi", REQUIRED), ("mimo", REQUIRED)];

impl Replay {
    /// Returns the rule for a provider and a model.
    pub(super) fn of(provider: &str, model: &str) -> Self {
        let find = |table: &[(&str, Self)], fits: &dyn Fn(&str) -> bool| {
            table.iter().find(|(name, _)| fits(name)).map(|(_, rule)| *rule)
        };
        let model = model.to_ascii_lowercase();
        find(BY_PROVIDER, &|name| name == provider)
            .or_else(|| find(BY_MODEL, &|part| model.contains(part)))
            .unwrap_or(CUSTOM)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("deepseek", "deepseek-chat", REQUIRED)]
    #[case("custom", "moonshotai/Kimi-K2", REQUIRED)]
    #[case("custom", "XiaomiMiMo/MiMo-7B", REQUIRED)]
    #[case("mistral", "magistral-medium", DROP)]
    #[case("cerebras", "deepseek-r1", DROP)]
    #[case("gemini", "gemini-3-pro", GEMINI)]
    #[case("openrouter", "deepseek/deepseek-chat", OPENROUTER)]
    #[case("ollama", "qwen3", CUSTOM)]
    fn every_provider_has_a_rule(#[case] provider: &str, #[case] model: &str, #[case] rule: Replay) {
        assert_eq!(Replay::of(provider, model), rule);
    }
}
