//! `#[docker_test]`.
