//! Profiles and their gateways under s6, from the creation to the deletion, driven by `hermes` alone (`contract.md` §4, §5).

mod accounts;
mod all;
mod cannot_start;
mod elsewhere;
mod faults;
mod life;
mod names;
