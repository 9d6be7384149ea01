//! `cargo xtask up`: a container to try things in.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use clap::Args;
use hermes_harness::Container;
use hermes_harness::image::{BuildOptions, Progress, Recipe, build};

use super::{UP, UP_LABEL, down, is_missing};

/// Build the image if needed, start a container and say how it is reached
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Start this image, by name or ID, instead of building one
    #[arg(long)]
    image: Option<String>,
}

impl Up {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        let progress = Progress::new();
        let image = match &self.image {
            Some(name) => image_id(&docker, name).await?,
            None => build(&docker, &BuildOptions::new(Recipe::hermes()), &progress).await?.id,
        };
        let step = progress.step(format!("start {UP}"));
        let what_happened = ensure_running(&docker, &image).await?;
        let boot = Container::existing(&docker, UP).ready().await?;
        step.done();
        drop(progress);

        println!("{UP} {what_happened}: booted in {:.1} ms", boot.duration_us as f64 / 1000.0);
        println!("its data is in the volume {UP}, mounted at /opt/data");
        println!();
        println!("  docker exec -it {UP} hermes    look around in it");
        println!("  docker logs -f {UP}            follow what it says");
        println!("  cargo xtask down                   stop and remove it");
        Ok(ExitCode::SUCCESS)
    }
}

async fn image_id(docker: &Docker, name: &str) -> Result<String> {
    let about = docker.inspect_image(name).await.with_context(|| format!("failed to find image {name:?}"))?;
    Ok(about.id.unwrap_or_else(|| name.to_owned()))
}

/// Makes sure that the container runs this image; the data survives, since it lies in a volume.
async fn ensure_running(docker: &Docker, image: &str) -> Result<&'static str> {
    let what_happened = match docker.inspect_container(UP, None).await {
        Err(error) if is_missing(&error) => {
            create(docker, image).await?;
            "is up"
        }
        Err(error) => return Err(error).context(format!("failed to inspect container {UP}")),
        Ok(about) if about.image.as_deref() == Some(image) => {
            if about.state.and_then(|state| state.running) == Some(true) {
                return Ok("was up already");
            }
            "is up again"
        }
        Ok(_) => {
            down::remove_container(docker).await?;
            create(docker, image).await?;
            "is up, made anew from the changed image"
        }
    };
    docker
        .start_container(UP, None::<StartContainerOptions>)
        .await
        .context(format!("failed to start container {UP}"))?;
    Ok(what_happened)
}

async fn create(docker: &Docker, image: &str) -> Result<()> {
    let labels = HashMap::from([(UP_LABEL.0.to_owned(), UP_LABEL.1.to_owned())]);
    let volume = VolumeCreateRequest {
        name: Some(UP.into()),
        labels: Some(labels.clone()),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(volume).await.context(format!("failed to create volume {UP}"))?;
    let body = ContainerCreateBody {
        image: Some(image.into()),
        hostname: Some(UP.into()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            binds: Some(vec![format!("{UP}:/opt/data")]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(UP).build();
    docker.create_container(Some(options), body).await.context(format!("failed to create container {UP}"))?;
    Ok(())
}
