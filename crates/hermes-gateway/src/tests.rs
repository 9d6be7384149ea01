//! Gateways in threads of the test. A channel replaces the signals.

mod access;
mod ask;
mod conversations;
mod drain;
mod ends;
pub(crate) mod gateway;
mod model;
mod responses;
mod serving;
mod start;
mod talk;
