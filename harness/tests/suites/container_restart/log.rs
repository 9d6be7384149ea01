//! `container-boot.log`, and foreign files in `profiles/`.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, docker_test, secs};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

use super::Way;
use crate::support::gateways::{PlantedProfiles, create_and_start, gateway_is, last_boot};

const LOG: &str = "/opt/data/logs/container-boot.log";

#[docker_test]
async fn only_valid_profiles_get_a_slot() -> Result<()> {
    let plant = r#"
        name=$(printf '%0243d' 0); mkdir "$name"; echo >"$name/SOUL.md"
        name=$(printf '%0244d' 0); mkdir "$name"; echo >"$name/SOUL.md"
        mkdir -- ../elsewhere 'two words' UPPER .hidden -dash default soulless "$(printf 'a\nb=c')" "$(printf '\377')"
        for name in 'two words' UPPER .hidden ./-dash default "$(printf 'a\nb=c')" "$(printf '\377')"; do
            echo >"$name/SOUL.md"; echo '{"desired_state":"running"}' >"$name/gateway_state.json"
        done
        echo >../elsewhere/SOUL.md
        echo '{"desired_state":"running"}' >../elsewhere/gateway_state.json
        ln -s ../elsewhere linked; ln -s nowhere dangling; ln -s / root; echo x >file; mkfifo fifo
        chown -Rh hermes:hermes . ../elsewhere"#;
    let builder = Container::builder().cmd(["sleep", "infinity"]).plant(plant);
    let wanted = r#"{"desired_state":"running"}"#;
    let builder = builder.profile("good").profile_file("good", "gateway_state.json", wanted);
    let container = builder.start_ready().await?;
    container.wait_until("good is up", gateway_is("good", "running"), secs(10)).await?;
    let longest = "0".repeat(243);
    let skipped = [
        "%FF",
        "-dash",
        ".hidden",
        "UPPER",
        "a%0Ab%3Dc",
        "dangling",
        "default",
        "fifo",
        "file",
        "linked",
        "root",
        "soulless",
        "two%20words",
        &"0".repeat(244),
    ];
    let mut expected: Vec<_> =
        skipped.iter().map(|name| format!("profile={name} prior_state=none action=skipped")).collect();
    expected.push("profile=good prior_state=running action=started".to_owned());
    expected.push("profile=default prior_state=none action=registered".to_owned());
    expected.push(format!("profile={longest} prior_state=none action=registered"));
    expected.sort();
    let text = String::from_utf8(container.read_file(LOG).await?)?;
    let behind_the_time = |line: &str| line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned();
    let mut lines: Vec<_> = text.lines().map(behind_the_time).collect();
    ensure!(
        lines
            .first()
            .is_some_and(|line| line.starts_with("profile=default ") && line.ends_with("registered")),
        "{text}"
    );
    lines.sort();
    ensure!(lines == expected, "{lines:#?}\nis not\n{expected:#?}");
    let slots = container.slots("/run/service").await?;
    let mut names: Vec<_> =
        slots.iter().map(|slot| slot.name()).filter(|name| name.starts_with("gateway-")).collect();
    names.sort_unstable();
    let with_longest = format!("gateway-{longest}");
    ensure!(names == [with_longest.as_str(), "gateway-default", "gateway-good"], "{names:?}");
    // The longest name with a slot works.
    container.exec(["hermes", "-p", &longest, "gateway", "start"]).await?.success();
    container
        .exec(["hermes", "profile", "list"])
        .await?
        .success()
        .stdout_matches(contains("good").and(contains("linked").not()))
        .stderr_matches(contains("linked").and(contains("symlink")).and(contains("soulless")));
    Ok(())
}

#[docker_test]
async fn the_default_gateway_returns_without_a_profiles_directory() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    container.exec(["hermes", "gateway", "start"]).await?.success();
    let kinds = [
        ("", None),
        ("echo x >profiles", Some("only the default profile has its slot")),
        ("ln -s / profiles", Some("only the default profile has its slot")),
        ("mkdir -m 0 profiles", Some("only the default profile has its slot")),
        ("mkfifo profiles", Some("only the default profile has its slot")),
    ];
    for (make, told) in kinds {
        container.exec_sh(&format!("cd /opt/data && rm -rf profiles; {make}")).await?.success();
        let said_before = container.log().await?.matches("only the default profile").count();
        Way::Restart.go(&container).await?;
        let up = container.wait_until(format!("after {make:?}"), gateway_is("default", "running"), secs(10));
        up.await?;
        let boot = last_boot(&container).await?;
        let expected = "profile=default prior_state=running action=started";
        ensure!(boot == [expected], "after {make:?}: {boot:?}");
        let log = container.log().await?;
        let said = log.matches("only the default profile").count() - said_before;
        ensure!((said > 0) == told.is_some(), "after {make:?} said {said} times:\n{log}");
    }
    Ok(())
}

#[docker_test]
async fn the_boot_log_rotates_at_256_kib() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    let rotated = format!("{LOG}.1");
    for round in 1..=2 {
        // The log has room for one more line, and a boot writes two.
        let fill = format!("yes 'round {round}' | head -c 262060 >{LOG}");
        container.exec_sh(&fill).await?.success();
        Way::Restart.go(&container).await?;
        let lines = String::from_utf8(container.read_file(LOG).await?)?;
        ensure!(
            lines.lines().count() == 2 && last_boot(&container).await?.len() == 2,
            "round {round}:\n{lines}"
        );
        let old =
            container.file(&rotated).await?.with_context(|| format!("{rotated} after round {round}"))?;
        ensure!((old.size, old.owner.as_str()) == (262_060, "hermes"), "{old:?}");
        let first = container.exec(["head", "-n1", &rotated]).await?.success();
        first.stdout_is(&format!("round {round}"));
    }
    let logs = container.exec_sh("cd /opt/data/logs && ls container-boot.log*").await?.success();
    logs.stdout_is("container-boot.log\ncontainer-boot.log.1");
    // A boot appends if the log has room.
    Way::Restart.go(&container).await?;
    let lines = String::from_utf8(container.read_file(LOG).await?)?;
    ensure!(lines.lines().count() == 4, "{lines}");
    Ok(())
}

#[docker_test]
async fn an_unwritable_boot_log_does_not_stop_gateways() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    container.exec(["hermes", "gateway", "start"]).await?.success();
    container
        .exec_sh("cd /opt/data/logs && rm container-boot.log && ln -s /opt/data/victim container-boot.log")
        .await?
        .success();
    Way::Restart.go(&container).await?;
    container.wait_until("it is up", gateway_is("default", "running"), secs(10)).await?;
    container
        .wait_until("it is told", log_says("logs/container-boot.log has no lines of this boot"), secs(5))
        .await?;
    ensure!(container.file("/opt/data/victim").await?.is_none(), "the symlink was followed");
    Ok(())
}
