//! The capabilities that the container's root needs. Each test drops one of Docker's defaults, and expects the effect
//! that the table in `docs/volume.md` gives.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};

use crate::support::gateways::{PlantedProfiles, gateway_is};

/// The published page.
const PAGE: &str = include_str!("../../../docs/volume.md");

/// Docker's default capabilities (`docker run` reference, "Runtime privilege and Linux capabilities").
const DOCKER_DEFAULTS: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Returns the first two columns of the table: a capability, and the effect of its absence.
fn table() -> Vec<(&'static str, &'static str)> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with("| capability |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.next()?))
        })
        .collect()
}

/// Returns a container that uses every feature that needs root: other IDs, foreign files, secrets, a gateway,
/// a socket and a replaced stdout.
fn full_container(socket: &PathBuf) -> ContainerBuilder {
    Container::builder()
        .env("PUID", "1000")
        .env("PGID", "100")
        .env("OPENROUTER_API_KEY_FILE", "/root/key")
        .file("/root/key", 0o400, "s3cret\n")
        .bind(socket, "/var/run/docker.sock")
        .profile("coder")
        .profile_file("coder", "gateway_state.json", r#"{"desired_state":"running"}"#)
        .owned_file("/opt/data/.env", 0o644, (0, 0), "A=1\n")
        .directory("/opt/data/profiles/coder/of-image", 0o700, (10000, 10000))
        .owned_file("/opt/data/profiles/coder/of-image/file", 0o600, (10000, 10000), "x")
        .cmd(["sh", "-c", "echo \"key $OPENROUTER_API_KEY\" >/dev/stdout; exec sleep infinity"])
}

/// Checks the promised behaviour of the full container from outside.
async fn check_container(container: &Container) -> Result<()> {
    container.wait_until("coder is up", gateway_is("coder", "running"), secs(15)).await?;
    let strangers = "find /opt/data /run/service -mindepth 1 ! -user hermes ! -name .ownership; id -u; id -g; stat -c %a /opt/data/.env; id -nG";
    let seen = container.exec_sh(strangers).await?.success();
    ensure!(
        seen.text().starts_with("1000\n100\n600\n"),
        "{}",
        seen.report("nothing of others', 1000, 100, 600")
    );
    ensure!(seen.text().contains("docker-4242"), "{}", seen.report("the group of the socket"));
    let said = async |container: &Container| {
        let (stdout, stderr) = container.logs().await?;
        Ok(Look::holds(stdout.contains("key s3cret\n"), || format!("{stdout}{stderr}")))
    };
    container.wait_until("the command has the secret and its stdout", said, secs(10)).await?;
    container.stop().await?;
    let state = container.state().await?;
    ensure!(
        state.exit_code == 143,
        "it was stopped, and ended with {}: {}",
        state.exit_code,
        container.log().await?
    );
    Ok(())
}

/// Creates a socket with a group that has no name in the container. Only root can do this.
fn socket() -> Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    std::os::unix::fs::chown(&path, None, Some(4242))
        .context("the group of a socket, which root alone can set")?;
    Ok((folder, path))
}

/// The effect, in the table, of a capability that the boot needs.
const ENDS: &str = "the boot ends, 78";
/// The effect, in the table, of a capability that is not needed.
const NO_DIFFERENCE: &str = "no difference";

#[docker_test]
async fn the_documentation_lists_each_default_capability() -> Result<()> {
    let table = table();
    let mut documented: Vec<_> = table.iter().map(|(capability, _)| *capability).collect();
    documented.sort_unstable();
    ensure!(documented == DOCKER_DEFAULTS, "docs/volume.md has rows for {documented:?}");
    for (capability, difference) in table {
        let is_known = [ENDS, NO_DIFFERENCE].contains(&difference);
        ensure!(is_known, "docs/volume.md says {difference:?} of {capability}");
    }
    Ok(())
}

// A case for each entry of `DOCKER_DEFAULTS`.
#[docker_test]
#[case::audit_write("AUDIT_WRITE")]
#[case::chown("CHOWN")]
#[case::dac_override("DAC_OVERRIDE")]
#[case::fowner("FOWNER")]
#[case::fsetid("FSETID")]
#[case::kill("KILL")]
#[case::mknod("MKNOD")]
#[case::net_bind_service("NET_BIND_SERVICE")]
#[case::net_raw("NET_RAW")]
#[case::setfcap("SETFCAP")]
#[case::setgid("SETGID")]
#[case::setpcap("SETPCAP")]
#[case::setuid("SETUID")]
#[case::sys_chroot("SYS_CHROOT")]
async fn a_dropped_capability_has_its_documented_effect(#[case] capability: &str) -> Result<()> {
    let (_folder, socket) = socket()?;
    let row = table().into_iter().find(|(documented, _)| *documented == capability);
    let (_, effect) = row.context("docs/volume.md has no row for it")?;
    let builder = full_container(&socket).cap_drop(capability);
    match effect {
        ENDS => {
            let container = builder.start().await?;
            let code = container.wait_exit(secs(20)).await?;
            let log = container.log().await?;
            ensure!(code == 78 && log.contains(capability), "{code}, and\n{log}");
            Ok(())
        }
        NO_DIFFERENCE => check_container(&builder.start_ready().await?).await,
        other => bail!("docs/volume.md gives the unknown effect {other:?}"),
    }
}

#[docker_test]
async fn the_documented_capabilities_are_enough() -> Result<()> {
    let (_folder, socket) = socket()?;
    let needed = table().into_iter().filter(|(_, difference)| *difference != NO_DIFFERENCE);
    let builder = needed.fold(full_container(&socket).cap_drop("ALL"), |builder, (capability, _)| {
        builder.cap_add(capability)
    });
    let container = builder.security_opt("no-new-privileges").start_ready().await?;
    check_container(&container).await
}
