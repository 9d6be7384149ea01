//! A finding of `doctor`.

use std::collections::BTreeSet;

use hermes_core::ProfileName;
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
    /// The profile that it concerns; absent for the whole installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Its part in a fault that has several findings.
    #[serde(skip)]
    pub(super) role: Role,
}

/// The part of a finding in a fault that has several findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a fault of its own.
    #[default]
    Own,
    /// It keeps the gateway of its profile from a start.
    Cause,
    /// It may follow from a cause.
    Consequence,
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
        Self::new(Severity::Broken, what.into(), hint.into())
    }

    pub(super) fn warning(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what.into(), hint.into())
    }

    fn new(severity: Severity, what: String, hint: String) -> Self {
        Self { severity, what, hint, profile: None, role: Role::Own }
    }

    /// Sets the profile.
    pub(super) fn of(self, profile: &ProfileName) -> Self {
        Self { profile: Some(profile.to_string()), ..self }
    }

    pub(super) fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Returns the last command of the hint: the one that corrects the fault. A command ends at a semicolon or a comma.
    pub fn command(&self) -> Option<&str> {
        const PROGRAMS: &[&str] = &["hermes ", "docker ", "chown ", "chmod ", "mv ", "sqlite3 "];
        let start = self
            .hint
            .rmatch_indices(PROGRAMS[0])
            .map(|(place, _)| place)
            .chain(PROGRAMS[1..].iter().filter_map(|program| self.hint.find(program)))
            .find(|&place| {
                let before = &self.hint[..place];
                before.is_empty() || before.ends_with(": ") || before.ends_with("then ")
            })?;
        let rest = &self.hint[start..];
        let end = rest.find([';', ',', '(', '…']).unwrap_or(rest.len());
        Some(rest[..end].trim_end())
    }
}

/// Returns the findings without those that follow from another one.
pub(super) fn causes_only(findings: Vec<Finding>) -> Vec<Finding> {
    let caused: BTreeSet<String> = findings
        .iter()
        .filter(|finding| finding.role == Role::Cause)
        .filter_map(|finding| finding.profile.clone())
        .collect();
    let follows = |finding: &Finding| {
        finding.role == Role::Consequence
            && finding.profile.as_ref().is_some_and(|name| caused.contains(name))
    };
    findings.into_iter().filter(|finding| !follows(finding)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_hint_can_be_copied() {
        let command = |hint: &str| Finding::broken("it", hint).command().map(str::to_owned);
        for (hint, expected) in [
            ("hermes profile delete ghost --yes", Some("hermes profile delete ghost --yes")),
            ("hermes -p a logs; then: hermes -p a gateway start", Some("hermes -p a gateway start")),
            ("hermes gateway start, or gateway stop; either registers it", Some("hermes gateway start")),
            ("read why: hermes logs", Some("hermes logs")),
            ("chmod 600 /opt/data/.env", Some("chmod 600 /opt/data/.env")),
            ("restart the container", None),
            ("the account of hermes must own it", None),
        ] {
            assert_eq!(command(hint).as_deref(), expected, "{hint}");
        }
    }

    #[test]
    fn a_consequence_of_a_known_cause_is_no_finding() {
        let name = |name: &str| ProfileName::new(name).unwrap();
        let given_up =
            |profile: &str| Finding::broken("given up", "logs").of(&name(profile)).role(Role::Consequence);
        let cause = Finding::broken("a bad port", "change it").of(&name("a")).role(Role::Cause);
        let left = causes_only(vec![given_up("a"), given_up("b"), cause.clone()]);
        assert_eq!(left, [given_up("b"), cause]);
    }
}
