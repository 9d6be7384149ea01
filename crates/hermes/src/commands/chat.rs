//! `hermes chat`: a conversation with the agent.

#![expect(dead_code, reason = "the engine that calls this is not wired yet")]

mod events;
mod markdown;
mod plain;
mod slash;
mod stream;
