//! Checks that a page works for everybody: names for controls, labels for fields, contrast, no sideways scrolling.
//! The checks run in the page (`checks.js`); here are their findings.

use std::fmt;

use serde::Deserialize;

use super::Browser;
use crate::error::{Error, Result};

/// The functions that the harness brings into a page.
pub(super) const LIBRARY: &str = include_str!("checks.js");

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fault {
    /// A button or a link without an accessible name.
    Name,
    /// A field without a label. A placeholder is none.
    Label,
    /// An image without alternative text.
    Alt,
    /// An `id` that several elements have: a label of it is one of another.
    Id,
    /// A page that does not say its language.
    Language,
    /// Not exactly one visible `h1`.
    Heading,
    /// Text with less contrast than WCAG 2.2 AA asks for, or on an image, where that cannot be told.
    Contrast,
    /// A page wider than its window.
    Overflow,
    /// No `<meta name="viewport">`, so that a telephone shows the page of a desktop.
    Viewport,
}

/// One thing that is wrong with a page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub fault: Fault,
    /// The element: `button#save "Save"`.
    pub element: String,
    /// The details, with figures.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.fault, self.element, self.detail)
    }
}

impl Browser {
    /// Returns the faults of the page as it is now. Works with JavaScript switched off, too.
    pub async fn findings(&self) -> Result<Vec<Finding>> {
        self.evaluate(&format!("{LIBRARY}\nreturn faults();")).await
    }

    /// Fails with all [`findings`](Self::findings), if there are any.
    pub async fn expect_accessible(&self) -> Result<()> {
        let findings = self.findings().await?;
        self.expect_none("is not for everybody", findings.iter().map(Finding::to_string).collect()).await
    }

    /// Fails with the lines, if there are any, and names the page.
    pub(super) async fn expect_none(&self, fault: &str, lines: Vec<String>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        Err(Error::Page { page: self.url().await?, fault: fault.to_owned(), details: lines.join("\n  ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_read_and_said() {
        let json = r#"{"fault":"contrast","element":"p.note","detail":"2.32:1"}"#;
        let finding: Finding = serde_json::from_str(json).unwrap();
        assert_eq!(finding.fault, Fault::Contrast);
        assert_eq!(finding.to_string(), "Contrast: p.note: 2.32:1");
    }
}
