//! Files and links that an agent plants in its account's directories. Root executes none of them and follows no path
//! that `hermes` can swap, even after a restart or the end of the tree.

use anyhow::{Result, ensure};
use hermes_harness::probe::{process_table, slot_ready};
use hermes_harness::{Container, Look, docker_test, secs};

use crate::support::driving::{hermes, up_with};

/// Makes the trap: a program that records the UID of the account that runs it.
const TRACE: &str = r#"printf '#!/bin/sh\nid -u >>/tmp/traces; : >/tmp/made-by-$(id -u)-$$; exec sleep 1000\n' >/opt/data/trap
chmod 755 /opt/data/trap"#;

/// Plants traps in `/run/service`, as `hermes`.
const SLOTS: &str = r#"cd /run/service
mkdir -p evil/log && cp /opt/data/trap evil/run && cp /opt/data/trap evil/finish && cp /opt/data/trap evil/log/run
for part in run finish log/run; do rm -f gateway-coder/$part; cp /opt/data/trap gateway-coder/$part; done
for handler in crash finish SIGTERM SIGINT SIGHUP SIGQUIT SIGUSR1; do
  rm -f .s6-svscan/$handler; cp /opt/data/trap .s6-svscan/$handler; done
ln -sfn /opt/data/trap main-hermes/run
ln -s /etc gateway-etc"#;

/// Plants links to files of root on the volume, as `hermes`, under every name that a boot looks at.
const VOLUME: &str = r#"cd /opt/data
ln -s /etc profiles/evil
mkdir profiles/linked; echo x >profiles/linked/SOUL.md
for file in gateway_state.json gateway.pid gateway.lock processes.json config.yaml .env gateway.sock; do
  ln -s /etc/passwd profiles/linked/$file; done
rm -rf logs && ln -s /etc logs
rm -f lease.json lease.lock && ln -s /etc/new-lease lease.json && ln -s /etc/new-lock lease.lock
ln -sfn /etc/passwd active_profile"#;

/// Prints a checksum of the places that only root may change.
const SUM: &str = "find /etc /opt/hermes /init /command -xdev \\( -type f -o -type l \\) \
    ! -name hostname ! -name hosts ! -name resolv.conf -printf '%p %U %G %m %s %l\\n' | sort | sha256sum";

async fn sum(container: &Container) -> Result<String> {
    Ok(container.exec_sh(SUM).as_root().await?.success().stdout())
}

/// Checks that only `hermes` ran a trap, and that root owns no file in the directories of the traps.
async fn check_no_trace_of_root(container: &Container, when: &str) -> Result<()> {
    let traces = container.exec_sh("cat /tmp/traces 2>/dev/null || true").as_root().await?.success().stdout();
    ensure!(traces.lines().all(|uid| uid == "10000"), "{when}: traps were run as {traces}");
    let roots = "find /tmp /opt/data /run/service -xdev -user root ! -path /tmp ! -path /opt/data ! -path /opt/data/.ownership";
    let found = container.exec_sh(roots).as_root().await?.success().stdout();
    ensure!(found.is_empty(), "{when}: these are root's:\n{found}");
    Ok(())
}

#[docker_test]
async fn root_runs_and_follows_nothing_that_an_agent_plants() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let before = sum(&container).await?;
    container.exec_sh(TRACE).await?.success();
    container.exec_sh(SLOTS).await?.success();
    container.exec_sh(VOLUME).await?.success();

    // The account's tree scans its slots again and starts the planted programs. It ends with the planted handlers.
    container.exec(["/command/s6-svscanctl", "-an", "/run/service"]).await?.success();
    let sprung = async |container: &Container| {
        let traces = container.exec_sh("cat /tmp/traces 2>/dev/null || true").await?.success().stdout();
        Ok(Look::holds(!traces.is_empty(), || "no trap was sprung".to_owned()))
    };
    container.wait_until("a trap is sprung, as hermes", sprung, secs(20)).await?;
    check_no_trace_of_root(&container, "after a rescan").await?;
    container.exec(["/command/s6-svscanctl", "-t", "/run/service"]).await?.success();
    container.wait_until("a trap is sprung, as hermes", sprung, secs(20)).await?;
    check_no_trace_of_root(&container, "after the end of the tree").await?;

    // A planted handler delays the stop until Docker ends it.
    container.restart_within(secs(3)).await?;
    container.ready().await?;
    check_no_trace_of_root(&container, "after a restart").await?;
    ensure!(sum(&container).await? == before, "something of root's was changed");
    let supervised = container.slots("/run/service").await?;
    ensure!(
        !supervised.iter().any(|slot| ["evil", "gateway-etc", "gateway-evil"].contains(&slot.name())),
        "planted slots outlived the restart: {supervised:?}"
    );
    // The profile has its own slot again in place of the planted one.
    container.exec_sh("rm -f /opt/data/logs /opt/data/lease.* /opt/data/active_profile").await?.success();
    hermes(&container, "-p coder gateway start").await?.success();
    container.wait_until("the gateway is ready", slot_ready("gateway-coder"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn no_process_of_a_gateway_runs_as_root() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for order in ["gateway start --all", "gateway restart --all"] {
        hermes(&container, order).as_root().await?.success();
    }
    container.restart().await?;
    container.ready().await?;
    for slot in ["gateway-default", "gateway-coder"] {
        container.wait_until("it is ready again", slot_ready(slot), secs(10)).await?;
    }
    let processes = container.processes().await?;
    let of_root: Vec<_> = processes
        .iter()
        .filter(|process| process.uid == 0 && process.argv.iter().any(|word| word.contains("gateway")))
        .cloned()
        .collect();
    ensure!(of_root.is_empty(), "as root:\n{}", process_table(&of_root));
    ensure!(
        processes.iter().filter(|process| process.argv.iter().any(|word| word == "run")).count() == 2,
        "two gateways were expected:\n{}",
        process_table(&processes)
    );
    Ok(())
}
