//! Gateways in threads of the test. A channel replaces the signals.

mod access;
mod drain;
pub(crate) mod gateway;
mod model;
mod responses;
mod serving;
mod start;
mod talk;
