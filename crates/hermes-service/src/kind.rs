//! The kinds of service managers.

use std::fmt;

use serde::Serialize;

/// The kind of a service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `s6-svscan` in a container of the hermes image.
    S6,
    /// systemd in a user's session.
    Systemd,
    /// launchd of macOS, in a user's session.
    Launchd,
    /// No service manager.
    None,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::S6 => "s6 (container supervisor)",
            Self::Systemd => "systemd (user units)",
            Self::Launchd => "launchd (user agents)",
            Self::None => "none",
        })
    }
}
