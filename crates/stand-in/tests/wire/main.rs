#![expect(clippy::unwrap_used, reason = "these are tests")]
//! The server as a raw TCP client sees it.

mod controls;
mod examples;
mod faults;
mod raw;
mod recordings;
mod scripts;
