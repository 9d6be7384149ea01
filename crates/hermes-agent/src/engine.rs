//! Turns: the state machine ([`turn`]) and the driver that performs its effects ([`driver`]).

pub mod turn;
