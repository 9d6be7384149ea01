//! Estimates of tokens. A tokenizer costs tens of megabytes and is wrong for most models. So an estimate counts bytes, and the
//! provider's own count of the last call corrects it.

use crate::message::{Block, Message};
use crate::tools::ToolSchema;

/// The tokens of a picture. Providers count 800 to 1,600 for a large one.
const IMAGE_TOKENS: u64 = 1_500;

/// The tokens around a message, a call, a result or a tool.
const FRAME_TOKENS: u64 = 4;

/// The bounds of the factor. A count outside of them is no count of this text: it is a server that reports nonsense.
const FACTOR_MIN: f64 = 0.25;
const FACTOR_MAX: f64 = 4.0;

/// The smallest estimate that teaches, in tokens. For a shorter prompt, the words that a server adds itself weigh too much.
const LEARN_MIN: u64 = 200;

/// The estimates for one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimator {
    factor: f64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self { factor: 1.0 }
    }
}

impl Estimator {
    /// Returns the estimated tokens of a request.
    pub fn estimate(&self, messages: &[Message], system: &[String], tools: &[ToolSchema]) -> u64 {
        let raw = messages.iter().map(of_message).sum::<u64>()
            + system.iter().map(|text| of_text(text)).sum::<u64>()
            + tools.iter().map(of_tool).sum::<u64>();
        self.corrected(raw)
    }

    /// Returns the estimated tokens of messages.
    pub fn messages(&self, messages: &[Message]) -> u64 {
        self.estimate(messages, &[], &[])
    }

    /// Learns from a call: this estimator estimated `estimated` tokens, and the provider reported `reported`.
    pub fn learn(&mut self, estimated: u64, reported: u64) {
        if estimated >= LEARN_MIN && reported > 0 {
            let factor = self.factor * reported as f64 / estimated as f64;
            self.factor = factor.clamp(FACTOR_MIN, FACTOR_MAX);
        }
    }

    /// Returns the raw count `raw` with the learned factor.
    pub(crate) fn corrected(&self, raw: u64) -> u64 {
        // The conversion saturates.
        (raw as f64 * self.factor).ceil() as u64
    }
}

/// Returns the estimated tokens of a text. A token is 4 bytes of ASCII, or 3 bytes of another alphabet. Of Chinese, Japanese, Korean
/// and emoji, it is 2 bytes.
pub fn of_text(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    if ascii == text.len() {
        return (ascii as u64).div_ceil(4);
    }
    let (mut alphabetic, mut wide) = (0_u64, 0_u64);
    for character in text.chars().filter(|character| !character.is_ascii()) {
        let bytes = character.len_utf8() as u64;
        // U+2E80 begins the radicals of CJK.
        if character < '\u{2e80}' { alphabetic += bytes } else { wide += bytes }
    }
    (ascii as u64).div_ceil(4) + alphabetic.div_ceil(3) + wide.div_ceil(2)
}

/// Returns the estimated tokens of a message, without a learned factor.
pub(crate) fn of_message(message: &Message) -> u64 {
    FRAME_TOKENS + message.blocks.iter().map(of_block).sum::<u64>()
}

/// Returns the estimated tokens of a block, without a learned factor.
pub(crate) fn of_block(block: &Block) -> u64 {
    match block {
        Block::Text { text } | Block::Reasoning { text } => of_text(text),
        Block::Image { .. } => IMAGE_TOKENS,
        Block::ToolCall(call) => {
            let extra = call.extra.as_ref().map_or(0, |extra| of_text(extra.0.get()));
            FRAME_TOKENS + of_text(&call.name) + of_text(&call.arguments) + extra
        }
        Block::ToolResult(result) => FRAME_TOKENS + of_text(&result.content),
        Block::Opaque(opaque) => of_text(opaque.raw.0.get()),
    }
}

/// Returns the estimated tokens of a tool's description.
pub(crate) fn of_tool(tool: &ToolSchema) -> u64 {
    let parameters = of_text(&tool.parameters.to_string());
    FRAME_TOKENS + of_text(&tool.name) + of_text(&tool.description) + parameters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::message::Role;

    #[rstest]
    #[case("", 0)]
    #[case("a", 1)]
    #[case("four", 1)]
    #[case("fiver", 2)]
    #[case("привет", 4)]
    #[case("你好", 3)]
    #[case("ok 你好", 4)]
    fn a_text_has_tokens_by_its_script(#[case] text: &str, #[case] tokens: u64) {
        assert_eq!(of_text(text), tokens);
    }

    #[rstest]
    #[case::higher(1_000, 1_500, 1.5)]
    #[case::lower(1_000, 800, 0.8)]
    #[case::absurd(1_000, 1_000_000, FACTOR_MAX)]
    #[case::tiny(1_000_000, 1, FACTOR_MIN)]
    #[case::no_count(1_000, 0, 1.0)]
    #[case::short_prompt(20, 2_000, 1.0)]
    fn the_factor_follows_the_reported_count(
        #[case] estimated: u64,
        #[case] reported: u64,
        #[case] factor: f64,
    ) {
        let mut estimator = Estimator::default();
        estimator.learn(estimated, reported);
        assert_eq!(estimator, Estimator { factor });
    }

    #[test]
    fn the_second_estimate_of_one_request_is_the_reported_count() {
        let messages = [Message::text(Role::User, "word ".repeat(1_000))];
        let mut estimator = Estimator::default();
        let first = estimator.messages(&messages);
        estimator.learn(first, 2 * first);
        assert_eq!(estimator.messages(&messages), 2 * first);
        estimator.learn(2 * first, 2 * first);
        assert_eq!(estimator.messages(&messages), 2 * first);
    }

    proptest! {
        #[test]
        fn any_counts_keep_the_factor_in_its_bounds(counts: Vec<(u64, u64)>) {
            let mut estimator = Estimator::default();
            for (estimated, reported) in counts {
                estimator.learn(estimated, reported);
                prop_assert!((FACTOR_MIN..=FACTOR_MAX).contains(&estimator.factor));
            }
        }

        #[test]
        fn a_longer_text_has_no_fewer_tokens(text: String, more: String) {
            let longer = text.clone() + &more;
            prop_assert!(of_text(&longer) >= of_text(&text));
        }
    }
}
