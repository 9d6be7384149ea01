//! The dashboard: what an operator sees and does in a browser, and the JSON API of the same.
//!
//! The `hermes` program calls [`run`] with the operations on its volume. The dashboard itself knows pages, sessions and streams.

mod actions;
mod api;
mod assets;
mod auth;
mod board;
mod boots;
mod configuration;
mod connection;
mod conversation;
mod error;
mod events;
mod findings;
mod follow_log;
mod frame;
mod gateway_client;
mod listen;
mod markdown;
mod pages;
mod process_usage;
mod profile_files;
mod refresh;
mod refusal;
mod routes;
mod run;
mod say;
mod security_headers;
mod settings;
mod site;
mod span;
mod sse;
mod words;

pub use auth::{Password, TokenError, end_all_sessions, hash_password, new_token, token_of};
pub use error::DashboardError;
pub use run::{Options, record_failed_start, run};
pub use settings::{Credential, PASSWORD, PASSWORD_HASH, Settings, SettingsError, Sources};

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
