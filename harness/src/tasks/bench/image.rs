//! `image`: its size, a build with nothing changed, and a build after one line was changed.
//!
//! The lines are changed in a copy of the sources, which is kept under `target` with what cargo
//! compiled for it: nothing of the work tree is ever touched.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions, RemoveImageOptionsBuilder};
use hermes_harness::image::{BuildOptions, BuiltImage, Progress, Recipe, build};
use tokio::process::Command;

use super::Bed;
use super::table::Row;

const TARGET_MB: f64 = 170.0;
const TARGET_AGAIN_S: f64 = 3.0;
const TARGET_LINE_S: f64 = 30.0;
/// The file that a line is added to.
const CHANGED: &str = "crates/hermes/src/main.rs";
/// How often each build is measured: they are long, and their target is far away.
const TIMES: usize = 3;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let copy = copy_of_the_sources().await?;
    let before = all_images(bed).await?;
    let mut options = BuildOptions::new(Recipe { root: copy.clone(), ..Recipe::hermes() });
    options.tag = format!("hermes-bench:{}", std::process::id());
    let mut images = vec![build(&bed.docker, &options, &Progress::silent()).await?];
    let (mut again, mut changed) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        again.push(timed_build(bed, &options, &mut images).await?);
        change_a_line(&copy.join(CHANGED))?;
        changed.push(timed_build(bed, &options, &mut images).await?);
    }
    let about = bed.docker.inspect_image(&bed.image).await.context("failed to inspect the image")?;
    let size = about.size.unwrap_or_default() as f64 / 1e6;
    images.retain(|image| !before.contains(&image.id));
    remove(bed, &options.tag, &images).await?;

    Ok(vec![
        Row::fixed("image", "size, uncompressed", "MB", vec![size], TARGET_MB),
        Row::fixed("image", "build, nothing changed", "s", again, TARGET_AGAIN_S),
        Row::fixed("image", "build, one line changed", "s", changed, TARGET_LINE_S),
    ])
}

async fn all_images(bed: &Bed) -> Result<HashSet<String>> {
    let images = bed.docker.list_images(None::<ListImagesOptions>).await.context("failed to list images")?;
    Ok(images.into_iter().map(|image| image.id).collect())
}

async fn timed_build(bed: &Bed, options: &BuildOptions, images: &mut Vec<BuiltImage>) -> Result<f64> {
    let started = Instant::now();
    images.push(build(&bed.docker, options, &Progress::silent()).await?);
    Ok(started.elapsed().as_secs_f64())
}

/// The files that git knows, as they lie in the work tree. What is the same already is not written,
/// so that cargo compiles only what differs.
async fn copy_of_the_sources() -> Result<PathBuf> {
    let root = Recipe::hermes().root;
    let copy = root.join("target/bench-image");
    let output = Command::new("git")
        .arg("-C")
        .arg(&root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .await
        .context("failed to start git")?;
    ensure!(output.status.success(), "git ls-files ended with {}", output.status);
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    for name in names.split_terminator('\0') {
        copy_file(&root.join(name), &copy.join(name)).with_context(|| format!("failed to copy {name}"))?;
    }
    Ok(copy)
}

fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if from.is_symlink() {
        let _ = std::fs::remove_file(to);
        return std::os::unix::fs::symlink(std::fs::read_link(from)?, to);
    }
    // Removed, and git does not know yet.
    if !from.exists() {
        return Ok(());
    }
    if std::fs::read(to).ok() != Some(std::fs::read(from)?) {
        std::fs::copy(from, to)?;
    }
    Ok(())
}

/// A line that ends up in the binary.
fn change_a_line(file: &Path) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let line = format!("\n#[used]\nstatic BENCH_{now}: u128 = {now};\n");
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    std::fs::write(file, text + line.as_str()).with_context(|| format!("failed to write {}", file.display()))
}

/// The images of this benchmark. A build whose result was there before (by another name, or by none) made none.
async fn remove(bed: &Bed, tag: &str, images: &[BuiltImage]) -> Result<()> {
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    bed.docker.remove_image(tag, Some(options), None).await.context("failed to remove the image")?;
    for image in images {
        match bed.docker.remove_image(&image.id, None::<RemoveImageOptions>, None).await {
            // The last of them went with its tag.
            Err(error) if crate::tasks::is_missing(&error) => {}
            Err(error) => return Err(error).context("failed to remove an image"),
            Ok(_) => {}
        }
    }
    Ok(())
}
