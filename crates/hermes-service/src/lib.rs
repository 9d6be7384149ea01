//! Who runs the long-running processes of this machine, and in which state they are.

mod condition;
pub mod detect;
pub mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
#[cfg(test)]
mod fake_tool;
pub mod launchd;
pub mod manager;
pub mod none;
pub mod reconcile;
pub mod s6;
pub mod systemd;

pub use condition::Condition;
pub use error::ServiceError;
pub use manager::{Kind, ServiceManager, ServiceStatus, Wait};
