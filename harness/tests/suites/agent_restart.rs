//! The gateway, the container or the machine of an agent dies in the middle of its work. The conversation stays whole, and no
//! turn runs twice. At most the answer that was being streamed is lost.

mod agent;
mod conversation;
mod power_cuts;
mod random;
mod random_cuts;
mod steps;
