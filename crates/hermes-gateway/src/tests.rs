//! Gateways that run in a thread each, told to end by a channel where a signal would do it.

mod drain;
mod gateway;
mod serving;
mod start;
