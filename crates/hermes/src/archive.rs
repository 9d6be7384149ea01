//! A profile as a file: `tar.gz` with one folder at the top, named after the profile.
//!
//! Writing leaves out what is of this machine and this moment. Reading believes nothing: each entry is judged before a byte of it
//! is written, and only files and directories below that one folder are taken.

mod extension;
pub(crate) mod limits;
mod read;
mod write;

pub(crate) use read::{Archive, ArchiveError};
pub(crate) use write::{Left, Source};

/// What lies at the top of a profile while its gateway runs, and means nothing elsewhere. Its logs lie outside of it.
fn is_of_this_moment(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "gateway.pid",
        "gateway.lock",
        "gateway.sock",
        // What the operator wanted of a gateway here says nothing about one elsewhere: two with the same accounts would both
        // answer.
        "gateway_state.json",
        "processes.json",
        "logs",
    ];
    NAMES.contains(&name) || name.ends_with(".lock") || name.ends_with(".tmp")
}

/// What only its owner may see.
fn is_secret(name: &str) -> bool {
    matches!(name, ".env" | "auth.json")
}

#[cfg(test)]
mod tests;
