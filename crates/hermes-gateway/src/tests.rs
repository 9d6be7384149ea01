//! Gateways in threads of the test. A channel replaces the signals.

mod drain;
mod gateway;
mod serving;
mod start;
