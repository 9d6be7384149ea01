//! The engine of an agent: one implementation of turns for every surface.
//!
//! A surface (the terminal, the API of a gateway) submits a [`protocol::Submission`] and receives [`protocol::Event`]s. The parts:
//! - [`engine`]: the state machine of a turn, without I/O, and the driver that performs its effects;
//! - [`provider`]: the protocols of model servers;
//! - [`store`]: sessions, messages, turns and usage, in SQLite;
//! - [`prompt`]: the system prompt and the memory files;
//! - [`tools`]: the interface of a tool;
//! - [`settings`]: models, keys and limits of a profile.

pub mod engine;
pub mod message;
pub mod protocol;
pub mod provider;
pub mod store;
pub mod tools;
