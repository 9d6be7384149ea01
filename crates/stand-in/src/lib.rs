//! A scripted model server that speaks Chat Completions and Anthropic Messages, for tests and first steps.
//!
//! It holds a small conversation by rules, follows a script, or replays recorded exchanges. A script can also make it
//! send malformed and broken answers. `README.md` describes the formats.

mod answer;
mod chat_completions;
mod conversation;
mod error;
mod fault;
mod http;
mod journal;
mod messages;
mod prompt;
mod protocol;
mod replay;
mod response;
mod routes;
mod script;
mod server;
mod stamp;
mod words;

pub use error::Error;
pub use script::Script;
pub use server::{Options, Server, StandIn};
pub use stamp::stamp_clock;
