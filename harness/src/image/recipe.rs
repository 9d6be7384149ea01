//! What is to be built: the facts of one repository, in one place.

use std::path::PathBuf;

/// A repository whose image can be built.
///
/// Its Dockerfile takes the build arguments `BASE`, `RUST_IMAGE`, `BINARIES` (`built` or
/// `prebuilt`) and the one named by [`Recipe::revision_arg`].
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The root of the cargo workspace, where the Dockerfile lies.
    pub root: PathBuf,
    /// The tag that the image gets when nobody names another.
    pub tag: String,
    /// The packages whose binaries go into the image, and the name of each binary.
    pub binaries: Vec<(&'static str, &'static str)>,
    /// What the context holds besides the Dockerfile when the binaries are handed in.
    pub assets: Vec<&'static str>,
    /// The base image as a registry knows it.
    pub base: String,
    /// The name under which a bootstrapped base image is kept.
    pub own_base: String,
    /// The Debian suite that is bootstrapped.
    pub suite: &'static str,
    /// The build argument that receives the git revision.
    pub revision_arg: &'static str,
}

impl Recipe {
    /// The recipe of this repository.
    #[must_use]
    pub fn hermes() -> Self {
        let crate_root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Self {
            root: crate_root.parent().map(PathBuf::from).unwrap_or(crate_root),
            tag: "hermes:dev".into(),
            binaries: vec![("hermes-init", "init"), ("hermes", "hermes")],
            assets: vec!["docker", "LICENSE"],
            base: "debian:trixie-slim".into(),
            own_base: "hermes-base:trixie".into(),
            suite: "trixie",
            revision_arg: "HERMES_BUILD_SHA",
        }
    }
}
