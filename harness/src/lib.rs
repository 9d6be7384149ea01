//! Tests a container image from outside.

pub mod engine;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod hermes;
pub mod identity;
pub mod image_under_test;
pub mod probe;
pub mod reaper;
pub mod suite;
pub mod wait;

mod cleanup;
mod container;
mod derived;
mod image_source;
mod network;
mod outcome;
mod scope;
mod volume;

pub use container::{Boot, BootPhase, Container, ContainerBuilder, NewFile, State};
pub use derived::{DerivedImage, ImageBuilder};
pub use engine::{NoDocker, connect};
pub use error::{Error, Result};
pub use exec::{ExecRequest, docker_exec, docker_exec_sh};
pub use hermes_harness_macros::docker_test;
pub use image_under_test::image_under_test;
pub use network::Network;
pub use outcome::{Outcome, Output};
pub use volume::Volume;
pub use wait::{Look, Looked, secs, wait_until};
