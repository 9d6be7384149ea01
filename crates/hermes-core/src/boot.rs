//! The records of boots: how long each step took, and what each boot did with the profiles.

pub mod log;
pub mod record;
