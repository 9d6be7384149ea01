//! The facts of the repository that its image is built from, in one place.

use std::path::PathBuf;

use container_harness::image::Debian;

/// A repository whose image can be built.
///
/// Its Dockerfile takes the build arguments `BASE`, `RUST_IMAGE`, `BINARIES` (`built` or
/// `prebuilt`) and the one named by [`Recipe::revision_arg`].
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The root of the cargo workspace, where the Dockerfile lies.
    pub root: PathBuf,
    /// The tag of the image unless the caller names another.
    pub tag: String,
    /// The packages whose binaries go into the image, and the name of each binary.
    pub binaries: Vec<(&'static str, &'static str)>,
    /// The parts of the context besides the Dockerfile when the binaries are handed in.
    pub assets: Vec<&'static str>,
    /// The base image.
    pub base: Debian,
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
            base: Debian::slim("trixie"),
            revision_arg: "HERMES_BUILD_SHA",
        }
    }
}
