//! Tests a container image from outside.
//!
//! Everything that touches the engine goes through its API (`bollard`): never the `docker` program, never its text. The
//! engine may be as old as Docker 20.10 (API 1.41).
//!
//! # A test
//!
//! ```no_run
//! use container_harness::{Container, docker_test, secs};
//!
//! #[docker_test]
//! async fn a_worker_that_was_killed_comes_back() -> container_harness::Result<()> {
//!     let container = Container::builder().env("WORKERS", "1").start_ready().await?;
//!     container.exec(["id", "-un"]).await?.success().stdout_is("www-data");
//!     let worker = container.processes_named("worker").await?.remove(0);
//!     container.kill_process(worker.pid, "KILL").await?;
//!     let is_back = async |container: &Container| {
//!         let workers = container.processes_named("worker").await?;
//!         Ok(container_harness::Look::holds(workers.iter().any(|other| other.pid != worker.pid), || {
//!             format!("{workers:?}")
//!         }))
//!     };
//!     container.wait_until("a worker with another PID", is_back, secs(10)).await
//! }
//! ```
//!
//! A test binary states the image once and hands over to [`suite::main`]: see [`product`]. `#[case(…)]` makes several
//! tests of one function, and `#[serial(key)]` keeps tests that share one thing apart ([`docker_test`]). A test may take
//! 400 s ([`suite::LIMIT`]) and runs on a current-thread runtime of its own.
//!
//! # A container
//!
//! [`Container::builder`] describes it. The image's own settings hold for the rest, but for the health check, which runs
//! only if the test asks for it. Then one of:
//!
//! | | |
//! | --- | --- |
//! | [`start_ready`](ContainerBuilder::start_ready) | starts it and waits until *this* start is [ready](Readiness) |
//! | [`start`](ContainerBuilder::start), then [`ready`](Container::ready) | does the two apart |
//! | [`create`](ContainerBuilder::create) | makes it without starting it |
//! | [`run`](ContainerBuilder::run)`(args)` | runs it to its end: an [`Outcome`] |
//! | [`open_terminal`](ContainerBuilder::open_terminal)`(columns, rows)` | `docker run -it`: the container and a [`Terminal`] |
//!
//! [`ContainerBuilder::file`] puts a file into it before it starts (a `cont-init.d` script, a service definition):
//! quicker than an image of its own, which [`ImageBuilder`] builds `FROM` the one under test.
//! [`Volume`] and [`Network`] are made for a test; they outlive their handles until their last container is gone.
//!
//! [`Adopted`] holds things that another program made for a test, such as Compose. [`Swarm`] makes the engine a swarm of
//! one.
//!
//! A dropped thing is removed before the test's next step. If it is dropped while the test fails, its evidence is taken
//! first. `PREFIX_KEEP=1` keeps it and says how to enter it. The next run removes the things that a SIGKILL left behind
//! ([`reaper`]).
//!
//! # In a container
//!
//! [`Container::exec`], [`docker_exec`] and [`docker_exec_sh`] run a command **as the layout's [user](Layout::user)**.
//! A test asks for root by name, [`as_root`](ExecRequest::as_root) ([`exec`] says why). The [`Outcome`] must be judged: `.success()`, `.failure()`,
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
//! # The image under test
//!
//! The image that `PREFIX_TEST_IMAGE` names ([`image_under_test()`]), else the [product's](Product::image) own, built
//! once for the whole run.

pub mod engine;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod identity;
pub mod image;
pub mod probe;
pub mod product;
pub mod reaper;
pub mod suite;
pub mod wait;

mod adopted;
mod cleanup;
mod container;
mod derived;
mod image_under_test;
mod layer;
mod network;
mod outcome;
mod scope;
mod swarm;
mod terminal;
mod volume;

pub use adopted::Adopted;
pub use container::{Container, ContainerBuilder, State};
pub use container_harness_macros::docker_test;
pub use derived::{DerivedImage, ImageBuilder};
pub use engine::{NoDocker, connect};
pub use error::{BoxError, Error, Result};
pub use exec::{ExecRequest, docker_exec, docker_exec_sh};
pub use image_under_test::image_under_test;
pub use network::Network;
pub use outcome::{Outcome, Output};
pub use product::{ImageSource, Layout, Product, Readiness, product};
pub use swarm::Swarm;
pub use terminal::Terminal;
pub use volume::Volume;
pub use vt100;
pub use wait::{Look, Looked, secs, wait_until};
