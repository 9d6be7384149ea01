//! The pod of `deploy/kubernetes/`, run by Docker with its security context, volumes, variables and command.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Container, Look, boot_of, docker_test, secs};
use k8s_openapi::api::core::v1::Probe;
use predicates::str::contains;

use super::kubernetes::{port_of, probes};
use super::pod_builder::{EmptyDirs, Pod};
use super::{From, check_dashboard_login, check_secret};
use crate::support::driving::{directory, hermes};
use crate::support::gateways::gateway_is;

/// Runs a probe as the kubelet would. Returns `None` if it succeeds, or the reason of its failure.
async fn probe_failure(pod: &Pod, probe: &Probe) -> Result<Option<String>> {
    if let Some(command) = probe.exec.as_ref().and_then(|exec| exec.command.as_deref()) {
        let outcome = pod.exec(command).await?.either_way();
        return Ok((outcome.exit_code() != 0).then(|| outcome.report("exit code 0")));
    }
    let http = probe.http_get.as_ref().context("not known how to reproduce this probe")?;
    let port = port_of(&pod.spec, &http.port)?;
    let path = http.path.as_deref().context("it has a path")?;
    // The request comes from outside, as from the kubelet.
    match pod.container.http_get(port, path, &[]).await {
        Ok(answer) if (200..400).contains(&answer.status) => Ok(None),
        Ok(answer) => Ok(Some(format!("status {}: {}", answer.status, answer.text()))),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Waits until the three probes succeed, in the order of the kubelet.
async fn wait_for_probes(pod: &Pod) -> Result<()> {
    for (name, probe) in probes(&pod.spec)? {
        let succeeds = async |_: &Container| {
            let failure = probe_failure(pod, probe).await?;
            Ok(Look::holds(failure.is_none(), || failure.unwrap_or_default()))
        };
        pod.container.wait_until(format!("{name} succeeds"), succeeds, secs(20)).await?;
    }
    Ok(())
}

/// Returns the names of the probes that fail now.
async fn failing_probes(pod: &Pod) -> Result<Vec<&'static str>> {
    let mut failing = Vec::new();
    for (name, probe) in probes(&pod.spec)? {
        if probe_failure(pod, probe).await?.is_some() {
            failing.push(name);
        }
    }
    Ok(failing)
}

#[docker_test]
async fn the_pod_boots_unprivileged_on_a_read_only_root() -> Result<()> {
    let pod = Pod::start(EmptyDirs::Tmpfs).await?;
    wait_for_probes(&pod).await?;
    let boot = boot_of(&pod.container).await?;
    ensure!(boot.unprivileged, "{boot:?}");
    let processes = pod.container.processes().await?;
    // This look itself runs as root.
    let others = processes.iter().filter(|process| process.uid != 10000 && process.uid != 0).count();
    let gateways =
        processes.iter().filter(|process| process.argv.ends_with(&["gateway".into(), "run".into()]));
    ensure!(others == 0 && gateways.clone().count() > 0, "{}", process_table(&processes));
    ensure!(gateways.clone().all(|process| process.uid == 10000), "{}", process_table(&processes));
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t10000"] {
        pod.sh("cat /proc/1/status").await?.success().stdout_matches(contains(line));
    }
    pod.sh("touch /opt/hermes/x").await?.failure().stderr_matches(contains("Read-only file system"));
    pod.sh("touch /tmp/x /run/x /opt/data/x").await?.success();
    Ok(())
}

#[docker_test]
async fn the_secrets_reach_only_the_gateway_and_the_dashboard() -> Result<()> {
    let pod = Pod::start(EmptyDirs::Tmpfs).await?;
    wait_for_probes(&pod).await?;
    check_secret(&pod.container).await?;
    check_dashboard_login(&pod.container, From::Outside).await
}

#[docker_test]
#[case::empty_run(EmptyDirs::Tmpfs)]
#[case::kept_run(EmptyDirs::Kept)]
async fn a_restart_of_the_pods_container_brings_its_agents_back(#[case] empty_dirs: EmptyDirs) -> Result<()> {
    let pod = Pod::start(empty_dirs).await?;
    wait_for_probes(&pod).await?;
    pod.sh("hermes profile create coder && hermes -p coder gateway start").await?.success();
    let before = boot_of(&pod.container).await?;
    pod.container.restart().await?;
    let boot = boot_of(&pod.container).await?;
    ensure!(boot.supervisor != before.supervisor, "no new boot: {boot:?}");
    wait_for_probes(&pod).await?;
    for profile in ["default", "coder"] {
        let running = gateway_is(profile, "running");
        pod.container.wait_until(format!("{profile} runs again"), running, secs(15)).await?;
    }
    Ok(())
}

#[docker_test]
async fn only_a_stopped_default_gateway_fails_the_readiness_probe() -> Result<()> {
    let pod = Pod::start(EmptyDirs::Tmpfs).await?;
    wait_for_probes(&pod).await?;
    let break_it = format!("echo 'gateway: {{port: none}}' >{}/config.yaml", directory("ill"));
    pod.sh(&format!("hermes profile create ill && {break_it}")).await?.success();
    hermes(&pod.container, "-p ill gateway start").await?.code(1);
    hermes(&pod.container, "health").await?.code(1);
    let with_an_ill_one = failing_probes(&pod).await?;
    ensure!(with_an_ill_one.is_empty(), "an agent is ill, and this fails: {with_an_ill_one:?}");

    hermes(&pod.container, "gateway stop").await?.success();
    let without_the_default_one = failing_probes(&pod).await?;
    ensure!(without_the_default_one == ["readinessProbe"], "it is down: {without_the_default_one:?}");
    hermes(&pod.container, "gateway start").await?.success();
    wait_for_probes(&pod).await
}
