//! The whole dashboard in process: the router with everything in front of it, and agents that live in a folder.

mod access;
mod api;
mod bad_input;
mod configuration;
mod conversation;
mod fake_gateway;
mod fixture;
mod login;
mod pages;
mod sockets;
mod streams;
