//! Builds the image, from the base image to the tag.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use bollard::Docker;
use container_harness::BoxError;
use container_harness::image::{Base, Context, Doing as _, ImageError, Progress, build_context};
use container_harness::product::Building;

use super::binaries::{self, Binaries, BinarySource};
use super::error::BuildError;
use super::recipe::Recipe;
use super::revision;

/// A build to be done.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The repository.
    pub recipe: Recipe,
    /// The tag of the result.
    pub tag: String,
    /// The place where the binaries are compiled.
    pub binaries: BinarySource,
    /// Ask for the base image again, although one is there.
    pub fresh_base: bool,
    /// The image that the Dockerfile's compiling stage starts from; `None` leaves it to the Dockerfile.
    pub rust_image: Option<String>,
}

impl BuildOptions {
    /// A recipe, built as usual.
    #[must_use]
    pub fn new(recipe: Recipe) -> Self {
        let tag = recipe.tag.clone();
        Self { recipe, tag, binaries: BinarySource::Auto, fresh_base: false, rust_image: None }
    }
}

/// An image that was built, or that was found to be up to date.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// The engine's ID of it, `sha256:…`.
    pub id: String,
    /// Its tag.
    pub tag: String,
    /// Uncompressed, in bytes.
    pub size: u64,
    /// Its base image, if it has one.
    pub base: Option<Base>,
    /// The place where the binaries were compiled.
    pub binaries: Binaries,
    /// The git revision that it carries.
    pub revision: Option<String>,
}

/// Builds the image. One at a time in a repository: others wait, across processes.
pub async fn build(
    docker: &Docker,
    options: &BuildOptions,
    progress: &Progress,
) -> Result<BuiltImage, BuildError> {
    let recipe = &options.recipe;
    let _lock = lock(&recipe.root, progress).await?;
    let base = match &recipe.base {
        Some(base) => Some(base.settle(docker, options.fresh_base, progress).await?),
        None => None,
    };
    let binaries = binaries::get(docker, recipe, options.binaries, progress).await?;
    let revision = revision::of(&recipe.root).await;

    let mut arguments = HashMap::new();
    arguments.extend(base.as_ref().map(|base| ("BASE".to_owned(), base.name().to_owned())));
    let argument = recipe.revision_arg.zip(revision.clone());
    arguments.extend(argument.map(|(name, revision)| (name.to_owned(), revision)));
    arguments.extend(options.rust_image.clone().map(|image| ("RUST_IMAGE".to_owned(), image)));
    let mut context = Context::new(&recipe.root)?;
    context.add_as(&recipe.root.join(recipe.dockerfile), Path::new("Dockerfile"), 0o644)?;
    match &binaries {
        Binaries::Host(files) => {
            arguments.insert("BINARIES".into(), "prebuilt".into());
            for asset in &recipe.assets {
                context.add(Path::new(asset))?;
            }
            for (name, file) in files {
                context.add_as(file, &Path::new("prebuilt").join(name), 0o755)?;
            }
        }
        Binaries::Stage => {
            arguments.insert("BINARIES".into(), "built".into());
            for name in ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "harness", "xtask"] {
                context.add(Path::new(name))?;
            }
            for asset in &recipe.assets {
                context.add(Path::new(asset))?;
            }
        }
    }
    build_context(docker, context.finish()?, &options.tag, &arguments, progress).await?;

    let about = docker.inspect_image(&options.tag).await.doing(format!("inspect image {}", options.tag))?;
    Ok(BuiltImage {
        id: about.id.unwrap_or_default(),
        tag: options.tag.clone(),
        size: about.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        base,
        binaries,
        revision,
    })
}

/// Builds the image for a test run, or finds it built already.
pub(crate) fn build_for_tests(docker: Docker) -> Building {
    Box::pin(async move {
        let built = build(&docker, &BuildOptions::new(Recipe::hermes()), &Progress::new()).await;
        built.map(|image| image.id).map_err(BoxError::from)
    })
}

/// The lock that keeps two builds of one repository apart; it ends with the file, or the process.
async fn lock(root: &Path, progress: &Progress) -> Result<File, ImageError> {
    let path: PathBuf = root.join("target").join("image.lock");
    let failed = |source| ImageError::File { doing: "lock", path: path.clone(), source };
    std::fs::create_dir_all(root.join("target")).map_err(failed)?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {}
        Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
    }
    let _waiting = progress.step("wait for another build of this repository");
    let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    waiting.await.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
}
