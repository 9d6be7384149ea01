//! Masks secrets in output. In doubt, a text is masked.

mod name;

use std::collections::BTreeSet;

pub use name::is_secret_name;
use serde_json::Value;

/// The text that replaces a secret.
pub const MASK: &str = "***";

/// The prefixes of well-known kinds of keys.
const PREFIXES: &[&str] = &[
    "sk-",
    "pk-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "AIza",
    "eyJ",
    "hf_",
    "gsk_",
];

/// Shorter values are not masked, since they occur in ordinary words. In bytes.
const KNOWN_MIN: usize = 4;

/// A word of letters and digits counts as a key from this length on, in bytes.
const LOOKS_LIKE_A_KEY: usize = 32;

/// Masks the secrets in a JSON value. With `all`, masks every value in it.
pub fn mask_json(value: Value, all: bool) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let secret = all || is_secret_name(&name);
                (name, mask_json(value, secret))
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| mask_json(item, all)).collect(),
        Value::Null => Value::Null,
        _ if all => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(mask_url(&text)),
        other => other,
    }
}

/// Masks the user and password of the URLs in a text.
fn mask_url(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after
            .find(|character: char| character == '/' || character.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                masked.push_str(MASK);
                &after[at..]
            }
            None => after,
        };
    }
    masked.push_str(rest);
    masked
}

/// A set of known secrets.
#[derive(Debug, Default)]
pub struct Secrets {
    known: BTreeSet<String>,
}

impl Secrets {
    /// Adds a value. Each line of a value counts as a secret.
    pub fn add(&mut self, value: &str) {
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= KNOWN_MIN);
        self.known.extend(lines.map(str::to_owned));
    }

    /// Adds the values under secret names, and every value if `secret` is set.
    pub fn add_json(&mut self, value: &Value, secret: bool) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| self.add_json(value, secret || is_secret_name(name)));
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_json(item, secret)),
            Value::String(text) if secret => self.add(text),
            Value::Number(number) if secret => self.add(&number.to_string()),
            _ => {}
        }
    }

    /// Masks the known secrets and the words that look like secrets.
    pub fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest comes first, since a secret may contain another.
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in known {
            text = text.replace(value.as_str(), MASK);
        }
        let lines: Vec<_> = text.split('\n').map(|line| mask_words(&mask_url(line))).collect();
        lines.join("\n")
    }
}

/// Masks the words of a line that look like secrets, and the words after a secret name.
fn mask_words(line: &str) -> String {
    let mut masked = String::new();
    let mut after_secret_name = false;
    for piece in
        line.split_inclusive([' ', '\t', ',', ';', '"', '\'', '=', ':', '(', ')', '[', ']', '{', '}'])
    {
        let word =
            piece.trim_end_matches([' ', '\t', ',', ';', '"', '\'', '=', ':', '(', ')', '[', ']', '{', '}']);
        let end = &piece[word.len()..];
        if word.is_empty() {
            // The separators between a name and its value.
            masked.push_str(end);
            continue;
        }
        let is_label = word.eq_ignore_ascii_case("bearer")
            || is_secret_name(word) && end.starts_with(['=', ':', '"', '\'']);
        if is_label {
            masked.push_str(word);
        } else if after_secret_name || looks_like_a_key(word) {
            masked.push_str(MASK);
        } else {
            masked.push_str(word);
        }
        masked.push_str(end);
        after_secret_name = is_label;
    }
    masked
}

fn looks_like_a_key(word: &str) -> bool {
    let long = |word: &str, least: usize| word.len() >= least;
    if PREFIXES.iter().any(|prefix| word.starts_with(prefix) && long(word, prefix.len() + 8)) {
        return true;
    }
    let is_key_character =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '+' | '.');
    long(word, LOOKS_LIKE_A_KEY)
        && word.chars().all(is_key_character)
        && word.contains(|character: char| character.is_ascii_digit())
        && word.contains(|character: char| character.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_other_words_stay() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2!");
        secrets.add_json(&serde_json::json!({"a": {"token": "t0k3n", "port": 9300}}), false);
        let masked = |text| secrets.mask(text);
        assert_eq!(masked("it was hunter2! and t0k3n at port 9300"), "it was *** and *** at port 9300");
        assert_eq!(masked("API_KEY=abc def"), "API_KEY=*** def");
        assert_eq!(masked("Authorization: Bearer abc"), "Authorization: Bearer ***");
        assert_eq!(masked(r#"{"password": "abc", "port": 1}"#), r#"{"password": "***", "port": 1}"#);
        assert_eq!(masked("got sk-abcdefgh1234."), "got ***");
        assert_eq!(masked("at https://me:abc@host/x"), "at https://***@host/x");
        assert_eq!(masked("id 0123456789abcdef0123456789abcdef"), "id ***");
        let line = "2026-11-24T11:00:00.000000Z profile=coder prior_state=running action=started";
        assert_eq!(masked(line), line);
    }
}
