//! `deploy/swarm.yaml`: deployed into a swarm of one node. The test creates the swarm and leaves it.

use anyhow::{Context, Result, ensure};
use bollard::models::{LocalNodeState, SecretSpec};
use hermes_harness::identity::{labels, unique_name};
use hermes_harness::{Adopted, Container, Look, Swarm, docker_test, image_under_test, secs, wait_until};
use k8s_openapi::ByteString;
use serde_json::json;

use super::program::Program;
use super::{
    From, SECRETS, check_dashboard_login, check_secret, folder, read, test_overrides, wait_until_gateway_runs,
};
use crate::support::driving::{answers_at_both_doors, directory, hermes};

/// A stack. It goes with the handle, after its swarm: the swarm would replace a task that is removed alone.
struct Stack {
    swarm: Swarm,
    things: Adopted,
    name: String,
    docker: Program,
    _folder: tempfile::TempDir,
}

impl Stack {
    async fn deploy(file: &str) -> Result<Self> {
        let swarm = Swarm::init().await?;
        let docker = Program::docker_in_a_swarm().await?;
        let labels = labels(&format!("deploy::{file}"));
        // Kubernetes and the engine write bytes in JSON in the same way: as base64.
        for (name, content) in SECRETS {
            let secret = SecretSpec {
                name: Some(name.to_owned()),
                data: json!(ByteString(content.into())).as_str().map(str::to_owned),
                labels: Some(labels.clone()),
                ..SecretSpec::default()
            };
            swarm.docker().create_secret(secret).await?;
        }
        let folder_of_test = tempfile::tempdir()?;
        let added = folder_of_test.path().join("addition.yaml");
        std::fs::write(&added, test_overrides(&read(file)?, &json!(labels)))?;

        let name = unique_name("stack");
        // The image is given by its ID: the engine would look up a name in the registry.
        let image = image_under_test(swarm.docker()).await?;
        let docker = docker.within(folder_of_test.path(), &[("HERMES_IMAGE", image)]);
        let things = Adopted::by_label("com.docker.stack.namespace", &name).await?;
        let stack = Self { swarm, things, name, docker, _folder: folder_of_test };
        let (file, added) = (folder().join(file), added);
        let (file, added) = (file.to_string_lossy(), added.to_string_lossy());
        let words = ["stack", "deploy", "--resolve-image", "never", "-c", &file, "-c", &added, &stack.name];
        stack.docker.call(words).await?;
        Ok(stack)
    }

    /// Returns the container of the only task after its start.
    async fn container(&self) -> Result<Container> {
        let look = async || {
            let mut containers = self.things.containers().await?;
            match (containers.pop(), containers.is_empty()) {
                (Some(container), true) => Ok(match container.state().await {
                    Ok(state) if state.running => Look::Value(container),
                    Ok(state) => Look::NotYet(format!("{state:?}; {}", self.tasks().await?)),
                    // The swarm has given up this container, and creates another.
                    Err(error) if error.engine_status() == Some(404) => Look::NotYet(self.tasks().await?),
                    Err(error) => return Err(error.into()),
                }),
                (_, true) => Ok(Look::NotYet(self.tasks().await?)),
                (_, false) => Ok(Look::Never(format!("there is more than one; {}", self.tasks().await?))),
            }
        };
        Ok(wait_until("the container of the task", look, secs(60)).await?)
    }

    /// Returns the states and errors of the swarm's tasks.
    async fn tasks(&self) -> Result<String, bollard::errors::Error> {
        let tasks = self.swarm.docker().list_tasks(None).await?;
        let lines = tasks.into_iter().map(|task| {
            let status = task.status.unwrap_or_default();
            format!("{:?}: {:?}, {:?}", task.desired_state, status.state, status.err)
        });
        Ok(format!("tasks: {}", lines.collect::<Vec<_>>().join("; ")))
    }

    /// Checks that no port is published. A port of a service is open on every node, and no container has it.
    async fn check_no_published_port(&self) -> Result<()> {
        let services = self.swarm.docker().list_services(None).await?;
        let ports: Vec<_> =
            services.into_iter().filter_map(|service| service.endpoint?.ports).flatten().collect();
        ensure!(ports.is_empty(), "published: {ports:?}");
        Ok(())
    }

    /// Runs `docker stack rm`, and returns the objects that remain afterwards.
    async fn remove(&self) -> Result<Vec<String>> {
        self.docker.call(["stack", "rm", &self.name]).await?;
        let done = async || {
            let left = self.things.left().await?;
            let is_done = left.iter().all(|thing| thing.starts_with("volume "));
            let seen = format!("{left:?}");
            Ok(Look::from_option(is_done.then_some(left), || seen))
        };
        Ok(wait_until("the end of the stack", done, secs(60)).await?)
    }
}

#[docker_test]
#[serial(swarm)]
async fn a_stack_tolerates_a_broken_agent_and_leaves_nothing_behind() -> Result<()> {
    let stack = Stack::deploy("swarm.yaml").await?;
    let container = stack.container().await?;
    wait_until_gateway_runs(&container).await?;
    answers_at_both_doors(&container, "default", 8642).await?;
    check_secret(&container).await?;
    check_dashboard_login(&container, From::Inside).await?;
    stack.check_no_published_port().await?;
    check_with_broken_agent(&container).await?;

    let left = stack.remove().await?;
    ensure!(left.len() == 1 && left[0].ends_with("_data"), "left by stack rm: {left:?}");
    let Stack { swarm, things, .. } = stack;
    let docker = swarm.docker().clone();
    swarm.leave().await?;
    let state = docker.info().await?.swarm.and_then(|swarm| swarm.local_node_state);
    ensure!(state == Some(LocalNodeState::INACTIVE), "the engine is still in a swarm: {state:?}");
    drop(things);
    Ok(())
}

/// Checks that `hermes health` reports a given-up agent, and that the check of the stack succeeds.
async fn check_with_broken_agent(container: &Container) -> Result<()> {
    hermes(container, "profile create ill").await?.success();
    let broken = format!("echo 'gateway: {{port: none}}' >{}/config.yaml", directory("ill"));
    container.exec_sh(&broken).await?.success();
    hermes(container, "-p ill gateway start").await?.code(1);
    hermes(container, "health").await?.code(1);
    let config = container.inspect().await?.config.and_then(|config| config.healthcheck);
    let test = config.and_then(|check| check.test).context("there is a health check")?;
    ensure!(test.first().is_some_and(|kind| kind == "CMD"), "not a command: {test:?}");
    container.exec(&test[1..]).as_root().await?.success();
    Ok(())
}
