#![expect(clippy::unwrap_used, reason = "these are tests")]
//! The sandbox of tools, attacked through the real program: one module for each kind of attack.

mod call;
mod files;
mod launcher;
mod limits;
mod mcp;
mod network;
mod processes;
mod streams;
mod supervisor;
mod system_calls;
mod without_landlock;
