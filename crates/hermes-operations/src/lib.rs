//! The operations of a person on profiles and gateways, as functions: create, start, stop, export, look for faults.
//!
//! The commands of `hermes` and the dashboard call these functions. The library prints nothing and parses no command line. It is
//! given the service manager of the machine, so that a test can give it another one.
//!
//! A program of ten lines that lists, starts and stops gateways:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hermes_core::{Home, ProfileName};
//! use hermes_operations::{Operations, Report};
//! use hermes_service::{Wait, fake::FakeManager};
//!
//! fn list_start_stop(operations: &Operations) -> Result<(), Report> {
//!     let coder = ProfileName::for_new_profile("coder").expect("a valid name");
//!     operations.create(&coder)?;
//!     operations.start(&coder, Wait::No)?;
//!     for gateway in operations.gateways()? {
//!         println!("{}: {}", gateway.profile, gateway.state.word());
//!     }
//!     operations.stop(&coder, Wait::No)
//! }
//!
//! let folder = tempfile::tempdir().unwrap();
//! let home = Home::new(folder.path()).unwrap();
//! // In a container of the image: hermes_service::s6::S6::of_the_image(home.clone()).
//! let operations = Operations::new(home, Arc::new(FakeManager::default()));
//! list_start_stop(&operations).unwrap();
//! assert_eq!(operations.gateways().unwrap().len(), 2);
//! ```

mod archive;
pub mod boot_wait;
pub mod dashboard_record;
pub mod doctor;
mod environment;
mod foreground;
mod gateway;
pub mod lease_keeper;
pub mod lease_note;
mod operations;
mod profile;
mod progress;
mod report;
pub mod supervised;

pub use archive::Left;
pub use environment::environment;
pub use gateway::{DroveAll, Gateway, Key, Verb};
pub use hermes_service::{Condition, Wait};
pub use operations::{Operations, Supervisor, must_exist};
pub use profile::Export;
pub use progress::Progress;
pub use report::{MOUNT_READ_WRITE, Report, ReportKind, hint_for, is_read_only, selecting};
