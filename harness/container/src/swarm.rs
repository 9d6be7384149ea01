//! The engine as a swarm of one node, for a test that needs one.
//!
//! An engine is in one swarm or in none, so there is one handle at a time, on the whole machine: a second run waits for
//! the first. The swarm carries the harness's labels; one whose owner is dead is left by the [`reaper`](crate::reaper).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{LocalNodeState, SwarmInitRequest, SwarmSpec};
use bollard::query_parameters::{
    LeaveSwarmOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};

use crate::cleanup::{Doomed, remove};
use crate::error::{Error, Result, status_of};
use crate::identity::{Owner, keep_is_on, label_keys, labels, say_kept};
use crate::reaper::engine_is_local;
use crate::scope::{Maker, Scope, let_go};
use crate::suite::not_run;
use crate::wait::{Look, Looked, wait_until};

/// How long another run may have the engine as its swarm.
const OTHERS: Duration = Duration::from_secs(120);

/// How long the engine may take for the networks of a new swarm.
const OWN_NETWORK: Duration = Duration::from_secs(30);

/// How long the tasks of a swarm that was left may take to end.
const TASKS: Duration = Duration::from_secs(45);

/// The bridge that the engine makes for the first swarm and keeps for the next.
const BRIDGE: &str = "docker_gwbridge";

/// Label that the engine puts on the container of each task.
const TASK_LABEL: &str = "com.docker.swarm.task";

/// A swarm of one node. The engine leaves it when the handle goes, and its services, secrets and networks with it.
#[derive(Debug)]
pub struct Swarm {
    docker: Docker,
    scope: Option<Arc<Scope>>,
    made_bridge: bool,
    left: bool,
}

impl Swarm {
    /// Makes the engine a swarm that listens on the loopback alone.
    ///
    /// Where it is in one already, or does not become one, the error is that of a test that
    /// [cannot run here](not_run).
    pub async fn init() -> Result<Self> {
        let maker = Maker::current().await?;
        let try_it = async || match labels_of_swarm(&maker.docker).await? {
            None => make(&maker.docker, maker.test()).await,
            Some(labels) => look_at_other(&maker.docker, &labels).await,
        };
        let made_bridge = wait_until("an engine that is in no swarm", try_it, OTHERS).await?;
        let Maker { docker, scope } = maker;
        let swarm = Self { docker, scope, made_bridge, left: false };
        // It comes a moment later, on its own, and would come after the swarm was left, too.
        let look = async || match swarm.docker.inspect_network(BRIDGE, None).await {
            Ok(_) => Ok(Look::Value(())),
            Err(error) if status_of(&error) == Some(404) => Ok(Look::NotYet("there is none".to_owned())),
            Err(error) => Err(error.into()),
        };
        wait_until(format!("the network {BRIDGE} of the swarm"), look, OWN_NETWORK).await?;
        Ok(swarm)
    }

    /// The connection, for what the harness has no word for.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Leaves the swarm now, instead of when the handle goes.
    pub async fn leave(mut self) -> Result<()> {
        self.left = true;
        remove(&self.docker, &Doomed::Swarm { bridge: self.made_bridge }).await
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        if keep_is_on() {
            say_kept("the engine stays a swarm. Leave it: docker swarm leave --force");
            return;
        }
        let_go(self.scope.as_ref(), Doomed::Swarm { bridge: self.made_bridge }, None);
    }
}

/// Makes the swarm; whether it brought its bridge along.
async fn make(docker: &Docker, test: &str) -> Looked<bool> {
    let had_bridge = docker.inspect_network(BRIDGE, None).await.is_ok();
    let mut labels = labels(test);
    if !had_bridge {
        labels.insert(label_keys().bridge.clone(), "new".to_owned());
    }
    let request = SwarmInitRequest {
        listen_addr: Some("127.0.0.1".to_owned()),
        advertise_addr: Some("127.0.0.1".to_owned()),
        spec: Some(SwarmSpec {
            // The only name that a swarm may have.
            name: Some("default".to_owned()),
            labels: Some(labels),
            ..SwarmSpec::default()
        }),
        ..SwarmInitRequest::default()
    };
    match docker.init_swarm(request).await {
        Ok(_) => Ok(Look::Value(!had_bridge)),
        // Another run was quicker.
        Err(_) if labels_of_swarm(docker).await?.is_some() => Ok(Look::NotYet("a swarm of another's".into())),
        Err(error) => Err(not_run(format!("the engine becomes no swarm: {error}")).into()),
    }
}

/// A swarm that somebody else made: waited for, left if its owner is dead, or the end of the test.
async fn look_at_other(docker: &Docker, labels: &HashMap<String, String>) -> Looked<bool> {
    let owner = labels.get(&label_keys().owner).and_then(|label| Owner::parse(label));
    let Some(owner) = owner.filter(|_| !labels.contains_key(&label_keys().keep)) else {
        return Err(not_run("the engine is in a swarm already").into());
    };
    if owner.is_dead(engine_is_local()) {
        remove(docker, &doomed(labels)).await?;
    }
    Ok(Look::NotYet(format!("the swarm of the test process {owner}")))
}

/// The labels of the swarm that the engine is in, of which there are none where it is no manager; `None` without a swarm.
pub(crate) async fn labels_of_swarm(docker: &Docker) -> Result<Option<HashMap<String, String>>> {
    let info = docker.info().await.map_err(Error::engine("ask the engine about itself"))?;
    let state = info.swarm.and_then(|swarm| swarm.local_node_state);
    if matches!(state, None | Some(LocalNodeState::INACTIVE | LocalNodeState::EMPTY)) {
        return Ok(None);
    }
    match docker.inspect_swarm().await {
        Ok(swarm) => Ok(Some(swarm.spec.and_then(|spec| spec.labels).unwrap_or_default())),
        // Left meanwhile, or a worker.
        Err(error) if matches!(status_of(&error), Some(404 | 406 | 503)) => Ok(Some(HashMap::new())),
        Err(error) => Err(Error::engine("inspect the swarm")(error)),
    }
}

/// The swarm with these labels, as what is to be removed.
pub(crate) fn doomed(labels: &HashMap<String, String>) -> Doomed {
    Doomed::Swarm { bridge: labels.contains_key(&label_keys().bridge) }
}

/// Leaves the swarm, and waits until what the engine removes with it, on its own and a moment later, is gone: containers of
/// tasks, whose volumes can be removed only then, and networks, which nobody can remove.
pub(crate) async fn leave(docker: &Docker, bridge: bool) -> Result<()> {
    let options = LeaveSwarmOptionsBuilder::new().force(true).build();
    match docker.leave_swarm(Some(options)).await {
        Err(error) if status_of(&error) == Some(503) => {}
        other => other.map_err(Error::engine("leave the swarm"))?,
    }
    let label = HashMap::from([("label", vec![TASK_LABEL])]);
    let scope = HashMap::from([("scope", vec!["swarm"])]);
    let look = async || {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
        let tasks = docker.list_containers(Some(options)).await?;
        let options = ListNetworksOptionsBuilder::new().filters(&scope).build();
        let networks = docker.list_networks(Some(options)).await?;
        let left: Vec<_> = tasks
            .into_iter()
            .filter_map(|task| task.names)
            .flatten()
            .chain(networks.into_iter().filter_map(|network| network.name))
            .collect();
        Ok(Look::holds(left.is_empty(), || left.join(" ")))
    };
    wait_until("the end of the swarm's tasks and networks", look, TASKS).await?;
    if bridge {
        remove(docker, &Doomed::Network(BRIDGE.to_owned())).await?;
    }
    Ok(())
}
