//! The service managers of the gateways: the common trait, the backends s6, systemd and launchd, detection
//! and boot reconciliation.

mod condition;
pub mod detect;
pub mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
#[cfg(test)]
mod fake_tool;
mod kind;
pub mod launchd;
pub mod manager;
pub mod none;
pub mod reconcile;
pub mod s6;
pub mod systemd;

pub use condition::Condition;
pub use error::ServiceError;
pub use kind::Kind;
pub use manager::{ServiceManager, ServiceStatus, Wait};
