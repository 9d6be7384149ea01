//! The container goes down while a gateway starts or drains, or while a profile is deleted.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, Looked, docker_test, secs};

use super::{WAYS, Way};
use crate::support::gateways::{
    create_and_start, directory, drain_with_a_request, gateway, gateway_is, gateways, hermes, last_boot,
    no_process_of, state_file,
};

/// Returns a probe: the gateway's state file shows this state.
fn state_file_shows(profile: &str, state: &str) -> impl AsyncFn(&Container) -> Looked<()> {
    let (profile, state) = (profile.to_owned(), state.to_owned());
    async move |container: &Container| {
        let file = state_file(container, &profile).await?;
        Ok(Look::holds(file["gateway_state"] == state, || file.to_string()))
    }
}

#[docker_test]
async fn a_gateway_ordered_before_the_restart_is_ready_after_it() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    for way in WAYS {
        container.exec(["hermes", "gateway", "start", "--no-wait"]).await?.success();
        way.go(&container).await?;
        let up = container.wait_until(format!("{way:?}"), gateway_is("default", "running"), secs(10)).await?;
        ensure!(up.desired_state.as_deref() == Some("running"), "{way:?}: {up:?}");
        container.exec(["hermes", "gateway", "stop"]).await?.success();
    }
    Ok(())
}

/// A name server that receives questions and never answers.
const SILENT_NAME_SERVER: &str = r#"use IO::Socket::INET;
    my $socket = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1:53") or die $!;
    if (fork) { exit } close STDOUT; close STDERR;
    $socket->recv(my $question, 512) while 1;"#;

#[docker_test]
async fn a_hanging_start_is_repeated_by_the_restart() -> Result<()> {
    let builder = Container::builder().tune(|_, host| host.dns = Some(vec!["127.0.0.1".to_owned()]));
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    // Only root can use this port. The gateway looks for the address of an unknown host.
    container.exec(["perl", "-e", SILENT_NAME_SERVER]).as_root().await?.success();
    let config = "printf 'gateway:\\n  host: nobody-knows.test\\n' >/opt/data/config.yaml";
    container.exec_sh(config).await?.success();
    for way in [Way::KillAndStart, Way::Restart] {
        container.exec(["hermes", "gateway", "start", "--no-wait"]).await?.success();
        container.wait_until("it starts", state_file_shows("default", "starting"), secs(10)).await?;
        let shown = gateway(&container, "default").await?;
        ensure!(shown.state == "starting" && !shown.ready, "{shown:?}");
        container.exec(["rm", "/opt/data/config.yaml"]).await?.success();
        way.go(&container).await?;
        container.wait_until(format!("{way:?}"), gateway_is("default", "running"), secs(10)).await?;
        let boot = last_boot(&container).await?;
        ensure!(boot == ["profile=default prior_state=running action=started"], "{way:?}: {boot:?}");
        container.exec(["perl", "-e", SILENT_NAME_SERVER]).as_root().await?.success();
        container.exec_sh(config).await?.success();
        container.exec(["hermes", "gateway", "stop"]).await?.success();
    }
    Ok(())
}

/// A configuration with a drain that outlasts every test.
const LONG_DRAIN: &str = "gateway:\n  drain_timeout: 100\n";

/// Gives a profile a drain that outlasts every test.
async fn set_long_drain(container: &Container, profile: &str) -> Result<()> {
    let append = r#"sed -i 's/^gateway:$/gateway:\n  drain_timeout: 100/' "$1/config.yaml""#;
    container.exec(["sh", "-c", append, "sh", &directory(profile)]).await?.success();
    hermes(container, profile, &["gateway", "restart"]).await?.success();
    Ok(())
}

#[docker_test]
async fn an_interrupted_drain_keeps_the_desired_state() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    container.write_file("/opt/data/config.yaml", LONG_DRAIN).await?;
    container.exec(["hermes", "gateway", "start"]).await?.success();
    create_and_start(&container, &["idle"]).await?;
    set_long_drain(&container, "idle").await?;
    for way in [Way::KillAndStart, Way::Restart] {
        hermes(&container, "idle", &["gateway", "start"]).await?.success();
        // One gateway drains because of the order, the other when the container goes down (if it gets the time).
        let order = r#"hermes -p idle gateway stop --no-wait >&2 || exit
            until hermes -p idle gateway status --json | grep -Eq '"state": ?"draining"'; do sleep 0.02; done"#;
        drain_with_a_request(&container, &gateways(&container).await?, order).await?;
        way.go(&container).await?;
        let up = container.wait_until(format!("{way:?}"), gateway_is("default", "running"), secs(10)).await?;
        ensure!(up.desired_state.as_deref() == Some("running"), "{way:?}: {up:?}");
        let down = gateway(&container, "idle").await?;
        ensure!((down.state.as_str(), down.pid) == ("stopped", None), "{way:?}: {down:?}");
        let boot = last_boot(&container).await?;
        let expected = [
            "profile=default prior_state=running action=started",
            "profile=idle prior_state=stopped action=registered",
        ];
        ensure!(boot == expected, "{way:?}: {boot:?}");
    }
    Ok(())
}

#[docker_test]
async fn an_interrupted_deletion_leaves_a_whole_profile_or_none() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["doomed"]).await?;
    set_long_drain(&container, "doomed").await?;
    let before = container.exec_sh("cd /opt/data/profiles/doomed && sha256sum SOUL.md config.yaml").await?;
    let before = before.success().stdout();
    // The deletion waits for the drain.
    let delete = "setsid hermes profile delete doomed --yes >/dev/null 2>&1 &";
    drain_with_a_request(&container, &[gateway(&container, "doomed").await?], delete).await?;
    Way::KillAndStart.go(&container).await?;
    // The deletion had not reached the directory: the profile is complete, and it runs as before.
    let up = container.wait_until("it is back", gateway_is("doomed", "running"), secs(10)).await?;
    ensure!(up.desired_state.as_deref() == Some("running"), "{up:?}");
    container
        .exec_sh("cd /opt/data/profiles/doomed && sha256sum SOUL.md config.yaml")
        .await?
        .success()
        .stdout_is(before.trim_end());
    container.exec(["hermes", "profile", "delete", "doomed", "--yes"]).await?.success();
    no_process_of(&container, "doomed").await?;
    ensure!(container.file("/run/service/gateway-doomed").await?.is_none(), "its slot is left");
    for left in ["/opt/data/profiles/doomed", "/opt/data/logs/gateways/doomed"] {
        ensure!(container.file(left).await?.is_none(), "{left} is left");
    }
    // After a deletion that was cut off later, a boot skips the rest of the profile and says so.
    container
        .exec_sh("mkdir /opt/data/profiles/doomed && echo x >/opt/data/profiles/doomed/.env")
        .await?
        .success();
    Way::KillAndStart.go(&container).await?;
    let boot = last_boot(&container).await?;
    let expected = [
        "profile=default prior_state=none action=registered",
        "profile=doomed prior_state=none action=skipped",
    ];
    ensure!(boot == expected, "{boot:?}");
    ensure!(container.file("/run/service/gateway-doomed").await?.is_none(), "it has a slot");
    Ok(())
}
