//! The harness after a failed test, and after the death of a process that could not clean up.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, VolumeCreateRequest};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use hermes_harness::evidence::evidence_directory;
use hermes_harness::identity::{Owner, label_keys, unique_name};
use hermes_harness::reaper::reap;
use hermes_harness::suite::rehearse;
use hermes_harness::{Container, Error, connect, docker_test, image_under_test, secs};
use tokio::sync::oneshot;

/// Runs a test inside this one, on a thread of its own, as the runner does.
async fn run_inner_test<F>(
    name: &str,
    limit: Duration,
    test: impl FnOnce() -> F + Send + 'static,
) -> Result<Result<(), String>>
where
    F: Future<Output = Result<()>> + 'static,
{
    let name = name.to_owned();
    Ok(tokio::task::spawn_blocking(move || rehearse(&name, limit, test)).await?)
}

/// Returns a name that is unique to this process: concurrent runs share the folder of the evidence.
fn rehearsal(topic: &str) -> String {
    format!("rehearsal::{topic}-{}", std::process::id())
}

async fn is_gone(docker: &Docker, id: &str) -> bool {
    docker.inspect_container(id, None).await.is_err()
}

#[docker_test]
async fn evidence_of_a_failed_test_stays_until_it_passes() -> Result<()> {
    let name = rehearsal("evidence");
    let (tell, told) = oneshot::channel();
    let failure = run_inner_test(&name, secs(60), move || async move {
        let container = Container::builder()
            .file("/etc/cont-init.d/10-say", 0o755, "#!/bin/sh\necho said at boot\n")
            .cmd(["sleep", "infinity"])
            .start_ready()
            .await?;
        let _ = tell.send(container.id().to_owned());
        bail!("the reason")
    })
    .await?
    .expect_err("it fails");
    let docker = connect().await?;
    ensure!(is_gone(&docker, &told.await?).await, "the container is still there");

    let folder = evidence_directory(&name);
    ensure!(failure.starts_with("the reason\n\nevidence: "), "{failure}");
    ensure!(failure.contains(&folder.display().to_string()), "{failure}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    ensure!(read("failure.txt") == "the reason");
    ensure!((read("stdout.log") + read("stderr.log").as_str()).contains("said at boot"));
    ensure!(read("processes.txt").contains("sleep infinity"), "{}", read("processes.txt"));
    ensure!(read("slots.txt").contains("main-hermes: up"), "{}", read("slots.txt"));
    ensure!(read("boot.json").contains("\"supervisor\""));
    ensure!(read("inspect.json").contains("\"RestartCount\""));

    run_inner_test(&name, secs(60), || async { Ok(()) }).await?.map_err(anyhow::Error::msg)?;
    ensure!(!folder.exists(), "the evidence outlived the failure");
    Ok(())
}

#[docker_test]
async fn a_container_that_died_leaves_evidence_too() -> Result<()> {
    let name = rehearsal("died");
    let failure = run_inner_test(&name, secs(60), || async {
        let run = Container::builder().run(["sh", "-c", "echo its last words; exit 9"]).await?;
        run.success();
        Ok(())
    })
    .await?
    .expect_err("it fails");
    ensure!(failure.contains("exit code  9") && failure.contains("    | its last words"), "{failure}");
    let folder = evidence_directory(&name);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    ensure!(read("stdout.log").contains("its last words"));
    ensure!(read("boot.json").contains("\"supervisor\""));
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[docker_test]
async fn a_panic_reports_the_command_and_removes_the_container() -> Result<()> {
    let name = rehearsal("panic");
    let (tell, told) = oneshot::channel();
    let failure = run_inner_test(&name, secs(60), move || async move {
        let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
        let _ = tell.send(container.id().to_owned());
        container.exec_sh("echo out; echo err >&2; exit 3").await?.success();
        Ok(())
    })
    .await?
    .expect_err("it fails");
    for part in [
        "expected exit code 0",
        "command    sh -c 'echo out; echo err >&2; exit 3'",
        "user       hermes",
        "exit code  3",
        "    | out",
        "    | err",
        "harness_on_failure.rs:",
    ] {
        ensure!(failure.contains(part), "no {part:?} in: {failure}");
    }
    ensure!(is_gone(&connect().await?, &told.await?).await, "the container is still there");
    std::fs::remove_dir_all(evidence_directory(&name))?;
    Ok(())
}

#[docker_test]
async fn a_test_that_hangs_ends_at_its_limit() -> Result<()> {
    let name = rehearsal("hangs");
    let (tell, told) = oneshot::channel();
    // The limit includes the start of the container on a busy machine.
    let failure = run_inner_test(&name, secs(15), move || async move {
        let container = Container::builder().cmd(["sleep", "infinity"]).start().await?;
        let _ = tell.send(container.id().to_owned());
        std::future::pending().await
    })
    .await?
    .expect_err("it hangs");
    ensure!(failure.starts_with("the test did not end within its limit of 15 s"), "{failure}");
    ensure!(is_gone(&connect().await?, &told.await?).await, "the container is still there");
    std::fs::remove_dir_all(evidence_directory(&name))?;
    Ok(())
}

#[docker_test]
async fn ready_ignores_the_record_of_an_earlier_boot() -> Result<()> {
    const PLANTED: &str = r#"{"version":1,"started":"2020-01-01T00:00:00Z","duration_us":1,"phases":[],
        "supervisor":{"pid":1,"start_ticks":7}}"#;
    let container = Container::builder()
        .file("/run/s6/boot.json", 0o644, PLANTED)
        .entrypoint(["sleep", "infinity"])
        .start()
        .await?;
    let error = container.ready_within(secs(10)).await.expect_err("it is an old one");
    ensure!(matches!(error, Error::Deadline { .. }), "{error}");
    ensure!(error.to_string().contains("a boot record of an earlier boot"), "{error}");
    Ok(())
}

#[docker_test]
async fn the_reaper_removes_only_objects_of_dead_processes() -> Result<()> {
    let docker = connect().await?;
    let mut child = tokio::process::Command::new("true").spawn()?;
    let pid = child.id().expect("it was not waited for");
    child.wait().await?;
    let dead = Owner { pid, start_ticks: 1, ..Owner::this_process().clone() };

    let living = Container::builder().entrypoint(["sleep", "infinity"]).create().await?;
    let left = make_abandoned_container(&docker, &dead, false).await?;
    let kept = make_abandoned_container(&docker, &dead, true).await?;
    let volume = unique_name("reaper");
    let labels = HashMap::from([(label_keys().owner.clone(), dead.to_string())]);
    let request = VolumeCreateRequest {
        name: Some(volume.clone()),
        labels: Some(labels),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(request).await?;

    let reaped = reap(&docker).await?;
    let (left_gone, kept_gone) = (is_gone(&docker, &left).await, is_gone(&docker, &kept).await);
    let options = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    docker.remove_container(&kept, Some(options)).await?;
    // The reaper of another process may be faster. The test checks the result alone.
    ensure!(left_gone, "the dead one's container is still there: {reaped}");
    ensure!(docker.inspect_volume(&volume).await.is_err(), "the dead one's volume is still there: {reaped}");
    ensure!(!kept_gone, "what HERMES_KEEP kept was removed: {reaped}");
    ensure!(!is_gone(&docker, living.id()).await, "a living one's container was removed: {reaped}");
    Ok(())
}

/// Makes a container, as a process that ended without a clean-up leaves it.
async fn make_abandoned_container(docker: &Docker, owner: &Owner, keep: bool) -> Result<String> {
    let mut labels = HashMap::from([(label_keys().owner.clone(), owner.to_string())]);
    if keep {
        labels.insert(label_keys().keep.clone(), "1".to_owned());
    }
    let body = ContainerCreateBody {
        image: Some(image_under_test(docker).await?.to_owned()),
        labels: Some(labels),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&unique_name("reaper")).build();
    Ok(docker.create_container(Some(options), body).await?.id)
}
