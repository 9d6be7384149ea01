#![expect(clippy::unwrap_used, reason = "these are tests")]
//! The verbs on a volume, where no service manager runs: one module a verb.

mod boot;
mod config;
mod dashboard;
mod dump;
mod gateway_key;
mod help;
mod logs;
mod model;
mod model_server;
mod output;
mod profile;
mod profile_archive;
mod prompt_size;
mod sessions;
mod setup;
mod turn;
mod volume;
