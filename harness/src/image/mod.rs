//! Builds the image of this repository.
//!
//! [`build`] gets the base image, gets the binaries ([`Binaries`]), packs a context and has BuildKit build it. A
//! [`Recipe`] names the parts. The steps that any image has are [`container_harness::image`].

mod binaries;
mod build;
mod error;
mod recipe;
mod revision;

pub use binaries::{Binaries, BinarySource, executable};
pub(crate) use build::build_for_tests;
pub use build::{BuildOptions, BuiltImage, build};
pub use container_harness::image::Progress;
pub use error::BuildError;
pub use recipe::Recipe;
