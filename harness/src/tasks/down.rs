//! `cargo xtask down`: removes what `up` started.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RemoveVolumeOptions, StopContainerOptions};
use clap::Args;

use super::model_server::STAND_IN;
use super::{UP, UP_LABEL, is_missing};

/// Remove the containers that `up` started, and their network
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Remove its volume too, with all data
    #[arg(long)]
    volume: bool,
}

impl Down {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        if remove_container(&docker, UP).await? {
            println!("removed container {UP}");
        } else {
            println!("there is no container {UP}");
        }
        if remove_container(&docker, STAND_IN).await? {
            println!("removed container {STAND_IN}");
        }
        remove_network(&docker).await?;
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

/// Removes the network of `up`, if it is there.
async fn remove_network(docker: &Docker) -> Result<()> {
    let about = match docker.inspect_network(UP, None).await {
        Ok(about) => about,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error).context(format!("failed to inspect network {UP}")),
    };
    check_label(&format!("network {UP}"), about.labels)?;
    docker.remove_network(UP).await.context(format!("failed to remove network {UP}"))
}

/// Fails for a thing that `up` did not make.
fn check_label(name: &str, labels: Option<HashMap<String, String>>) -> Result<()> {
    if labels.unwrap_or_default().get(UP_LABEL.0).is_none_or(|role| role != UP_LABEL.1) {
        bail!("`cargo xtask up` did not start {name}, so it stays; rename or remove it yourself");
    }
    Ok(())
}

/// Stops a container of `up` in order and removes it. Returns `false` if there is none.
pub(super) async fn remove_container(docker: &Docker, name: &str) -> Result<bool> {
    let about = match docker.inspect_container(name, None).await {
        Ok(about) => about,
        Err(error) if is_missing(&error) => return Ok(false),
        Err(error) => return Err(error).context(format!("failed to inspect container {name}")),
    };
    check_label(&format!("container {name}"), about.config.and_then(|config| config.labels))?;
    docker
        .stop_container(name, None::<StopContainerOptions>)
        .await
        .context(format!("failed to stop container {name}"))?;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker
        .remove_container(name, Some(options))
        .await
        .context(format!("failed to remove container {name}"))?;
    Ok(true)
}
