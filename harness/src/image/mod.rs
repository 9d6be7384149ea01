//! Builds the image under test, through the engine's API alone.
//!
//! [`build`] picks a base image ([`base`]), gets the binaries ([`binaries`]), packs a context
//! ([`context`]) and has BuildKit build it ([`buildkit`]), which works against Docker 20.10's own
//! builder without the buildx plug-in. What is built is said by a [`Recipe`], so that none of this
//! knows the product by name.

mod base;
mod binaries;
mod build;
mod buildkit;
mod context;
mod dockerignore;
mod error;
mod progress;
mod recipe;
mod revision;

pub use base::Base;
pub use binaries::{Binaries, BinarySource, executable};
pub use build::{BuildOptions, BuiltImage, build};
pub use error::ImageError;
pub use progress::Progress;
pub use recipe::Recipe;
