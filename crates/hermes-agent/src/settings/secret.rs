//! Secrets in memory.

use std::fmt;

use zeroize::Zeroizing;

/// A secret: a key, or a URL that holds a password. Its memory is overwritten when it is dropped. No output shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Replaces the secret in a text by `sign`. A secret under `shortest` bytes stays: it could be a part of ordinary words.
    pub(crate) fn hide_in(&self, text: String, shortest: usize, sign: &str) -> String {
        if self.0.len() >= shortest && text.contains(self.reveal()) {
            return text.replace(self.reveal(), sign);
        }
        text
    }

    /// Returns the text. Callers must not print or store it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
