//! The login to the dashboard: a password or a token, then a session.

pub(crate) mod admission;
mod attempts;
pub(crate) mod cookie;
mod credentials;
mod digest;
mod fetch_site;
mod file_version;
mod forwarded;
mod gate;
pub(crate) mod guard;
mod password;
mod queue;
mod random;
mod sessions;
mod token;

pub(crate) use attempts::{Attempts, Way};
pub(crate) use credentials::{Credentials, Watched};
pub(crate) use digest::{equal, of_text};
pub(crate) use gate::Gate;
pub use password::{Password, hash_password};
pub(crate) use password::{PasswordHash, Verifier};
pub(crate) use queue::Queue;
pub(crate) use random::random;
pub use sessions::end_all as end_all_sessions;
pub(crate) use sessions::{LIFETIME, Session, Sessions};
pub(crate) use token::make_directory;
pub use token::{TokenError, new_token, token_of};
