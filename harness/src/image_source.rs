//! Where the image under test comes from when `HERMES_TEST_IMAGE` names none.

use bollard::Docker;

use crate::error::{Error, Result};
use crate::image::{BuildOptions, Progress, Recipe, build as build_image};

/// Builds the image, or finds it built already, and returns its ID.
pub(crate) async fn build(docker: &Docker) -> Result<String> {
    let options = BuildOptions::new(Recipe::hermes());
    let image = build_image(docker, &options, &Progress::new()).await;
    image.map(|image| image.id).map_err(|error| Error::Build(error.into()))
}
