//! Which image is tested: what `HERMES_TEST_IMAGE` names, else one that is built once for the whole run.
//!
//! A name that the engine does not know is an error, never a reason to build: who names an image wants that one.

use std::path::{Path, PathBuf};

use bollard::Docker;
use tokio::sync::OnceCell;

use crate::error::{Error, Result, status_of};
use crate::image_source;

/// The variable that selects the image under test.
pub const IMAGE_VARIABLE: &str = "HERMES_TEST_IMAGE";

/// The ID of the image under test. The first call of the process finds or builds it; under nextest, where each test is
/// a process of its own, the first process of the run does and the others wait for it.
pub async fn image_under_test(docker: &Docker) -> Result<&'static str> {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    Ok(IMAGE.get_or_try_init(|| find_or_build(docker)).await?)
}

async fn find_or_build(docker: &Docker) -> Result<String> {
    if let Ok(image) = std::env::var(IMAGE_VARIABLE)
        && !image.is_empty()
    {
        return named(docker, &image).await;
    }
    match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) if !run.is_empty() => once_in_run(docker, &run).await,
        _ => image_source::build(docker).await,
    }
}

/// The ID of an image that has to be there.
async fn named(docker: &Docker, image: &str) -> Result<String> {
    match docker.inspect_image(image).await {
        Ok(found) => Ok(found.id.unwrap_or_else(|| image.to_owned())),
        Err(error) if status_of(&error) == Some(404) => Err(Error::NoSuchImage {
            image: image.to_owned(),
            hint: format!(" ({IMAGE_VARIABLE} names it; unset it to have the image built)"),
        }),
        Err(error) => Err(Error::engine(format!("inspect image {image}"))(error)),
    }
}

/// Builds under a lock that all processes of the run share, and leaves the ID for those that wait.
async fn once_in_run(docker: &Docker, run: &str) -> Result<String> {
    let path = run_directory().join(format!("{}.image", run.replace(['/', '.'], "-")));
    let what = format!("lock {}", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(Error::file(what.clone()))?;
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(Error::file(what.clone()))?;
    // Blocks the thread: there is nothing else for this process to do. The lock goes with the file, or the process.
    file.lock().map_err(Error::file(what.clone()))?;
    let known = std::fs::read_to_string(&path).map_err(Error::file(what.clone()))?;
    if !known.is_empty() {
        return named(docker, &known).await;
    }
    let image = image_source::build(docker).await?;
    std::fs::write(&path, &image).map_err(Error::file(what))?;
    Ok(image)
}

/// Where evidence and run markers go: `target/docker-test`.
pub fn docker_test_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        manifest.parent().unwrap_or(manifest).join("target")
    });
    target.join("docker-test")
}

/// Markers of runs.
fn run_directory() -> PathBuf {
    docker_test_directory().join(".runs")
}
