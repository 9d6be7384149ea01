//! The rules of the repository that need a program of their own, as ordinary tests.
//!
//! `cargo xtask lint rules` runs them. Some print a figure: `cargo test -p xtask --test tidy -- --show-output`.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod circles;
mod code;
mod comments;
mod delivery;
mod dependencies;
mod documents;
mod language;
mod layout;
mod modules;
mod output;
mod repository;
mod waits;
