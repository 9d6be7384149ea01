//! Removes the things that earlier runs left: a SIGKILL, a crash or a power cut kept `Drop` from it.
//!
//! Only what carries the harness's labels is ever looked at, and of that only what belongs to a process that is known to
//! have ended ([`Owner::is_dead`]); so two runs on one machine leave each other alone.

use std::collections::HashMap;
use std::fmt;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder,
};

use crate::cleanup::{Doomed, remove};
use crate::error::{Error, Result, chain};
use crate::identity::{LabelKeys, Owner, label_keys};
use crate::swarm::labels_of_swarm;

/// The removed things, by kind, and the failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Names of containers.
    pub containers: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Names of networks.
    pub networks: Vec<String>,
    /// Tags or IDs of images.
    pub images: Vec<String>,
    /// The swarm that the engine was in.
    pub swarms: Vec<String>,
    /// The things that the engine refused to remove, with its reason.
    pub failures: Vec<String>,
}

impl Reaped {
    /// Returns whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("container", &self.containers),
            ("volume", &self.volumes),
            ("network", &self.networks),
            ("image", &self.images),
            ("swarm", &self.swarms),
        ];
        let mut lines = Vec::new();
        for (kind, names) in kinds {
            lines.extend(names.iter().map(|name| format!("removed {kind} {name}")));
        }
        lines.extend(self.failures.iter().map(|failure| format!("not removed: {failure}")));
        if lines.is_empty() {
            lines.push("nothing was left".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Removes what belongs to processes that have ended. What `PREFIX_KEEP=1` kept stays.
pub async fn reap(docker: &Docker) -> Result<Reaped> {
    let local = engine_is_local();
    reap_where(docker, |labels| is_abandoned(label_keys(), labels, |owner| owner.is_dead(local))).await
}

/// Removes everything of the harness that no living process owns, what `PREFIX_KEEP=1` kept included.
pub async fn reap_all(docker: &Docker) -> Result<Reaped> {
    reap_where(docker, |labels| {
        // Another kernel's processes cannot be seen; who cleans up by hand means those too.
        owner_in(label_keys(), labels).is_some_and(|owner| owner.is_dead(true))
    })
    .await
}

fn owner_in(keys: &LabelKeys, labels: &HashMap<String, String>) -> Option<Owner> {
    Owner::parse(labels.get(&keys.owner)?)
}

fn is_abandoned(
    keys: &LabelKeys,
    labels: &HashMap<String, String>,
    is_dead: impl Fn(&Owner) -> bool,
) -> bool {
    !labels.contains_key(&keys.keep) && owner_in(keys, labels).is_some_and(|owner| is_dead(&owner))
}

/// Returns whether the engine runs on the kernel that this process runs on.
pub(crate) fn engine_is_local() -> bool {
    std::env::var("DOCKER_HOST").map_or(true, |host| host.is_empty() || host.starts_with("unix:"))
}

async fn reap_where(docker: &Docker, is_doomed: impl Fn(&HashMap<String, String>) -> bool) -> Result<Reaped> {
    let filter = HashMap::from([("label", vec![label_keys().owner.as_str()])]);
    let mut reaped = Reaped::default();

    // First, since it would replace the containers of its tasks.
    if let Some(labels) = labels_of_swarm(docker).await?
        && is_doomed(&labels)
    {
        let name = labels.get(&label_keys().test).map_or("without a test", String::as_str);
        let name = format!("of {name}");
        reaped.note(docker, crate::swarm::doomed(&labels), name, |reaped| &mut reaped.swarms).await;
    }

    let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let containers = docker.list_containers(Some(options)).await.map_err(Error::engine("list containers"))?;
    for container in containers {
        if !is_doomed(&container.labels.unwrap_or_default()) {
            continue;
        }
        let Some(id) = container.id else { continue };
        let name = container.names.unwrap_or_default().into_iter().next();
        let name = name.map_or_else(|| id.clone(), |name| name.trim_start_matches('/').to_owned());
        reaped.note(docker, Doomed::Container(id), name, |reaped| &mut reaped.containers).await;
    }

    let options = ListVolumesOptionsBuilder::new().filters(&filter).build();
    let volumes = docker.list_volumes(Some(options)).await.map_err(Error::engine("list volumes"))?;
    for volume in volumes.volumes.unwrap_or_default() {
        if is_doomed(&volume.labels) {
            let name = volume.name;
            reaped.note(docker, Doomed::Volume(name.clone()), name, |reaped| &mut reaped.volumes).await;
        }
    }

    let options = ListNetworksOptionsBuilder::new().filters(&filter).build();
    let networks = docker.list_networks(Some(options)).await.map_err(Error::engine("list networks"))?;
    for network in networks {
        if is_doomed(&network.labels.unwrap_or_default()) {
            let name = network.name.unwrap_or_default();
            reaped.note(docker, Doomed::Network(name.clone()), name, |reaped| &mut reaped.networks).await;
        }
    }

    let options = ListImagesOptionsBuilder::new().filters(&filter).build();
    let images = docker.list_images(Some(options)).await.map_err(Error::engine("list images"))?;
    for image in images {
        if is_doomed(&image.labels) {
            let name = image.repo_tags.into_iter().next().unwrap_or_else(|| image.id.clone());
            reaped.note(docker, Doomed::Image(image.id), name, |reaped| &mut reaped.images).await;
        }
    }
    Ok(reaped)
}

impl Reaped {
    async fn note(
        &mut self,
        docker: &Docker,
        doomed: Doomed,
        name: String,
        list: impl FnOnce(&mut Self) -> &mut Vec<String>,
    ) {
        match remove(docker, &doomed).await {
            Ok(()) => list(self).push(name),
            Err(error) => self.failures.push(chain(&error).replace('\n', ": ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_a_dead_owner_left_is_abandoned() {
        let keys = LabelKeys::of("shop");
        let owned = labels(&[("shop.harness.owner", "b:7:99:1")]);
        assert!(is_abandoned(&keys, &owned, |owner| owner.pid == 7));
        assert!(!is_abandoned(&keys, &owned, |_| false));
    }

    #[test]
    fn what_is_not_ours_or_is_kept_stays_whoever_is_dead() {
        let stays = |pairs: &[(&str, &str)]| !is_abandoned(&LabelKeys::of("shop"), &labels(pairs), |_| true);
        assert!(stays(&[]));
        assert!(stays(&[("shop.harness.owner", "someone's own label")]));
        assert!(stays(&[("inn.harness.owner", "b:7:99:1")]));
        assert!(stays(&[("shop.harness.owner", "b:7:99:1"), ("shop.harness.keep", "1")]));
    }

    #[test]
    fn the_report_names_each_thing() {
        let reaped = Reaped {
            containers: vec!["c".into()],
            failures: vec!["volume v: in use".into()],
            ..Reaped::default()
        };
        assert_eq!(reaped.to_string(), "removed container c\nnot removed: volume v: in use");
        assert_eq!(Reaped::default().to_string(), "nothing was left");
    }
}
