//! The gate of the dashboard: the credential that opens it.

use super::digest::equal;
use super::password::Verifier;

/// The gate: the way to log in.
#[derive(Clone, Debug)]
pub(crate) enum Gate {
    /// Open without a login, on a loopback address alone.
    Open {
        /// The CSRF token of the forms.
        csrf: String,
    },
    /// The token opens it.
    Token(String),
    /// A name and a password open it.
    Password(Verifier),
    /// No credential opens it, because the token cannot be read.
    Shut,
}

impl Gate {
    /// Tells whether a visitor has to log in.
    pub(crate) fn is_closed(&self) -> bool {
        !matches!(self, Self::Open { .. })
    }

    /// Tells whether the same credential opens both.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open { csrf }, Self::Open { csrf: other }) => csrf == other,
            (Self::Token(token), Self::Token(other)) => equal(token, other),
            (Self::Password(verifier), Self::Password(other)) => verifier.is_same(other),
            (Self::Shut, Self::Shut) => true,
            _ => false,
        }
    }
}
