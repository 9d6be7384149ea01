//! The engine of an agent: one implementation of turns for every surface.
//!
//! A surface (the terminal, the API of a gateway) submits a [`protocol::Submission`] and receives [`protocol::Event`]s. The parts:
//! - [`engine`]: the state machine of a turn, without I/O, and the driver that performs its effects;
//! - [`provider`]: the protocols of model servers;
//! - [`store`]: sessions, messages, turns and usage, in SQLite;
//! - [`prompt`]: the system prompt, from the files of a profile;
//! - [`tokens`]: estimates of tokens;
//! - [`compaction`]: the planning of a shorter history;
//! - [`repair`]: the repair of a conversation on its way to a provider;
//! - [`loop_guard`]: the guard against a model that repeats itself;
//! - [`egress`]: the way out of the container for tools: the check of addresses, and the proxy;
//! - [`tools`]: the interface of a tool;
//! - [`mcp`]: servers of tools that speak the Model Context Protocol;
//! - [`approval`]: questions to a person about calls that leave the sandbox;
//! - [`question`]: questions of a model to the person of its session;
//! - [`sandbox`]: the confined processes of tools;
//! - [`settings`]: models, keys and limits of a profile.

pub mod agent;
pub mod approval;
pub mod compaction;
pub mod egress;
pub mod engine;
pub mod loop_guard;
pub mod mcp;
mod memory;
pub mod message;
pub mod prompt;
pub mod protocol;
pub mod provider;
pub mod question;
pub mod repair;
pub mod sandbox;
pub mod settings;
pub mod store;
pub mod tokens;
pub mod tools;
