//! A finding of `doctor`.

use serde::Serialize;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Broken,
    /// Something works, and should not be as it is.
    Warning,
}

/// A fault, and its hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The fault.
    pub what: String,
    /// The way to correct it.
    pub hint: String,
}

impl Severity {
    /// Returns `true` if something does not work.
    pub fn is_broken(self) -> bool {
        self == Self::Broken
    }

    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Warning => "warning",
        }
    }
}

impl Finding {
    pub(super) fn broken(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Broken, what: what.into(), hint: hint.into() }
    }

    pub(super) fn warning(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), hint: hint.into() }
    }
}
