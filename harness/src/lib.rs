//! The hermes image for [`container_harness`]: its layout, its recipe, the record of its boots, and the tasks of
//! `cargo xtask`.
//!
//! Suites of this repository use this crate alone. It has the names of `container_harness` and `browser_harness`, whose
//! documentation is the manual. Commands run as `hermes` unless a test asks for root.
//!
//! ```no_run
//! use anyhow::Result;
//! use hermes_harness::probe::{slot_pid_other_than, slot_up};
//! use hermes_harness::{Container, docker_test, secs};
//!
//! #[docker_test]
//! async fn a_slot_that_was_killed_comes_back() -> Result<()> {
//!     let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
//!     container.exec(["id", "-u"]).await?.success().stdout_is("10000");
//!     let slot = container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
//!     let pid = slot.pid.expect("it is up");
//!     container.kill_process(pid, "KILL").await?;
//!     container.wait_until("main-hermes back", slot_pid_other_than("main-hermes", pid), secs(10)).await?;
//!     Ok(())
//! }
//! ```
//!
//! The function lies in a module of `tests/suites/`. `main.rs` there names the module; a test fails when it does not.

pub mod image;

mod boot;
mod product;
mod stand_in;

pub use boot::{Boot, BootPhase, Supervisor, boot_of};
pub use browser_harness as browser;
pub use browser_harness::{Browser, BrowserBuilder};
pub use container_harness::{
    Adopted, Container, ContainerBuilder, DerivedImage, Error, ExecRequest, ImageBuilder, Look, Looked,
    Network, NoDocker, Outcome, Output, Result, State, Swarm, Terminal, Volume, connect, docker_exec,
    docker_exec_sh, docker_test, image_under_test, secs, vt100, wait_until,
};
pub use container_harness::{error, evidence, identity, probe, reaper, suite};
pub use product::{LAYOUT, PRODUCT};

pub use self::stand_in::StandIn;
