//! Builds images through the engine's API alone.
//!
//! A build takes a base image ([`Debian::settle`]), packs a [`Context`], and has BuildKit build it ([`build_context`]).
//! The image of a product that is more than a few files has a recipe of its own on top of these.

mod base;
mod buildkit;
mod context;
mod dockerignore;
mod error;
mod progress;

pub use base::{Base, Debian, line_of};
pub use buildkit::build_context;
pub use context::Context;
pub use error::{Doing, ImageError};
pub use progress::Progress;
