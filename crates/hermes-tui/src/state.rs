//! The state of the screen, and its changes.

mod app;
mod approval;
mod command;
mod composer;
mod event;
mod history;
mod keys;
mod panel;
mod transcript;

pub(crate) use app::{App, Effect, Input, Loaded};
pub(crate) use approval::{CHOICES, Dialog};
pub(crate) use composer::Candidates;
pub(crate) use keys::KEYS;
pub(crate) use panel::{Agents, Log, Panel, Place, Sessions};
