//! Failures of the dashboard's start: it reports each once with a hint, and the container goes on.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};

use super::{record, slot, wait_until_bound, with_dashboard};
use crate::support::driving::{answers_at_both_doors, hermes, look};

/// A program that holds the port before the dashboard starts, as long as `/root/go-on` does not exist.
const TAKER: &str = r#"#!/bin/sh
[ ! -e /root/go-on ] || exit 0
setsid perl -MIO::Socket::INET -e '
  my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => "0.0.0.0", LocalPort => 9119) or die "listen: $!";
  open(my $told, ">", "/root/taken"); close($told);
  sleep' </dev/null >/dev/null 2>&1 &
until [ -e /root/taken ]; do sleep 0.01; done
"#;

/// Checks that the dashboard does not run, and that log, volume and commands report it. The log does so once.
/// The rest of the container is healthy.
async fn check_failed_start(builder: ContainerBuilder, cause: &str, hint: &str) -> Result<Container> {
    let container = builder.cmd(["gateway", "run"]).start_ready().await?;
    let given_up = async |container: &Container| {
        let slot = slot(container).await?;
        Ok(Look::holds(!slot.up && !slot.wanted_up, || slot.to_string()))
    };
    container.wait_until("it is down for good", given_up, secs(10)).await?;
    let told = log_says("dashboard: it is given up: it cannot run with its configuration (exit code 78)");
    container.wait_until("it is given up", told, secs(10)).await?;
    // The message goes to stdout through the logger, and the cause to stderr. The order may vary.
    let all = ["error: the dashboard does not run", cause, hint];
    let said = async |container: &Container| {
        let log = container.log().await?;
        Ok(Look::holds(all.iter().all(|words| log.contains(words)), || log))
    };
    container.wait_until(format!("{all:?} in its log"), said, secs(10)).await?;
    let log = container.log().await?;
    for words in all {
        ensure!(log.matches(words).count() == 1, "not once {words:?}:\n{log}");
    }
    let deaths = look(&container, "/command/s6-svdt /run/service/dashboard").await?;
    ensure!(deaths.lines().count() == 1 && deaths.ends_with("exitcode 78"), "more than one start: {deaths}");

    let record = record(&container).await?;
    let reason = record["exit_reason"].as_str().unwrap_or_default();
    ensure!(record["dashboard_state"] == "startup_failed" && reason.contains(cause), "{record}");
    let status = hermes(&container, "dashboard status").await?.code(1);
    ensure!(status.stdout().contains(cause), "{}", status.report(cause));

    // The dashboard is enabled, and not up.
    let health = hermes(&container, "health").await?.code(1);
    ensure!(
        health.stdout().contains("dashboard: desired running, is given-up"),
        "{}",
        health.report("the dashboard by name")
    );

    // The container and its gateways go on.
    container
        .wait_until("the gateway", hermes_harness::probe::slot_ready("gateway-default"), secs(10))
        .await?;
    answers_at_both_doors(&container, "default", 8642).await?;
    Ok(container)
}

#[docker_test]
async fn a_taken_port_is_reported_and_retried_at_boot() -> Result<()> {
    let builder = with_dashboard().file("/etc/cont-init.d/00-taker", 0o755, TAKER);
    let cause = "listen on 0.0.0.0:9119: the port is taken";
    let container = check_failed_start(builder, cause, "choose another: HERMES_DASHBOARD_PORT").await?;
    container.exec_sh(": >/root/go-on").as_root().await?.success();
    container.restart().await?;
    container.ready().await?;
    wait_until_bound(&container).await.context("the port is free again")?;
    let status = hermes(&container, "dashboard status").await?.success();
    ensure!(!status.stdout().contains("could not start"), "{}", status.report("no old failure"));
    Ok(())
}

#[docker_test]
#[case::zero("0")]
#[case::too_large("65536")]
#[case::a_word("http")]
#[case::negative("-1")]
async fn a_bad_port_is_refused_with_a_hint(#[case] port: &str) -> Result<()> {
    let cause =
        format!("HERMES_DASHBOARD_PORT in the environment is {port:?}, and must be a number from 1 to 65535");
    let builder = with_dashboard().env("HERMES_DASHBOARD_PORT", port);
    check_failed_start(builder, &cause, "hint: correct it").await?;
    Ok(())
}

// The address belongs to a documentation network (RFC 5737): no machine has it.
#[docker_test]
#[case::no_name(
    "no such host",
    r#"HERMES_DASHBOARD_HOST in the environment is "no such host""#,
    "hint: correct it"
)]
#[case::foreign_address(
    "192.0.2.1",
    "listen on 192.0.2.1:9119",
    "hint: choose another: HERMES_DASHBOARD_HOST"
)]
#[case::unknown_name(
    "nowhere.invalid",
    r#"find an address of "nowhere.invalid""#,
    "hint: name an address of this machine"
)]
async fn a_bad_host_is_refused_with_a_hint(
    #[case] host: &str,
    #[case] cause: &str,
    #[case] hint: &str,
) -> Result<()> {
    check_failed_start(with_dashboard().env("HERMES_DASHBOARD_HOST", host), cause, hint).await?;
    Ok(())
}

#[docker_test]
#[case::name_alone(
    "HERMES_DASHBOARD_BASIC_AUTH_USERNAME",
    "me",
    "HERMES_DASHBOARD_BASIC_AUTH_USERNAME in the environment must be accompanied by a password",
    "hint: correct it"
)]
#[case::missing_file(
    "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE",
    "/run/secrets/none",
    "failed to read the password from /run/secrets/none, which HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE names: the file is not there",
    "hint: mount the file with the password in it"
)]
async fn an_unusable_password_keeps_the_dashboard_closed(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] cause: &str,
    #[case] hint: &str,
) -> Result<()> {
    check_failed_start(with_dashboard().env(variable, value), cause, hint).await?;
    Ok(())
}
