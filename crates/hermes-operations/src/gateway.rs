//! Gateways: how each is, and the orders that a person gives to them.

mod all;
mod drive_from_here;
mod install;
mod key;
mod look;
mod restart;
mod start;
mod stop;
mod verb;

pub use all::DroveAll;
pub use key::Key;
pub use look::Gateway;
pub use verb::Verb;
