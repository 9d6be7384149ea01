//! Every process of the account has the group of a mounted Docker socket.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, docker_test, secs};

use crate::support::driving::look;
use crate::support::gateways::create_and_start;
use crate::support::own_services::OwnServices;
use crate::support::setting_up::{has_said, idle, said, says, set_up};

/// A socket of the host that accepts connections, with mode 0660 and a given group.
struct Socket {
    folder: tempfile::TempDir,
    _listener: UnixListener,
}

impl Socket {
    /// Creates the socket. A container changes its group if the test does not run as root.
    async fn of_group(gid: u32) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a directory for a socket")?;
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).context("listen at a socket")?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o660))?;
        if chown(&path, Some(0), Some(gid)).is_err() {
            let builder =
                Container::builder().bind(folder.path(), "/bound").user("root").entrypoint(["chown"]);
            builder.run([format!("0:{gid}").as_str(), "/bound/docker.sock"]).await?.success();
        }
        Ok(Self { folder, _listener: listener })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

/// Connects and prints the result.
const CONNECT: &str = r#"perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer => "/var/run/docker.sock")
    ? "connected\n" : "refused: $!\n"'"#;

#[docker_test]
async fn every_process_has_the_group_of_the_docker_socket() -> Result<()> {
    let socket = Socket::of_group(4242).await?;
    let service = format!("#!/bin/sh\necho \"service: $(id -G) $({CONNECT})\"\nexec sleep infinity\n");
    let command = format!("echo \"command: $(id -G) $({CONNECT})\"; exec sleep infinity");
    let container = Container::builder()
        .bind(socket.path(), "/var/run/docker.sock")
        .user_service("own", &service)
        .env("PUID", "1000")
        .env("PGID", "1000")
        .cmd(["sh", "-c", &command])
        .start_ready()
        .await?;
    for boot in 1..=2 {
        for who in ["command", "service"] {
            let line = format!("{who}: 1000 4242 connected\n");
            let said = async |container: &Container| {
                let count = container.log().await?.matches(&line).count();
                Ok(hermes_harness::Look::holds(count == boot, || format!("{count} times")))
            };
            container.wait_until(format!("{line:?} in boot {boot}"), said, secs(10)).await?;
        }
        let exec = container.exec_sh(&format!("id -G; {CONNECT}")).await?.success();
        exec.stdout_is("1000 4242\nconnected");
        if boot == 1 {
            create_and_start(&container, &["coder"]).await?;
        }
        let script = "/command/s6-svwait -U -t 10000 /run/service/gateway-coder
            pid=$(/command/s6-svstat -o pid /run/service/gateway-coder); grep ^Groups: /proc/$pid/status | xargs";
        let groups = look(&container, script).await?;
        ensure!(groups == "Groups: 1000 4242", "of the gateway in boot {boot}: {groups}");
        if boot == 1 {
            container.restart().await?;
            container.ready().await?;
        }
    }
    let entries = look(&container, "grep hermes /etc/group").await?;
    ensure!(entries == "hermes:x:1000:\ndocker-4242:x:4242:hermes", "{entries}");
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

#[docker_test]
#[case::group_of_root(0, "10000 0")]
#[case::named_group(100, "10000 100")]
async fn a_socket_of_an_existing_group_is_usable(#[case] gid: u32, #[case] groups: &str) -> Result<()> {
    let socket = Socket::of_group(gid).await?;
    let builder = Container::builder().bind(socket.path(), "/var/run/docker.sock");
    let output =
        builder.run(["sh", "-c", &format!("id -G; {CONNECT}; touch /run/s6/x /etc/x /opt/hermes/x")]).await?;
    let output = output.failure();
    output.stdout_is(&format!("{groups}\nconnected"));
    // The group gives no access to the files of root.
    ensure!(output.stderr().matches("Permission denied").count() == 3, "{}", output.report("three refusals"));
    Ok(())
}

#[docker_test]
async fn a_socket_from_the_account_gives_no_group() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = r#"perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "/run/of-root.sock", Listen => 1)'
        chown root:shadow /run/of-root.sock; chmod 777 /run/of-root.sock; mkdir -p /opt/data/sub
        cp -a /run/of-root.sock /opt/data/sub/of-root.sock; ln -s /run/of-root.sock /opt/data/link.sock
        echo x >/run/file; chgrp shadow /run/file; cp -a /run/of-root.sock /tmp/of-root.sock"#;
    look(&container, plant).await?;
    for path in [
        "/opt/data/link.sock",
        "/opt/data/sub/of-root.sock",
        "/tmp/of-root.sock",
        "/run/file",
        "/nowhere",
        "run/x",
    ] {
        let boot = set_up(&container).env("DOCKER_HOST", &format!("unix://{path}")).await?.success();
        says(&boot, &[])?;
        container.exec(["id", "-G"]).await?.success().stdout_is("10000");
    }
    set_up(&container).env("DOCKER_HOST", "tcp://127.0.0.1:1").await?.success();
    container.exec(["id", "-G"]).await?.success().stdout_is("10000");
    // The same socket in a directory of root gives its group.
    set_up(&container).env("DOCKER_HOST", "unix:///run/of-root.sock").await?.success();
    container.exec(["id", "-Gn"]).await?.success().stdout_is("hermes shadow");
    Ok(())
}

#[docker_test]
async fn the_socket_group_on_a_read_only_root_is_reported() -> Result<()> {
    let socket = Socket::of_group(4242).await?;
    let builder = idle().read_only().tmpfs("/run", "").bind(socket.path(), "/var/run/docker.sock");
    let container = builder.start_ready().await?;
    let line = "giving the account the group of the Docker socket is not possible: the root file system is read-only, and \
        the account is in /etc; it stays 10000:10000 (leave --read-only out, or start with --user)";
    container.wait_until("it is told", log_says(line), secs(10)).await?;
    has_said(&container, &[line]).await?;
    Ok(())
}
