//! Servers of tools that speak the Model Context Protocol.
//!
//! ```text
//! Toolbox ── Servers ── Server ── Connection ── lines      a program in the sandbox
//!                                           └── http       streamable HTTP
//! ```
//!
//! - The first turn of a process connects all servers side by side, each within its `connect_timeout`. A server that fails is left out,
//!   with a notice. The tools stay the same while the process lives: they are part of each request to the model.
//! - A server that ends later fails the running calls. The next call starts it again, after a back-off.
//! - A server in the sandbox ends with its [`Server`]. It can do what the tool `terminal` can do, with variables of its own.
//! - The operator chose the address of a server that speaks HTTP, so the rules of the egress do not apply. A redirect to another origin
//!   is refused.

mod connection;
mod error;
mod http;
mod lines;
mod result;
mod schema;
mod server;
mod servers;
#[cfg(test)]
mod tests;
mod tool;

pub use error::McpError;
pub use schema::LeftOut;
pub(crate) use servers::Tools;
pub use servers::{Described, Servers, ServersOptions, Shown, ShownTool};
