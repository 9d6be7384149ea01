//! A conversation in words for a terminal. `hermes chat` and the full screen show the same words.
//!
//! - [`markdown`] renders an answer.
//! - [`lines`] describes the events of a turn.
//! - [`slash`] reads the commands that a person types.
//! - [`history`] keeps the messages of the person.
//! - [`sessions`] begins and ends the sessions of a terminal.
//!
//! No function here touches a terminal.

pub mod history;
pub mod lines;
pub mod markdown;
pub mod sessions;
pub mod slash;
