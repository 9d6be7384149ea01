//! `hermes chat`: a conversation with the agent.

#![expect(dead_code, reason = "the engine that calls this is not wired yet")]

mod arguments;
mod console;
mod editor;
mod events;
mod history;
mod images;
mod lines;
mod markdown;
mod plain;
mod slash;
mod status_line;
mod stream;
mod type_ahead;
mod view;
