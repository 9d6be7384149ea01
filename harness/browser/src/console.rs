//! Reads the browser's console: messages of the page's scripts, of refused requests, of breaches of the page's own policy.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use thirtyfour::BrowserLogEntry;
use thirtyfour::session::handle::SessionHandle;

use super::Browser;
use crate::error::{Result, failed};

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub level: String,
    /// The source: `console-api`, `javascript`, `network`, `security`, …
    pub source: String,
    /// The place and the message.
    pub text: String,
}

impl ConsoleLine {
    /// Returns whether it is an error: of a script, or of a resource that failed to load or was refused.
    pub fn is_error(&self) -> bool {
        self.level == "SEVERE"
    }

    /// Returns whether it is an error or a warning, and no remark: Chromium remarks, for one, that it did not move the focus
    /// to a field because the visitor was there first.
    pub fn is_complaint(&self) -> bool {
        self.is_error() || self.level == "WARNING"
    }

    /// Returns whether the page violated its Content-Security-Policy.
    pub fn is_policy_breach(&self) -> bool {
        self.text.contains("Content Security Policy")
    }
}

impl From<BrowserLogEntry> for ConsoleLine {
    fn from(entry: BrowserLogEntry) -> Self {
        Self { level: entry.level, source: entry.source.unwrap_or_default(), text: entry.message }
    }
}

impl fmt::Display for ConsoleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.level, self.source, self.text)
    }
}

/// All lines so far, and how many of them [`Browser::new_console`] has given. The driver hands each out once.
#[derive(Debug, Default)]
pub(super) struct Console(Mutex<Vec<ConsoleLine>>, AtomicUsize);

impl Console {
    /// Fetches what is new; all lines then.
    pub(super) async fn read(
        &self,
        session: &SessionHandle,
    ) -> thirtyfour::error::WebDriverResult<Vec<ConsoleLine>> {
        let new = session.browser_log().await?;
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(new.into_iter().map(ConsoleLine::from));
        Ok(lines.clone())
    }
}

impl Browser {
    /// All that the console said since the start, on all pages.
    pub async fn console(&self) -> Result<Vec<ConsoleLine>> {
        self.remains().console.read(self.session()).await.map_err(failed("read the browser's console"))
    }

    /// Returns the lines since the last call. So a test can separate expected lines from others.
    pub async fn new_console(&self) -> Result<Vec<ConsoleLine>> {
        let lines = self.console().await?;
        let given = self.remains().console.1.swap(lines.len(), Ordering::Relaxed);
        Ok(lines.into_iter().skip(given).collect())
    }

    /// Fails with all errors and breaches of policy in the [`console`](Self::console), if there are any.
    pub async fn expect_quiet_console(&self) -> Result<()> {
        let lines = self.console().await?;
        let bad = lines.iter().filter(|line| line.is_error() || line.is_policy_breach());
        self.expect_none("wrote errors to the console", bad.map(ConsoleLine::to_string).collect()).await
    }
}
