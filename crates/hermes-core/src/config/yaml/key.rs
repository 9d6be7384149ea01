//! Dotted keys: `gateway.port`, `models."gpt-4.1".limit`, `platforms.0.name`.

use std::fmt;
use std::str::FromStr;

/// The path of a value in a configuration: the names from the top. The name of a list item is its index, from
/// 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<String>);

/// The reason why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name is empty.
    #[error("{text:?} is no key: a name is missing (write it as in gateway.port)")]
    EmptyName {
        /// The text.
        text: String,
    },
    /// A quote is not closed, or closes before the dot.
    #[error("{text:?} is no key: a quoted name begins and ends with '\"', as in models.\"gpt-4.1\".limit")]
    Quote {
        /// The text.
        text: String,
    },
    /// A list index stands in brackets.
    #[error(
        "{text:?} is no key: write a place in a list with a dot, as in {instead}, and quote a name that has brackets"
    )]
    Brackets {
        /// The text.
        text: String,
        /// The key with dots.
        instead: String,
    },
    /// The text has a control character.
    #[error("{text:?} is no key: it has a control character in it")]
    Control {
        /// The text.
        text: String,
    },
}

impl Key {
    /// Returns the names from the top.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn root() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    pub(super) fn first(&self, count: usize) -> Self {
        Self(self.0[..count].to_vec())
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.chars().any(char::is_control) {
            return Err(KeyError::Control { text: text.to_owned() });
        }
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    quoted.split_once('"').ok_or_else(|| KeyError::Quote { text: text.to_owned() })?
                }
                None => {
                    let (name, after) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                    if name.contains(['[', ']']) {
                        return Err(KeyError::Brackets { text: text.to_owned(), instead: with_dots(text) });
                    }
                    (name, after)
                }
            };
            if name.is_empty() {
                return Err(KeyError::EmptyName { text: text.to_owned() });
            }
            names.push(name.to_owned());
            if after.is_empty() {
                return Ok(Self(names));
            }
            rest = after.strip_prefix('.').ok_or_else(|| KeyError::Quote { text: text.to_owned() })?;
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the whole");
        }
        for (place, name) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            if name.is_empty() || name.contains(['.', '"', '[', ']']) {
                write!(f, "{dot}\"{name}\"")?;
            } else {
                write!(f, "{dot}{name}")?;
            }
        }
        Ok(())
    }
}

/// Converts `fallback[0].model` to `fallback.0.model`.
fn with_dots(text: &str) -> String {
    let text = text.replace('[', ".").replace([']', '"', '\''], "");
    let names: Vec<_> = text.split('.').filter(|name| !name.is_empty()).collect();
    names.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_refused_with_the_intended_key() {
        for (text, meant) in
            [("fallback[0].model", "fallback.0.model"), ("a.b[1][2]", "a.b.1.2"), ("a[\"b\"]", "a.b")]
        {
            let error = text.parse::<Key>().unwrap_err();
            assert_eq!(error, KeyError::Brackets { text: text.to_owned(), instead: meant.to_owned() });
            assert!(error.to_string().contains(meant), "{error}");
        }
        let quoted = r#""fallback[0]".model"#;
        assert_eq!(quoted.parse::<Key>().unwrap().to_string(), quoted);
    }

    #[test]
    fn quoted_names_may_contain_dots() {
        let names = |text: &str| text.parse::<Key>().unwrap().0;
        assert_eq!(names("gateway"), ["gateway"]);
        assert_eq!(names("gateway.port"), ["gateway", "port"]);
        assert_eq!(names(r#"models."gpt-4.1".limit"#), ["models", "gpt-4.1", "limit"]);
        assert_eq!(
            r#"models."gpt-4.1".limit"#.parse::<Key>().unwrap().to_string(),
            r#"models."gpt-4.1".limit"#
        );
    }

    #[test]
    fn malformed_keys_are_refused() {
        for text in ["", ".", "a.", ".a", "a..b", r#""""#] {
            assert!(matches!(text.parse::<Key>().unwrap_err(), KeyError::EmptyName { .. }), "{text}");
        }
        for text in [r#""a"#, r#"a."b"#, r#""a"b"#] {
            assert!(matches!(text.parse::<Key>().unwrap_err(), KeyError::Quote { .. }), "{text}");
        }
        assert!(matches!("a\nb".parse::<Key>().unwrap_err(), KeyError::Control { .. }));
    }
}
