//! One file per verb.

pub(crate) mod approvals;
pub(crate) mod boot;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod container;
pub(crate) mod dashboard;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod gateway;
pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod main_wrapper;
pub(crate) mod mcp;
pub(crate) mod model;
pub(crate) mod overview;
pub(crate) mod profile;
pub(crate) mod prompt_size;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod status;
pub(crate) mod tui;
pub(crate) mod turn;
pub(crate) mod version;
