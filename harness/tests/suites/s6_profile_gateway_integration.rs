//! Slots of profiles in a running tree, as `hermes`. A slot appears whole, appears once, and leaves no trace.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::*;
use predicates::str::contains;

use crate::support::driving::{hermes, up, up_with};

/// Returns the names in the scan directory, with hidden ones.
async fn entries(container: &Container) -> Result<String> {
    Ok(container.exec(["ls", "-A", "/run/service"]).await?.success().stdout().trim_end().to_owned())
}

const EMPTY: &str = ".lease.json\n.lock\n.s6-svscan\ndashboard\ngateway-default\nmain-hermes\nvolume-lease";

#[docker_test]
async fn a_profile_is_registered_once_and_unregistered_completely() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let slot = container.slot("gateway-coder").await?;
    ensure!(slot.as_ref().is_some_and(|slot| slot.pid.is_none()), "the slot: {slot:?}");
    // Every file belongs to the account. Every executable file is a link into the image.
    let odd = "find /run/service/gateway-coder \\( ! -user hermes -o -type f -perm /111 \\)";
    container.exec_sh(odd).await?.success().stdout_is("");
    let links =
        container.exec_sh("cd /run/service/gateway-coder && readlink run finish log/run").await?.success();
    links.stdout_is(
        "/opt/hermes/docker/gateway/run\n/opt/hermes/docker/gateway/finish\n/opt/hermes/docker/gateway/log-run",
    );
    hermes(&container, "profile create coder").await?.code(1).stderr_matches(contains("exists already"));
    hermes(&container, "gateway list").await?.success().stdout_matches(contains("coder"));
    hermes(&container, "status")
        .await?
        .success()
        .stdout_matches(contains("Manager: s6 (container supervisor)\n"));
    hermes(&container, "doctor").await?.success().stdout_is("nothing is wrong");
    hermes(&container, "profile delete coder --yes").await?.success();
    hermes(&container, "profile delete coder --yes")
        .await?
        .code(1)
        .stderr_matches(contains("no such gateway"));
    ensure!(entries(&container).await? == EMPTY, "left: {}", entries(&container).await?);
    let left = container.processes_named("s6-supervise").await?;
    ensure!(!left.iter().any(|process| process.argv.iter().any(|word| word.contains("coder"))), "{left:?}");
    Ok(())
}

#[docker_test]
async fn rescans_during_registrations_find_only_complete_slots() -> Result<()> {
    let container = up().await?;
    // s6 writes to the log of the container if a slot has no `run`, or if it cannot enter a slot.
    let script = r#"
        ( until [ -e /tmp/done ]; do /command/s6-svscanctl -an /run/service; done ) & rescans=$!
        for number in 1 2 3 4 5 6 7 8 9 10 11 12; do
          hermes profile create "p$number" >/dev/null && hermes -p "p$number" gateway start >/dev/null || exit 1
          for part in type run finish notification-fd timeout-kill log/run; do
            [ -e "/run/service/gateway-p$number/$part" ] || exit 2; done
        done
        for number in 1 2 3 4 5 6 7 8 9 10 11 12; do hermes profile delete "p$number" --yes >/dev/null || exit 3; done
        : >/tmp/done; wait $rescans"#;
    container.exec_sh(script).deadline(hermes_harness::secs(120)).await?.success();
    ensure!(entries(&container).await? == EMPTY, "left: {}", entries(&container).await?);
    let log = container.log().await?;
    ensure!(!log.contains("s6-supervise") && !log.contains("s6-svscan"), "s6 complained:\n{log}");
    Ok(())
}

#[docker_test]
async fn a_failed_rescan_fails_the_registration_and_leaves_nothing() -> Result<()> {
    let container = up().await?;
    container.exec(["chmod", "000", "/run/service/.s6-svscan/control"]).await?.success();
    let failed = hermes(&container, "profile create coder").await?.code(1);
    failed.stdout_is("").stderr_matches(
        contains("failed to register the gateway 'coder'")
            .and(contains("/command/s6-svscanctl -a -- /run/service: exit status: "))
            .and(contains("panicked").not()),
    );
    container.exec(["chmod", "600", "/run/service/.s6-svscan/control"]).await?.success();
    ensure!(entries(&container).await? == EMPTY, "left: {}", entries(&container).await?);
    container.exec_sh("test ! -e /opt/data/profiles/coder").await?.success();
    hermes(&container, "profile create coder").await?.success();
    Ok(())
}
