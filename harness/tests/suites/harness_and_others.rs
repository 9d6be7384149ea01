//! The clean-up of objects that other programs make for a test, and of the engine's swarm. Tests that report that they
//! cannot run.

use std::future::Future;

use anyhow::{Result, bail, ensure};
use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HostConfig, LocalNodeState, NetworkCreateRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, UpdateSwarmOptionsBuilder};
use hermes_harness::evidence::evidence_directory;
use hermes_harness::identity::{Owner, label_keys, labels, unique_name};
use hermes_harness::reaper::reap;
use hermes_harness::suite::{not_run, rehearse};
use hermes_harness::{Adopted, Container, Swarm, connect, docker_test, image_under_test, secs};

/// The label that the other program puts on everything.
const LABEL: &str = "hermes.test.project";

/// Runs a test inside this one, and returns its failure.
async fn failure_of<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Result<String>
where
    F: Future<Output = Result<()>> + 'static,
{
    let name = name.to_owned();
    let told = tokio::task::spawn_blocking(move || rehearse(&name, secs(60), test)).await?;
    Ok(told.expect_err("it fails"))
}

#[docker_test]
async fn a_test_that_cannot_run_gives_the_reason() -> Result<()> {
    let name = format!("rehearsal::not-run-{}", std::process::id());
    let (tell, told) = tokio::sync::oneshot::channel();
    let failure = failure_of(&name, move || async move {
        let container = Container::builder().entrypoint(["sleep", "infinity"]).create().await?;
        let _ = tell.send(container.id().to_owned());
        Err(anyhow::Error::from(not_run("there is no such thing here")).context("while looking"))
    })
    .await?;
    ensure!(failure == "not run: there is no such thing here", "{failure}");
    ensure!(connect().await?.inspect_container(&told.await?, None).await.is_err(), "its container is there");
    ensure!(!evidence_directory(&name).exists(), "evidence of a failure that was none");
    Ok(())
}

/// Makes a container, a volume and a network, as Compose does.
async fn make_a_project(docker: &Docker, project: &str) -> Result<()> {
    let mut labels = labels("another program");
    labels.insert(LABEL.to_owned(), project.to_owned());
    let volume = VolumeCreateRequest {
        name: Some(project.to_owned()),
        labels: Some(labels.clone()),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(volume).await?;
    let network = NetworkCreateRequest {
        name: project.to_owned(),
        labels: Some(labels.clone()),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(network).await?;
    let body = ContainerCreateBody {
        image: Some(image_under_test(docker).await?.to_owned()),
        cmd: Some(["sh", "-c", "echo its own words; sleep infinity"].map(str::to_owned).to_vec()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            binds: Some(vec![format!("{project}:/opt/data")]),
            network_mode: Some(project.to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(project).build();
    let created = docker.create_container(Some(options), body).await?;
    docker.start_container(&created.id, None).await?;
    Ok(())
}

#[docker_test]
async fn a_failed_test_removes_adopted_objects_and_keeps_evidence() -> Result<()> {
    let name = format!("rehearsal::adopted-{}", std::process::id());
    let project = unique_name("adopted");
    let of_test = project.clone();
    let failure = failure_of(&name, move || async move {
        let things = Adopted::by_label(LABEL, &of_test).await?;
        ensure!(things.left().await?.is_empty(), "{:?}", things.left().await?);
        make_a_project(&connect().await?, &of_test).await?;
        let expected = ["container", "volume", "network"].map(|kind| format!("{kind} {of_test}"));
        ensure!(things.left().await? == expected, "{:?}", things.left().await?);
        things.containers().await?[0].ready().await?;
        bail!("the reason")
    })
    .await?;
    ensure!(failure.starts_with("the reason\n\nevidence: "), "{failure}");
    let folder = evidence_directory(&name);
    let log = std::fs::read_to_string(folder.join("stdout.log"))?;
    ensure!(log.contains("its own words"), "its log:\n{log}");
    std::fs::remove_dir_all(folder)?;
    let left = Adopted::by_label(LABEL, &project).await?.left().await?;
    ensure!(left.is_empty(), "left: {left:?}");
    Ok(())
}

async fn is_in_a_swarm(docker: &Docker) -> Result<bool> {
    let state = docker.info().await?.swarm.and_then(|swarm| swarm.local_node_state);
    Ok(state.is_some_and(|state| state != LocalNodeState::INACTIVE))
}

#[docker_test]
#[serial(swarm)]
async fn a_swarm_is_left_when_its_test_fails() -> Result<()> {
    let name = format!("rehearsal::swarm-{}", std::process::id());
    // The test counts as not run if the engine cannot make a swarm.
    let docker = connect().await?;
    let had_bridge = docker.inspect_network("docker_gwbridge", None).await.is_ok();
    let failure = failure_of(&name, || async {
        let swarm = Swarm::init().await?;
        ensure!(is_in_a_swarm(swarm.docker()).await?, "the engine is in no swarm");
        bail!("the reason")
    })
    .await?;
    if let Some(reason) = failure.strip_prefix("not run: ") {
        return Err(not_run(reason).into());
    }
    ensure!(failure.starts_with("the reason\n"), "{failure}");
    std::fs::remove_dir_all(evidence_directory(&name))?;
    ensure!(!is_in_a_swarm(&docker).await?, "the engine is still in the swarm");
    let has_bridge = docker.inspect_network("docker_gwbridge", None).await.is_ok();
    ensure!(has_bridge == had_bridge, "the swarm's bridge was there: {had_bridge}, is there: {has_bridge}");
    Ok(())
}

#[docker_test]
#[serial(swarm)]
async fn the_reaper_leaves_the_swarm_of_a_dead_process() -> Result<()> {
    let swarm = Swarm::init().await?;
    let docker = swarm.docker();
    let mut child = tokio::process::Command::new("true").spawn()?;
    let pid = child.id().expect("it was not waited for");
    child.wait().await?;
    let dead = Owner { pid, start_ticks: 1, ..Owner::this_process().clone() };
    let found = docker.inspect_swarm().await?;
    let mut spec = found.spec.unwrap_or_default();
    spec.labels.get_or_insert_default().insert(label_keys().owner.clone(), dead.to_string());
    let version = found.version.and_then(|version| version.index).expect("it has a version");
    let version = i64::try_from(version)?;
    docker.update_swarm(spec, UpdateSwarmOptionsBuilder::new().version(version).build()).await?;

    let reaped = reap(docker).await?;
    // The reaper of another process may be faster. The test checks the result alone.
    ensure!(!is_in_a_swarm(docker).await?, "the engine is still in the swarm: {reaped}");
    Ok(())
}
