//! MCP servers of an agent: a real one, one on the network, and hostile ones.
//!
//! `mcp/server.sh` is the hostile server. It runs in the sandbox of a supervised gateway, as the servers of users do.

mod calls;
mod memory;
mod processes;
mod reach;
mod real;
mod remote;
mod scene;
mod starts;
mod words;
