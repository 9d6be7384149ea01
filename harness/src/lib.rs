//! Tests a container image from outside.
//!
//! Everything that touches the engine goes through its API (`bollard`): never the `docker` program, never its text. The
//! engine may be as old as Docker 20.10 (API 1.41).
//!
//! # A test
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
//! The function lies in a module of `tests/suites/`; the module is named in `tests/suites/main.rs` (a test fails when
//! it is not). `#[case(…)]` makes several tests of one function, and `#[serial(key)]` keeps tests that share one thing
//! apart ([`docker_test`]). A test may take 180 s ([`suite::LIMIT`]) and runs on a current-thread runtime of its own.
//!
//! # A container
//!
//! [`Container::builder`] describes it, and whatever is not said is the image's own, but for the health check,
//! which nobody asks unless the test does. Then one of:
//!
//! | | |
//! | --- | --- |
//! | [`start_ready`](ContainerBuilder::start_ready) | starts it and waits until *this* boot is complete |
//! | [`start`](ContainerBuilder::start), then [`ready`](Container::ready) | the two apart; `ready` returns the [`Boot`] |
//! | [`create`](ContainerBuilder::create) | makes it without starting it |
//! | [`run`](ContainerBuilder::run)`(args)` | runs it to its end: an [`Outcome`] |
//! | [`open_terminal`](ContainerBuilder::open_terminal)`(columns, rows)` | `docker run -it`: the container and a [`Terminal`] |
//!
//! [`ContainerBuilder::file`] puts a file into it before it starts (a `cont-init.d` script, a service definition):
//! quicker than an image of its own, which [`ImageBuilder`] builds `FROM` the one under test.
//! [`Volume`] and [`Network`] are made for a test; they outlive their handles until their last container is gone.
//!
//! What another program makes for a test, Compose for instance, is [`Adopted`]; [`Swarm`] makes the engine a swarm of one.
//!
//! What is dropped is removed before the test's next step; what is dropped while the test fails, after its evidence was
//! taken. `HERMES_KEEP=1` keeps it and says how to enter it. What a SIGKILL left behind the next run removes
//! ([`reaper`]).
//!
//! # In a container
//!
//! [`Container::exec`], [`docker_exec`] and [`docker_exec_sh`] run a command **as `hermes`**; root is asked for by name,
//! [`as_root`](ExecRequest::as_root) (why: [`exec`]). The [`Outcome`] must be judged: `.success()`, `.failure()`,
//! `.code(n)`, or `.either_way()`; the [`Output`] that these return has `stdout_is`, `stdout_matches(predicate)`,
//! `text()`. The probes are methods, too: [`processes`](Container::processes), [`zombies`](Container::zombies),
//! [`listening_ports`](Container::listening_ports), [`slot`](Container::slot), [`slots`](Container::slots),
//! [`file`](Container::file), [`read_file`](Container::read_file), [`http_get`](Container::http_get),
//! [`http_get_inside`](Container::http_get_inside), [`http_get_socket`](Container::http_get_socket); and the faults: [`kill_process`](Container::kill_process),
//! [`stop_within`](Container::stop_within), [`kill`](Container::kill), [`restart`](Container::restart),
//! [`pause`](Container::pause), [`disconnect_network`](Container::disconnect_network), [`fill`](Container::fill).
//!
//! # Waiting
//!
//! Never for a duration: [`Container::wait_until`] and [`wait_until`] look until a probe has a value, knows that there
//! will never be one, or the deadline passes; the error says what was seen last. A probe is an `async` closure that
//! returns `Ok(Look::Value(…))`, `Ok(Look::NotYet(seen))` or `Ok(Look::Never(why))`; errors come in with `?`.
//!
//! # A page
//!
//! [`Browser`] is a real one, to click through a dashboard with ([`browser`]).
//!
//! # The image under test
//!
//! What `HERMES_TEST_IMAGE` names ([`image_under_test()`]), else one that is built once for the whole run. Only the module
//! [`hermes`] knows what is in it.

pub mod browser;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod hermes;
pub mod identity;
pub mod image;
pub mod image_under_test;
pub mod probe;
pub mod reaper;
pub mod suite;
pub mod wait;

mod adopted;
mod cleanup;
mod container;
mod derived;
mod image_source;
mod layer;
mod network;
mod outcome;
mod scope;
mod swarm;
mod terminal;
mod volume;

pub use adopted::Adopted;
pub use browser::{Browser, BrowserBuilder};
pub use container::{Boot, BootPhase, Container, ContainerBuilder, State};
pub use derived::{DerivedImage, ImageBuilder};
pub use engine::{NoDocker, connect};
pub use error::{Error, Result};
pub use exec::{ExecRequest, docker_exec, docker_exec_sh};
pub use hermes_harness_macros::docker_test;
pub use image_under_test::image_under_test;
pub use network::Network;
pub use outcome::{Outcome, Output};
pub use swarm::Swarm;
pub use terminal::Terminal;
pub use volume::Volume;
pub use vt100;
pub use wait::{Look, Looked, secs, wait_until};
