//! A gateway that cannot start: the command fails soon with the reason, the desired state stays, and s6 does not
//! retry.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Output, docker_test, secs};
use predicates::str::contains;

use crate::support::driving::{
    answers_at_both_doors, create, directory, hermes, must_be_down_for_good, port, ready_pid, slot, status,
    up_with, wanted_and_said,
};

/// Checks that a gateway with an unusable configuration does not start. The message contains each text of `why`.
async fn assert_start_fails(container: &Container, profile: &str, verb: &str, why: &[&str]) -> Result<()> {
    let failed = hermes(container, &format!("-p {profile} gateway {verb}")).await?.code(1);
    assert_failure_message(&failed, profile, why)?;
    let slot = slot(container, profile).await?;
    ensure!(!slot.up && !slot.wanted_up && slot.exit_code == Some(78), "it is tried again: {slot}");
    let intent = wanted_and_said(container, profile).await?;
    ensure!(intent == ("running".into(), "startup_failed".into()), "{intent:?}");
    let status = status(container, profile).await?;
    ensure!(status["state"] == "given-up" && status["restarts"] == 0, "{status}");
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(why.iter().all(|why| problem.contains(why)), "{status}");
    Ok(())
}

fn assert_failure_message(failed: &Output, profile: &str, why: &[&str]) -> Result<()> {
    // The command must not wait 30 seconds, the limit for a gateway that is never ready.
    ensure!(failed.took() < secs(10), "{}", failed.report("an answer that comes soon"));
    failed
        .stderr_matches(contains(format!("error: the gateway '{profile}' does not come up")))
        .stderr_matches(contains("exit code 78"))
        .stderr_matches(contains("\nlog: "))
        .stderr_matches(contains("\nhint: "))
        .stderr_matches(contains(format!("hermes -p {profile} logs")));
    for why in why {
        failed.stderr_matches(contains(*why));
    }
    Ok(())
}

async fn configure(container: &Container, profile: &str, yaml: &str) -> Result<()> {
    let path = format!("{}/config.yaml", directory(profile));
    container.exec(["sh", "-c", r#"cat >"$1""#, "sh", &path]).stdin(yaml).await?.success();
    Ok(())
}

/// Counts the starts of the gateway of the profile in its log.
async fn tries(container: &Container, profile: &str) -> Result<usize> {
    let log = container.read_file(&format!("/opt/data/logs/gateways/{profile}/current")).await?;
    Ok(String::from_utf8_lossy(&log).matches("error: the gateway does not run").count())
}

#[docker_test]
async fn a_gateway_reports_a_broken_configuration_and_starts_once_corrected() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let port = port(&container, "coder").await?;
    configure(&container, "coder", "gateway:\n  port: [\n").await?;
    let why = ["parse /opt/data/profiles/coder/config.yaml", "line 3, column 1"];
    assert_start_fails(&container, "coder", "start", &why).await?;
    ensure!(tries(&container, "coder").await? == 1, "tried more than once");
    // The file belongs to its owner, so the start does not change it.
    let file = container.read_file("/opt/data/profiles/coder/config.yaml").await?;
    ensure!(file == b"gateway:\n  port: [\n", "the file was changed");

    configure(&container, "coder", "gateway:\n  port: many\n").await?;
    assert_start_fails(&container, "coder", "start", &["gateway.port", "many"]).await?;
    ensure!(tries(&container, "coder").await? == 2, "tried more than once");

    configure(&container, "coder", &format!("gateway:\n  port: {port}\n")).await?;
    hermes(&container, "-p coder gateway start").await?.success();
    answers_at_both_doors(&container, "coder", port).await?;
    let status = status(&container, "coder").await?;
    ensure!(status["state"] == "running" && status["problem"].is_null(), "{status}");
    // The gateway forgets that it was given up: stop and start work again.
    hermes(&container, "-p coder gateway stop").await?.success();
    must_be_down_for_good(&container, "coder").await?;
    hermes(&container, "-p coder gateway start").await?.success();
    Ok(())
}

#[docker_test]
async fn a_restart_reports_a_broken_configuration() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    hermes(&container, "-p coder gateway start").await?.success();
    configure(&container, "coder", "gateway:\n  port: [\n").await?;
    let why = ["parse /opt/data/profiles/coder/config.yaml"];
    assert_start_fails(&container, "coder", "restart", &why).await?;
    // The gateway is down by now.
    assert_start_fails(&container, "coder", "restart", &why).await
}

#[docker_test]
async fn a_port_in_use_is_reported_with_its_holder() -> Result<()> {
    let container = up_with(&["first", "second"]).await?;
    hermes(&container, "-p first gateway start").await?.success();
    let taken = port(&container, "first").await?;
    let pid = ready_pid(&container, "first").await?;
    configure(&container, "second", &format!("gateway:\n  port: {taken}\n")).await?;
    let why = format!("127.0.0.1:{taken}: the port is taken; the profile 'first' is configured with it too");
    assert_start_fails(&container, "second", "start", &[&why]).await?;
    ensure!(ready_pid(&container, "first").await? == pid, "the one that had the port first has it no more");

    // A process other than a gateway holds the port.
    let listener =
        "my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:9799', ReuseAddr => 1) or die;
        open STDOUT, '>', '/dev/null'; fork and exit; sleep 600";
    container.exec(["perl", "-MIO::Socket::INET", "-e", listener]).await?.success();
    configure(&container, "second", "gateway:\n  port: 9799\n").await?;
    let failed = hermes(&container, "-p second gateway start").await?.code(1);
    assert_failure_message(
        &failed,
        "second",
        &["127.0.0.1:9799: the port is taken", "-p second config set gateway.port"],
    )?;

    // A new profile gets a free port.
    create(&container, &["third"]).await?;
    let third = port(&container, "third").await?;
    ensure!(![taken, 9799].contains(&third), "port {third}");
    Ok(())
}
