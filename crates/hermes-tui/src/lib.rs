//! The full screen: `hermes --tui`.
//!
//! [`state`] decides: a function from an input to a new state and effects, without I/O. [`draw`] shows a state. [`driver`] reads keys,
//! performs effects, and owns the terminal. So tests press keys and look at screens without a terminal.

mod draw;
mod driver;
mod state;

pub use driver::{Left, Open, Options, run};

#[cfg(test)]
mod tests;
