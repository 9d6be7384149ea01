//! The known keys of `config.yaml` that hold one value, each with its rule and its documentation, for a form. The gateway and the
//! agent read more keys: lists and mappings.

use std::time::Duration;

use super::gateway::time_of;

/// A key that holds one value.
#[derive(Clone, Copy, Debug)]
pub struct KnownKey {
    /// The key, as in `gateway.port`.
    pub key: &'static str,
    /// The value without the key, for a person.
    pub default: &'static str,
    /// The meaning, for a person.
    pub meaning: &'static str,
    /// The rule for its value.
    pub rule: Rule,
}

/// The rule for a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A number of seconds, or a time such as `1m 30s`, of at most so many seconds.
    Time(u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text in one line.
    Text,
}

impl Rule {
    /// Returns `true` if `value` follows the rule.
    pub fn allows(self, value: &str) -> bool {
        let value = value.trim();
        match self {
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Whole(least, most) => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                digits && value.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
            }
            Self::Number(least, most) => {
                value.parse().is_ok_and(|number: f64| number.is_finite() && (least..=most).contains(&number))
            }
            Self::Time(longest) => time_of(value, Duration::from_secs(longest)).is_some(),
            Self::OneOf(words) => words.contains(&value),
            Self::Text => !value.is_empty() && !value.chars().any(char::is_control),
        }
    }

    /// Returns the rule for a person, as in `a whole number from 1 to 65535`.
    pub fn describe(self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Whole(least, u64::MAX) => format!("a whole number of at least {least}"),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Number(least, f64::MAX) => format!("a number of at least {least}"),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Time(longest) => {
                format!("a number of seconds from 0 to {longest}, or a time such as 1m 30s")
            }
            Self::OneOf(words) => words.join(" or "),
            Self::Text => "a text in one line".to_owned(),
        }
    }

    /// Returns the words of a choice; none for another rule.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Boolean => &["true", "false"],
            Self::OneOf(words) => words,
            _ => &[],
        }
    }
}

const DAY: u64 = 24 * 3600;
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

const fn known(key: &'static str, default: &'static str, rule: Rule, meaning: &'static str) -> KnownKey {
    KnownKey { key, default, meaning, rule }
}

/// The known keys, in the order of a form.
pub const KNOWN_KEYS: &[KnownKey] = &[
    known("model.default", "none", Rule::Text, "the model"),
    known("model.provider", "auto", Rule::Text, "a known service, such as openai or ollama, or custom"),
    known("model.base_url", "that of the provider", Rule::Text, "the address of the server"),
    known(
        "model.api_mode",
        "by the provider",
        Rule::OneOf(&["chat_completions", "anthropic_messages"]),
        "the protocol of the server",
    ),
    known(
        "model.context_length",
        "128000",
        Rule::Whole(1, u64::MAX),
        "the whole window of the model, in tokens",
    ),
    known("model.max_tokens", "the server's", Rule::Whole(1, u64::MAX), "the longest answer, in tokens"),
    known("model.temperature", "the server's", Rule::Number(0.0, 2.0), "the randomness of the answer"),
    known(
        "model.text_tool_calls",
        "false",
        Rule::Boolean,
        "tool calls in the text count; for local servers only",
    ),
    known("model.ca_file", "none", Rule::Text, "the path of further root certificates in PEM"),
    known("model.timeouts.connect", "10", Rule::Time(DAY), "the time for name, connection and TLS"),
    known("model.timeouts.first_byte", "120", Rule::Time(DAY), "the time to the first byte of the answer"),
    known(
        "model.timeouts.between_bytes",
        "120",
        Rule::Time(DAY),
        "the time between two pieces of the answer",
    ),
    known("agent.max_turns", "90", Rule::Whole(1, u64::MAX), "the most calls of the model in one turn"),
    known("agent.reasoning_effort", "the server's", Rule::OneOf(EFFORTS), "the effort of the model"),
    known(
        "gateway.host",
        "127.0.0.1",
        Rule::Text,
        "the address inside the container; 0.0.0.0 to publish the port",
    ),
    known(
        "gateway.port",
        "by the profile",
        Rule::Whole(1, 65535),
        "the TCP port; without one, there is only the socket",
    ),
    known(
        "gateway.allowed_hosts",
        "none",
        Rule::Text,
        "names with a dot that the TCP port answers to, or * for any",
    ),
    known(
        "gateway.cors_origins",
        "none",
        Rule::Text,
        "origins whose web pages may call the API, or * for any",
    ),
    known(
        "gateway.api_server.max_concurrent_runs",
        "10",
        Rule::Whole(1, 1_000_000),
        "turns that run at one time; more are refused",
    ),
    known(
        "gateway.api_server.requests_per_minute",
        "600",
        Rule::Whole(1, 1_000_000),
        "requests that the key may send through the port in a minute",
    ),
    known("gateway.drain_timeout", "5", Rule::Time(3600), "the time to finish requests at a stop"),
    known(
        "gateway.restart.max_crashes",
        "10",
        Rule::Whole(1, 1000),
        "the number of crashes after which the gateway is given up",
    ),
    known("gateway.restart.window", "10m", Rule::Time(DAY), "the time in which crashes count"),
    known("gateway.restart.max_delay", "30", Rule::Time(DAY), "the longest restart back-off"),
    known("agents.allow", "none", Rule::Text, "the profiles whose agents may ask this one"),
    known(
        "approvals.mode",
        "sandboxed",
        Rule::OneOf(&["sandboxed", "ask", "off"]),
        "sandboxed: what leaves the sandbox asks; ask: each command and each file asks; off: nothing asks",
    ),
    known("approvals.timeout", "60", Rule::Whole(1, DAY), "seconds for an answer to an approval"),
    known("clarify.timeout", "600", Rule::Whole(1, DAY), "seconds for an answer to a question of the model"),
    known("terminal.timeout", "180", Rule::Whole(1, DAY), "seconds for a command"),
    known("terminal.network", "proxy", Rule::OneOf(&["off", "proxy", "open"]), "the network of commands"),
    known("compression.enabled", "true", Rule::Boolean, "the agent compacts a long conversation by itself"),
    known(
        "compression.threshold",
        "0.5",
        Rule::Number(0.0, 1.0),
        "the part of the context at which compaction is due",
    ),
    known(
        "compression.target_ratio",
        "0.2",
        Rule::Number(0.0, 1.0),
        "the part of the threshold that the newest messages keep",
    ),
    known("compression.protect_last_n", "20", Rule::Whole(0, u64::MAX), "the newest messages that stay"),
    known("memory.memory_enabled", "true", Rule::Boolean, "MEMORY.md is part of the prompt"),
    known("memory.user_profile_enabled", "true", Rule::Boolean, "USER.md is part of the prompt"),
    known(
        "memory.memory_char_limit",
        "2200",
        Rule::Whole(0, u64::MAX),
        "the part of MEMORY.md in the prompt, in characters",
    ),
    known(
        "memory.user_char_limit",
        "1375",
        Rule::Whole(0, u64::MAX),
        "the part of USER.md in the prompt, in characters",
    ),
    known("budget.tokens_per_day", "none", Rule::Whole(0, u64::MAX), "the limit of a day, in tokens"),
    known("budget.usd_per_day", "none", Rule::Number(0.0, f64::MAX), "the limit of a day, in US dollars"),
    known("budget.tokens_per_turn", "none", Rule::Whole(0, u64::MAX), "the limit of a turn, in tokens"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ProfileName;
    use crate::config::{Config, GatewayConfig, Key, RestartPolicy};

    /// Keys of lists, of mappings, of secrets and for developers.
    const NOT_IN_A_FORM: &[&str] = &[
        "approvals.deny",
        "budget.prices",
        "model.api_key",
        "provider.record",
        "terminal.allow_hosts",
        "terminal.env_passthrough",
        "terminal.readable",
        "terminal.writable",
    ];

    fn documented() -> BTreeSet<String> {
        const SECTIONS: &[&str] = &[
            "agent",
            "agents",
            "approvals",
            "budget",
            "clarify",
            "compression",
            "gateway",
            "memory",
            "model",
            "provider",
            "terminal",
        ];
        let documents = concat!(
            include_str!("../../../../docs/agent.md"),
            include_str!("../../../../docs/gateways.md"),
            include_str!("../../../../docs/tools.md")
        );
        let of_line = |line: &str| {
            let key = line.strip_prefix("| `")?.split_once('`')?.0;
            let section = key.split_once('.').map(|(section, _)| section)?;
            let is_file = ["gateway.lock", "gateway.sock", "gateway.pid"].contains(&key);
            (SECTIONS.contains(&section) && !is_file).then(|| key.to_owned())
        };
        documents.lines().filter_map(of_line).collect()
    }

    #[test]
    fn every_documented_key_is_known() {
        let known: BTreeSet<String> = KNOWN_KEYS.iter().map(|known| known.key.to_owned()).collect();
        let rest: BTreeSet<String> = NOT_IN_A_FORM.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(known.union(&rest).cloned().collect::<BTreeSet<_>>(), documented());
        assert_eq!(known.len(), KNOWN_KEYS.len(), "a key is there twice");
    }

    #[test]
    fn the_rules_agree_with_the_gateway() {
        let gateway_reads = |key: &str, value: &str| {
            let mut config = Config::default();
            config.set(&key.parse::<Key>().unwrap(), value).unwrap();
            GatewayConfig::resolve(&ProfileName::default_profile(), &config, |_| None).is_ok()
                && RestartPolicy::resolve(&config).is_ok()
        };
        for known in KNOWN_KEYS.iter().filter(|known| known.key.starts_with("gateway.")) {
            for value in [
                "0", "1", "-1", "1.5", "10", "1000", "1001", "65535", "65536", "3601", "1m 30s", "many", "2d",
            ] {
                // A text has further rules, which the gateway checks.
                if known.rule != Rule::Text {
                    assert_eq!(
                        known.rule.allows(value),
                        gateway_reads(known.key, value),
                        "{}: {value}",
                        known.key
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_outside_of_the_rule_are_refused() {
        assert!(Rule::Number(0.0, 2.0).allows(" 0.5 ") && !Rule::Number(0.0, 2.0).allows("NaN"));
        assert!(
            !Rule::Whole(1, 5).allows("+3") && !Rule::Text.allows("a\nb") && !Rule::Boolean.allows("yes")
        );
    }
}
