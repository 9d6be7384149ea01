//! Profiles: agents, each in a directory of its own.

mod create;
mod delete;
mod export;
mod import;
mod make;
mod rename;

pub use export::Export;
