//! The HTTP API: its routes ([`routes`]), the checks before them ([`admit`], [`gate`]), its errors ([`problem`]), its counters
//! ([`vitals`], [`metrics`]), and its connections ([`connection`], [`activity`]).

mod activity;
mod admit;
mod answer;
mod app;
mod connection;
mod cors;
mod gate;
mod health;
mod keys;
mod metrics;
mod models;
mod problem;
mod rate;
mod routes;
mod vitals;

pub(crate) use activity::Activity;
pub(crate) use app::App;
pub(crate) use connection::{Admission, serve};
pub(crate) use gate::Gate;
pub(crate) use keys::Keys;
pub(crate) use routes::router;
pub(crate) use vitals::Vitals;

#[cfg(test)]
pub(crate) use routes::{Access, REQUEST_BODY_MAX, finish, table};
