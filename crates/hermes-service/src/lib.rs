//! Who runs the long-running processes of this machine, and in which state they are.

mod condition;
pub mod detect;
pub mod error;
pub mod launchd;
pub mod manager;
pub mod none;
pub mod reconcile;
pub mod s6;
pub mod systemd;
pub mod tool;

pub use condition::Condition;
pub use error::ServiceError;
pub use manager::{Kind, ServiceManager, ServiceStatus, Wait};
pub use tool::ToolError;
