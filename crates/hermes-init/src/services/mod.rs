//! Services defined in the source format of s6-rc: read, ordered, brought up, taken down.

mod bring_up;
mod definition;
mod graph;
mod longrun;
mod take_down;
mod worker;

pub(crate) use bring_up::bring_up;
pub(crate) use graph::{Graph, Plan};
pub(crate) use take_down::{release_unordered, stop_longruns, take_down};
pub(crate) use worker::Worker;
