//! The visible facts of a page: its URL, its title, its text.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use thirtyfour::error::WebDriverResult;
use thirtyfour::session::handle::SessionHandle;

/// As much text as a message bears, in characters.
const TEXT: usize = 2000;

/// A page, as it is said in a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Seen {
    pub(super) url: String,
    title: String,
    pub(super) text: String,
}

impl Seen {
    pub(super) async fn of(session: &Arc<SessionHandle>) -> WebDriverResult<Self> {
        // In one script: three questions would be answered by three pages.
        let script =
            "return { url: location.href, title: document.title, text: document.body?.innerText ?? '' }";
        session.execute(script, Vec::new()).await?.convert()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, titled {:?}, ", self.url, self.title)?;
        let text = self.text.trim();
        if text.is_empty() {
            return f.write_str("with no text");
        }
        f.write_str("with this text:\n")?;
        let shown: String = text.chars().take(TEXT).collect();
        f.write_str(&shown)?;
        if shown.len() < text.len() {
            f.write_str("\n(and more)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_said_with_its_text_in_bounds() {
        let seen = Seen { url: "http://h/".into(), title: "T".into(), text: " \n".into() };
        assert_eq!(seen.to_string(), "http://h/, titled \"T\", with no text");
        let long = Seen { text: "é".repeat(TEXT + 1), ..seen }.to_string();
        assert!(long.ends_with("é\n(and more)"), "{long}");
        assert_eq!(long.matches('é').count(), TEXT);
    }
}
