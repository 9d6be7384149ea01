//! Who may use the dashboard: a password or a token, then a session.

pub(crate) mod admission;
mod attempts;
pub(crate) mod cookie;
mod credentials;
mod digest;
mod fetch_site;
mod file_version;
mod forwarded;
pub(crate) mod guard;
mod password;
mod queue;
mod sessions;
mod token;

pub(crate) use attempts::{Attempts, Way};
pub(crate) use credentials::{Credentials, Watched};
pub(crate) use digest::{equal, of_text};
pub(crate) use password::PasswordHash;
pub(crate) use password::Verifier;
pub use password::hash_password;
pub(crate) use queue::Queue;
pub use sessions::end_all as end_all_sessions;
pub(crate) use sessions::{LIFETIME, Session, Sessions};
pub(crate) use token::make_directory;
pub use token::{TokenError, new_token, token_of};

use std::io;

/// 256 random bits as 64 hexadecimal digits.
///
/// # Errors
/// The kernel gives none.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(digest::hexadecimal(&bytes))
}
