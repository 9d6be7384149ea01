//! `HERMES_HOME` in other places, and containers that run no gateways.

use anyhow::{Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Volume, docker_test, secs};

use super::Way;
use crate::support::gateways::{
    PlantedProfiles, create_and_start, gateway, gateway_is, hermes, last_boot_in,
};

/// Checks that profiles and gateways use `home` only, before and after a restart.
async fn check_home(builder: ContainerBuilder, home: &str) -> Result<()> {
    let builder = builder.env("HERMES_HOME", home).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    container.exec(["hermes", "gateway", "start"]).await?.success();
    create_and_start(&container, &["coder", "idle"]).await?;
    hermes(&container, "idle", &["gateway", "stop"]).await?.success();
    for way in [Way::Restart, Way::KillAndStart] {
        way.go(&container).await?;
        for profile in ["default", "coder"] {
            container
                .wait_until(format!("{profile} {way:?}"), gateway_is(profile, "running"), secs(10))
                .await?;
        }
        ensure!(gateway(&container, "idle").await?.state == "stopped");
        let expected = [
            "profile=default prior_state=running action=started",
            "profile=coder prior_state=running action=started",
            "profile=idle prior_state=stopped action=registered",
        ];
        let boot = last_boot_in(&container, home).await?;
        ensure!(boot == expected, "{way:?}: {boot:?}");
    }
    for file in ["gateway.sock", "profiles/coder/gateway.sock", "logs/gateways/coder/current", "lease.json"] {
        let facts = container.file(&format!("{home}/{file}")).await?;
        ensure!(facts.as_ref().is_some_and(|facts| facts.owner == "hermes"), "{home}/{file}: {facts:?}");
    }
    let elsewhere = ["sh", "-c", "find /opt/data -mindepth 1 ! -path \"$HERMES_HOME*\"; true"];
    container.exec(elsewhere).await?.success().stdout_is("");
    Ok(())
}

#[docker_test]
async fn profiles_come_back_in_a_hermes_home_below_the_volume() -> Result<()> {
    check_home(Container::builder().directory("/opt/data/sub", 0o755, (10000, 10000)), "/opt/data/sub").await
}

#[docker_test]
async fn profiles_come_back_in_a_hermes_home_on_another_volume() -> Result<()> {
    let volume = Volume::new().await?;
    let builder = Container::builder().volume(&volume, "/srv/my agents");
    check_home(builder.directory("/srv/my agents", 0o755, (10000, 10000)), "/srv/my agents").await
}

#[docker_test]
async fn the_dashboard_command_leaves_gateways_and_volume_alone() -> Result<()> {
    let wanted = r#"{"desired_state":"running"}"#;
    let builder = || {
        let builder =
            Container::builder().file("/usr/local/bin/dashboard", 0o755, "#!/bin/sh\nexec sleep infinity\n");
        // Without a configuration, the set-up would give the profile a port.
        let builder = builder.profile("coder").profile_file("coder", "config.yaml", "version: 1\n");
        builder.profile_file("coder", "gateway_state.json", wanted)
    };
    let container = builder().cmd(["dashboard"]).start_ready().await?;
    let slots = container.slots("/run/service").await?;
    ensure!(!slots.iter().any(|slot| slot.name().starts_with("gateway-")), "{slots:?}");
    let found = container.exec(["find", "/opt/data", "-type", "f"]).await?.success().stdout();
    let mut found: Vec<_> = found.lines().collect();
    found.sort_unstable();
    // Every container sets up its volume, and remembers the files that it saw.
    let expected = [
        "/opt/data/.env",
        "/opt/data/.ownership",
        "/opt/data/.seeds",
        "/opt/data/SOUL.md",
        "/opt/data/config.yaml",
        "/opt/data/profiles/coder/SOUL.md",
        "/opt/data/profiles/coder/config.yaml",
        "/opt/data/profiles/coder/gateway_state.json",
    ];
    ensure!(found == expected, "{found:?}");
    // Only the first word of the command decides.
    let container = builder().cmd(["sh", "-c", "exec dashboard", "dashboard"]).start_ready().await?;
    container.wait_until("coder is up", gateway_is("coder", "running"), secs(10)).await?;
    Ok(())
}
