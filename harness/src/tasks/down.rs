//! `cargo xtask down`: removes what `up` started.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptions, StopContainerOptions};
use clap::Args;

use super::{UP, UP_LABEL, is_missing};

/// Remove the container that `up` started
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Remove its volume too, with all data
    #[arg(long)]
    volume: bool,
}

impl Down {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        if remove_container(&docker).await? {
            println!("removed container {UP}");
        } else {
            println!("there is no container {UP}");
        }
        if self.volume {
            match docker.remove_volume(UP, None::<RemoveVolumeOptions>).await {
                Ok(()) => println!("removed volume {UP}"),
                Err(error) if is_missing(&error) => println!("there is no volume {UP}"),
                Err(error) => return Err(error).context(format!("failed to remove volume {UP}")),
            }
        } else if docker.inspect_volume(UP).await.is_ok() {
            println!("its data stays in volume {UP} (`cargo xtask down --volume` removes it too)");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Stops the container in order and removes it; false when there was none.
pub(super) async fn remove_container(docker: &Docker) -> Result<bool> {
    let about = match docker.inspect_container(UP, None).await {
        Ok(about) => about,
        Err(error) if is_missing(&error) => return Ok(false),
        Err(error) => return Err(error).context(format!("failed to inspect container {UP}")),
    };
    let labels = about.config.and_then(|config| config.labels).unwrap_or_default();
    if labels.get(UP_LABEL.0).is_none_or(|role| role != UP_LABEL.1) {
        bail!("the container {UP} was not started by `cargo xtask up`; it is left alone");
    }
    docker
        .stop_container(UP, None::<StopContainerOptions>)
        .await
        .context(format!("failed to stop container {UP}"))?;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(UP, Some(options)).await.context(format!("failed to remove container {UP}"))?;
    Ok(true)
}
