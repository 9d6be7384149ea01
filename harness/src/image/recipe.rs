//! The facts of the repository that its image is built from, in one place.

use std::path::PathBuf;

use container_harness::image::Debian;

/// A repository whose image can be built.
///
/// Its Dockerfile takes the build arguments `RUST_IMAGE`, `BINARIES` (`built` or `prebuilt`), and those of the fields
/// `base` and `revision_arg`.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The root of the cargo workspace.
    pub root: PathBuf,
    /// The Dockerfile, relative to the root.
    pub dockerfile: &'static str,
    /// The tag of the image unless the caller names another.
    pub tag: String,
    /// The packages whose binaries go into the image, and the name of each binary.
    pub binaries: Vec<(&'static str, &'static str)>,
    /// The parts of the context besides the Dockerfile when the binaries are handed in.
    pub assets: Vec<&'static str>,
    /// The base image, for the build argument `BASE`. `None` if the image has none.
    pub base: Option<Debian>,
    /// The build argument that receives the git revision. `None` if the image does not carry it.
    pub revision_arg: Option<&'static str>,
}

impl Recipe {
    /// The recipe of the product.
    #[must_use]
    pub fn hermes() -> Self {
        Self {
            root: root(),
            dockerfile: "Dockerfile",
            tag: "hermes:dev".into(),
            binaries: vec![("hermes-init", "init"), ("hermes", "hermes")],
            assets: vec!["docker", "LICENSE"],
            base: Some(Debian::slim("trixie")),
            revision_arg: Some("HERMES_BUILD_SHA"),
        }
    }

    /// The recipe of the stand-in for a model server: one static program.
    #[must_use]
    pub fn stand_in() -> Self {
        Self {
            root: root(),
            dockerfile: "crates/stand-in/Dockerfile",
            tag: "hermes-stand-in:dev".into(),
            binaries: vec![("stand-in", "stand-in")],
            assets: Vec::new(),
            base: None,
            revision_arg: None,
        }
    }
}

/// Returns the root of the cargo workspace.
fn root() -> PathBuf {
    let crate_root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_root.parent().map(PathBuf::from).unwrap_or(crate_root)
}
