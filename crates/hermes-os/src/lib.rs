//! The operating system as the product uses it: files that are written whole, locks, child processes with deadlines, `/proc`.
//!
//! This crate knows no agent, no profile and no gateway, and no other crate of the workspace.

pub mod file_kind;
pub mod file_system;
pub mod lock_file;
pub mod mounts;
pub mod printable;
pub mod process;
pub mod removal;
pub mod tool;
pub mod waiting;
pub mod whole_file;

pub use tool::{Tool, ToolError};
