//! The account of all services: its entry in `/etc/passwd` and `/etc/group`, its groups, and the permanent change to it. `/init`
//! and `hermes` both use this code, so that both do the same.
//!
//! The crate reads these files itself instead of with `getpwnam(3)` of the C library. In a static program that function asks the
//! listener at `/run/nscd/socket` first. An agent that can write `/run` could answer that it has UID 0. The function also loads
//! the modules that `/etc/nsswitch.conf` names into a process that is still root.

mod account;
mod credentials;
mod files;
pub mod withheld;

pub use account::{Account, holds_root, is_group};
pub use credentials::{Credentials, Leftover};
pub use files::{LookupError, NAME, PASSWD};
