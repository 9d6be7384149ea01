//! The engine: it runs the turns of one agent. It knows nothing of profiles and surfaces.
//!
//! [`turn`] decides, without I/O. The driver performs its effects.

mod approve;
mod call_ids;
mod compact;
mod driver;
mod model_call;
mod parts;
mod progress;
mod questions;
mod run;
mod spending;
#[cfg(test)]
mod tests;
mod tool_run;
pub mod turn;
mod waits;

pub use compact::{CompactError, Lengths};
pub use parts::{Engine, EngineLimits};
