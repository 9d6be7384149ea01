//! Who runs the long-running processes of this machine, and in which state they are.

pub mod detect;
pub mod s6;
