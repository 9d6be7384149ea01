//! Tests a container image from outside.

pub mod image;
