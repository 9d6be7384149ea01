//! Tests a container image from outside.
