//! Services in the source format of s6-rc: reads, sorts, starts and stops them.

mod bring_up;
mod definition;
mod graph;
mod longrun;
mod plan;
mod take_down;
mod worker;

pub(crate) use bring_up::bring_up;
pub(crate) use graph::Graph;
pub(crate) use plan::{Plan, Plans};
pub(crate) use take_down::{release_unordered, stop_longruns, take_down};
pub(crate) use worker::Worker;
