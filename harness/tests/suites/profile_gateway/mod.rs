//! Profiles and their gateways under s6, from creation to deletion. The tests use only `hermes`.

mod accounts;
mod all;
mod cannot_start;
mod elsewhere;
mod faults;
mod life;
mod names;
