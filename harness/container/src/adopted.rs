//! Holds things that another program (Compose, `docker stack`) makes in the engine for a test: found by a label that it puts on
//! everything, looked at like what the harness makes, and removed with the handle.
//!
//! A SIGKILL of the test leaves it behind, as it does any other. For the reaper to find it then, the test has that program
//! put the labels of [`labels`](crate::identity::labels) on it, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};

use crate::cleanup::{Doomed, on_cleanup_thread};
use crate::container::{Container, Suspect};
use crate::engine::connect;
use crate::error::{Error, Result, chain};
use crate::identity::{keep_is_on, say_kept};
use crate::product::product;
use crate::scope::{Scope, let_go};

/// How long looking for what is there may take when the handle goes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A handle on all containers, volumes and networks with one label, those that are still to come included.
#[derive(Debug)]
pub struct Adopted {
    docker: Docker,
    label: String,
    scope: Option<Arc<Scope>>,
}

impl Adopted {
    /// Holds everything with this label, as `com.docker.compose.project` and the name of the project.
    pub async fn by_label(name: &str, value: &str) -> Result<Self> {
        let scope = Scope::current();
        let docker = match &scope {
            Some(scope) => scope.docker().clone(),
            None => connect().await?,
        };
        Ok(Self { docker, label: format!("{name}={value}"), scope })
    }

    /// The containers, whether they run or not.
    pub async fn containers(&self) -> Result<Vec<Container>> {
        let things = things(&self.docker, &self.label).await?;
        let suspects = things.into_iter().filter_map(|thing| thing.suspect);
        Ok(suspects.map(|suspect| Container::observed(&self.docker, &suspect)).collect())
    }

    /// Returns the things that are there, as `container x`, `volume y`, `network z`.
    pub async fn left(&self) -> Result<Vec<String>> {
        let things = things(&self.docker, &self.label).await?;
        Ok(things.into_iter().map(|thing| format!("{} {}", thing.kind, thing.name)).collect())
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        let label = self.label.clone();
        if keep_is_on() {
            let remove =
                product().clean_up.map_or_else(String::new, |command| format!(". Remove it: {command}"));
            say_kept(&format!("everything with the label {label} is kept{remove}"));
            return;
        }
        let found = on_cleanup_thread(PATIENCE, move |docker| async move { things(&docker, &label).await });
        match found {
            Some(Ok(things)) => {
                for thing in things {
                    let_go(self.scope.as_ref(), thing.doomed, thing.suspect);
                }
            }
            Some(Err(error)) => eprintln!("harness: {}", chain(&error)),
            None => eprintln!("harness: not removed, the engine did not answer: {}", self.label),
        }
    }
}

struct Thing {
    kind: &'static str,
    name: String,
    doomed: Doomed,
    suspect: Option<Suspect>,
}

/// In the order in which they can be removed.
async fn things(docker: &Docker, label: &str) -> Result<Vec<Thing>> {
    let filter = HashMap::from([("label", vec![label])]);
    let mut things = Vec::new();

    let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let containers = docker.list_containers(Some(options)).await.map_err(Error::engine("list containers"))?;
    for container in containers {
        let Some(id) = container.id else { continue };
        let name = container.names.unwrap_or_default().into_iter().next();
        let name = name.map_or_else(|| id.clone(), |name| name.trim_start_matches('/').to_owned());
        let suspect = Suspect { id: id.clone(), name: name.clone(), layout: product().layout };
        things.push(Thing { kind: "container", name, doomed: Doomed::Container(id), suspect: Some(suspect) });
    }

    let options = ListVolumesOptionsBuilder::new().filters(&filter).build();
    let volumes = docker.list_volumes(Some(options)).await.map_err(Error::engine("list volumes"))?;
    for volume in volumes.volumes.unwrap_or_default() {
        let name = volume.name;
        things.push(Thing { kind: "volume", doomed: Doomed::Volume(name.clone()), name, suspect: None });
    }

    let options = ListNetworksOptionsBuilder::new().filters(&filter).build();
    let networks = docker.list_networks(Some(options)).await.map_err(Error::engine("list networks"))?;
    for network in networks {
        let name = network.name.unwrap_or_default();
        things.push(Thing {
            kind: "network",
            doomed: Doomed::Network(network.id.unwrap_or_else(|| name.clone())),
            name,
            suspect: None,
        });
    }
    Ok(things)
}
