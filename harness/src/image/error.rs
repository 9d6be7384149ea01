//! The failures of a build of the image.

use container_harness::image::ImageError;

/// A failed build.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A step that any image has failed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Cargo built something, but not the binary that is needed.
    #[error("cargo built no binary named {0}")]
    NoBinary(String),
}
