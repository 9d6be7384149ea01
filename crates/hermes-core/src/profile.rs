//! A profile: one agent, with its directory and its name.

pub mod active;
pub mod directories;
mod listing;
pub mod name;
pub mod set_aside;

pub use directories::ProfileDirectories;
pub use listing::{Profiles, Stray, StrayReason};
pub use name::{ProfileName, ProfileNameError};
