//! A profile as a file: `tar.gz` with one folder at the top, named after the profile.
//!
//! Writing leaves out what is of this machine and this moment. Reading believes nothing: each entry is judged before a byte of it
//! is written, and only files and directories below that one folder are taken.

mod extension;
pub(crate) mod limits;
mod read;
mod write;

pub(crate) use read::{Archive, ArchiveError};
pub use write::Left;
pub(crate) use write::Source;

#[cfg(test)]
mod tests;
