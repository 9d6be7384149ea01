//! Faults during the creation of a profile. A profile exists completely or not at all.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Outcome, docker_test};
use predicates::str::contains;

use crate::support::driving::{
    hermes, look, must_be_down_for_good, ready_pid, slot, slots_with_hidden_ones, up, up_with,
};

/// The slots of a container that has only the default profile.
const NO_PROFILES: &str = "dashboard gateway-default main-hermes volume-lease";

async fn assert_no_profile_left(container: &Container) -> Result<()> {
    let slots = slots_with_hidden_ones(container).await?;
    ensure!(slots == NO_PROFILES, "slots: {slots}");
    let profiles = look(container, "ls -A --ignore=.lock /opt/data/profiles 2>/dev/null || true").await?;
    ensure!(profiles.is_empty(), "profiles: {profiles}");
    let supervisors = container.processes_named("s6-supervise").await?;
    ensure!(
        !supervisors.iter().any(|process| process.argv.iter().any(|word| word.contains("coder"))),
        "supervisors: {supervisors:?}"
    );
    Ok(())
}

#[docker_test]
async fn a_profile_is_not_created_if_its_registration_fails() -> Result<()> {
    let container = up().await?;
    // Root removes a right of the account, and restores it later.
    let breaks = [
        ("chown root:root /run/service", "chown hermes:hermes /run/service", "/run/service/."),
        (
            "chmod 000 /run/service/.s6-svscan/control",
            "chmod 600 /run/service/.s6-svscan/control",
            "s6-svscanctl",
        ),
    ];
    for (damage, repair, culprit) in breaks {
        let life = async {
            look(&container, damage).await?;
            let failed = hermes(&container, "profile create coder").await?.failure();
            look(&container, repair).await?;
            failed
                .stdout_is("")
                .stderr_matches(contains("failed to register the gateway 'coder'"))
                .stderr_matches(contains(culprit))
                .stderr_matches(predicates::str::is_match("(?m)^caused by: ")?);
            ensure!(!failed.stderr().contains("panicked"), "{}", failed.report("no backtrace"));
            assert_no_profile_left(&container).await
        };
        life.await.with_context(|| damage.to_owned())?;
    }
    hermes(&container, "profile create coder").await?.success();
    hermes(&container, "-p coder gateway start").await?.success();
    Ok(())
}

#[docker_test]
async fn one_of_two_simultaneous_creations_of_a_profile_succeeds() -> Result<()> {
    let container = up().await?;
    for round in 0..4 {
        let create = async || hermes(&container, "profile create coder").await;
        let (one, other) = tokio::join!(create(), create());
        let (one, other) = (one?, other?);
        let (won, lost): (Outcome, Outcome) = if one.exit_code() == 0 { (one, other) } else { (other, one) };
        won.success();
        lost.code(1).stderr_matches(contains("exists already"));
        must_be_down_for_good(&container, "coder").await.with_context(|| format!("round {round}"))?;
        let slots = slots_with_hidden_ones(&container).await?;
        ensure!(
            slots == NO_PROFILES.replace("gateway-default", "gateway-coder gateway-default"),
            "round {round}: {slots}"
        );
        hermes(&container, "-p coder gateway start").await?.success();
        hermes(&container, "profile delete coder --yes").await?.success();
        assert_no_profile_left(&container).await?;
    }
    Ok(())
}

#[docker_test]
async fn simultaneous_orders_for_one_gateway_both_succeed() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let start = async || hermes(&container, "-p coder gateway start").await;
    let (one, other) = tokio::join!(start(), start());
    one?.success();
    other?.success();
    let pid = ready_pid(&container, "coder").await?;
    ensure!(slot(&container, "coder").await?.pid == Some(pid));
    let delete = async || hermes(&container, "profile delete coder --yes").await;
    let (one, other) = tokio::join!(delete(), delete());
    let (one, other) = (one?.either_way(), other?.either_way());
    ensure!(
        one.exit_code() == 0 || other.exit_code() == 0,
        "{}\n{}",
        one.report("one success"),
        other.report("or this")
    );
    assert_no_profile_left(&container).await
}

#[docker_test]
async fn a_copied_profile_directory_can_be_started() -> Result<()> {
    let container = up().await?;
    let copy = "mkdir -p /opt/data/profiles/copied && echo 'You are.' >/opt/data/profiles/copied/SOUL.md";
    container.exec_sh(copy).await?.success();
    let status = hermes(&container, "-p copied gateway status").await?.success();
    status.stdout_matches(contains("unsupervised"));
    // A stop of an unsupervised gateway succeeds.
    hermes(&container, "-p copied gateway stop").await?.success();

    hermes(&container, "-p copied gateway start").await?.success();
    ready_pid(&container, "copied").await?;
    let socket = "/opt/data/profiles/copied/gateway.sock";
    ensure!(container.http_get_socket(socket, "/health", &[]).await?.status == 200);
    hermes(&container, "-p copied gateway stop").await?.success();
    must_be_down_for_good(&container, "copied").await?;
    hermes(&container, "profile delete copied --yes").await?.success();
    assert_no_profile_left(&container).await
}
