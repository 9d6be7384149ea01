//! The HTTP API: what it says ([`routes`]), what it counts ([`vitals`], [`metrics`]), and what becomes of a connection
//! ([`connection`], [`activity`]).

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
pub(crate) use connection::HEAD_TIMEOUT;
#[cfg(test)]
pub(crate) use routes::{REQUEST_BODY_MAX, finish};
