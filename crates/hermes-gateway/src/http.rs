//! The HTTP API: its routes ([`routes`]), its counters ([`vitals`], [`metrics`]), and its connections ([`connection`],
//! [`activity`]).

mod activity;
mod connection;
mod metrics;
mod routes;
mod vitals;

pub(crate) use activity::Activity;
pub(crate) use connection::{Admission, serve};
pub(crate) use routes::router;
pub(crate) use vitals::Vitals;

#[cfg(test)]
pub(crate) use routes::{REQUEST_BODY_MAX, finish};
