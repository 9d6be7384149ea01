//! The interface to the operating system: whole-file writes, locks, child processes with deadlines, `/proc`, the
//! parts of the sandbox that the kernel has.
//!
//! This crate has no concept of agents, profiles or gateways, and depends on no other crate of the workspace.

pub mod file_kind;
pub mod file_system;
pub mod json_values;
pub mod lock_file;
pub mod mounts;
pub mod peer;
pub mod presence;
pub mod printable;
pub mod process;
pub mod removal;
pub mod sandbox_level;
pub mod tool;
pub mod waiting;
pub mod whole_file;

pub use tool::{Tool, ToolError};
