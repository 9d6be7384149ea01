//! The HTTP API: its routes ([`routes`]), the checks before them ([`admit`], [`gate`]), its errors ([`problem`]), its counters
//! ([`vitals`], [`metrics`]), and its connections ([`connection`], [`activity`]).

mod activity;
mod admit;
mod answer;
mod app;
mod approval_form;
mod approvals;
mod ask;
mod body;
mod caller;
mod chat;
mod clock;
mod connection;
mod converse;
mod cors;
mod gate;
mod health;
mod idempotency;
mod input;
mod keys;
mod metrics;
mod models;
mod outcome;
mod problem;
mod rate;
mod response;
mod response_events;
mod responses;
mod routes;
mod rule;
mod run_events;
mod run_registry;
mod runs;
mod sessions;
mod sse;
mod turn_records;
mod turn_stats;
mod usage;
mod vitals;

pub(crate) use activity::Activity;
pub(crate) use app::App;
pub(crate) use caller::Refused;
pub(crate) use connection::{Admission, serve};
pub(crate) use gate::Gate;
pub(crate) use keys::Keys;
pub(crate) use problem::Problem;
pub(crate) use routes::router;
pub(crate) use run_registry::Runs;
pub(crate) use turn_stats::TurnStats;
pub(crate) use vitals::Vitals;

#[cfg(test)]
pub(crate) use routes::{finish, table};
#[cfg(test)]
pub(crate) use rule::{Access, REQUEST_BODY_MAX};
