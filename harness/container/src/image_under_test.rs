//! Finds the image under test: the one that `PREFIX_TEST_IMAGE` names, else the product's own, built once for the run.
//!
//! A name that the engine does not know is an error, never a reason to build another image.

use bollard::Docker;
use tokio::sync::OnceCell;

use crate::error::{Error, Result, status_of};
use crate::product::{ImageSource, product};

/// The ID of the image under test. The first call of the process finds or builds it; under nextest, where each test is
/// a process of its own, the first process of the run does and the others wait for it.
pub async fn image_under_test(docker: &Docker) -> Result<&'static str> {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    Ok(IMAGE.get_or_try_init(|| find_or_build(docker)).await?)
}

/// The variable that selects the image under test, without the product's prefix.
const IMAGE: &str = "TEST_IMAGE";

async fn find_or_build(docker: &Docker) -> Result<String> {
    let product = product();
    if let Some(image) = product.setting(IMAGE) {
        let hint = format!(" ({} names it; unset it to have the image built)", product.variable(IMAGE));
        return named(docker, &image, hint).await;
    }
    let builder = match product.image {
        ImageSource::Named(image) => return named(docker, image, String::new()).await,
        ImageSource::Built(builder) => builder,
    };
    let build = async || builder(docker.clone()).await.map_err(Error::Build);
    match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) if !run.is_empty() => once_in_run(docker, &run, build).await,
        _ => build().await,
    }
}

/// The ID of an image that has to be there.
async fn named(docker: &Docker, image: &str, hint: String) -> Result<String> {
    match docker.inspect_image(image).await {
        Ok(found) => Ok(found.id.unwrap_or_else(|| image.to_owned())),
        Err(error) if status_of(&error) == Some(404) => {
            Err(Error::NoSuchImage { image: image.to_owned(), hint })
        }
        Err(error) => Err(Error::engine(format!("inspect image {image}"))(error)),
    }
}

/// Builds under a lock that all processes of the run share, and leaves the ID for those that wait.
async fn once_in_run(docker: &Docker, run: &str, build: impl AsyncFn() -> Result<String>) -> Result<String> {
    let name = format!("{}.image", run.replace(['/', '.'], "-"));
    let path = product().test_directory().join(".runs").join(name);
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
        return named(docker, &known, String::new()).await;
    }
    let image = build().await?;
    std::fs::write(&path, &image).map_err(Error::file(what))?;
    Ok(image)
}
