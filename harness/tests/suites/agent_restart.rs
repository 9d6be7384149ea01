//! The gateway, the container or the machine of an agent dies in the middle of its work: the conversation stays whole, no
//! turn runs twice, and no message is lost but the answer that was being streamed.

mod agent;
mod conversation;
mod power_cuts;
mod random;
mod random_cuts;
mod steps;
