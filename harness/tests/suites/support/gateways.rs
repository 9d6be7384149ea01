//! Steps that the suites of gateways share: profiles on the volume before the first boot, and probes of gateways.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Container, ContainerBuilder, Look, Looked, secs};
use serde::Deserialize;

pub(crate) use crate::support::driving::{directory, state as state_file};
use crate::support::own_services::OwnServices;

/// The directory of the named profiles.
pub(crate) const PROFILES: &str = "/opt/data/profiles";

/// The account `hermes`: UID and GID.
const HERMES: (u64, u64) = (10000, 10000);

/// A gateway in the output of `hermes gateway list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) profile: String,
    pub(crate) desired_state: Option<String>,
    pub(crate) state: String,
    pub(crate) ready: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u64,
    pub(crate) port: Option<u16>,
    pub(crate) problem: Option<String>,
}

/// Additions to the volume of a container before its first boot.
pub(crate) trait PlantedProfiles {
    /// Adds a directory of `hermes` in `profiles/`, with `SOUL.md`.
    fn profile(self, name: &str) -> Self;
    /// Adds a file of `hermes` in the directory of a planted profile.
    fn profile_file(self, name: &str, file: &str, content: &str) -> Self;
    /// Adds a script that root runs in [`PROFILES`] at the first boot, before the profiles get their slots.
    fn plant(self, script: &str) -> Self;
}

impl PlantedProfiles for ContainerBuilder {
    fn profile(self, name: &str) -> Self {
        let directory = format!("{PROFILES}/{name}");
        self.directory(PROFILES, 0o755, HERMES).directory(&directory, 0o700, HERMES).owned_file(
            &format!("{directory}/SOUL.md"),
            0o644,
            HERMES,
            "You are a test.\n",
        )
    }

    fn profile_file(self, name: &str, file: &str, content: &str) -> Self {
        self.owned_file(&format!("{PROFILES}/{name}/{file}"), 0o600, HERMES, content)
    }

    fn plant(self, script: &str) -> Self {
        let script = format!(
            "#!/bin/sh\nset -eu\n[ ! -e /root/planted ] || exit 0\n\
             install -d -o hermes -g hermes {PROFILES}\ncd {PROFILES}\n{script}\n: >/root/planted\n"
        );
        // The name puts it after 01-hermes-setup and before 02-reconcile-profiles.
        self.init_script("01-plant", &script)
    }
}

/// Returns all gateways, the default one first.
pub(crate) async fn gateways(container: &Container) -> Result<Vec<Gateway>> {
    let output = container.exec(["hermes", "gateway", "list", "--json"]).await?.success();
    serde_json::from_str(&output.stdout()).with_context(|| output.report("a list of gateways"))
}

/// Returns the gateway of a profile.
pub(crate) async fn gateway(container: &Container, profile: &str) -> Result<Gateway> {
    let output = hermes(container, profile, &["gateway", "status", "--json"]).await?.success();
    serde_json::from_str(&output.stdout()).with_context(|| output.report("a gateway"))
}

/// Returns a command `hermes -p PROFILE …`, run as `hermes`.
pub(crate) fn hermes<'c>(
    container: &'c Container,
    profile: &str,
    words: &[&str],
) -> hermes_harness::ExecRequest<'c> {
    container.exec([&["hermes", "-p", profile], words].concat())
}

/// Makes profiles, and starts their gateways.
pub(crate) async fn create_and_start(container: &Container, profiles: &[&str]) -> Result<()> {
    // One exec runs all commands: an exec takes longer than a command.
    let script =
        r#"for name; do hermes profile create "$name" && hermes -p "$name" gateway start || exit; done"#;
    let command = [&["sh", "-c", script, "sh"], profiles].concat();
    container.exec(command).await?.success();
    Ok(())
}

/// Probe: the gateway has this state, and is ready if the state is `running`.
pub(crate) fn gateway_is(profile: &str, state: &str) -> impl AsyncFn(&Container) -> Looked<Gateway> {
    let (profile, state) = (profile.to_owned(), state.to_owned());
    async move |container: &Container| {
        let gateway = gateway(container, &profile).await?;
        let is_so = gateway.state == state && (gateway.ready || state != "running");
        let seen = format!("{gateway:?}");
        Ok(Look::from_option(is_so.then_some(gateway), || seen))
    }
}

/// Probe: the gateway is ready, and its process is not this one.
pub(crate) fn gateway_other_than(profile: &str, pid: u32) -> impl AsyncFn(&Container) -> Looked<Gateway> {
    let profile = profile.to_owned();
    async move |container: &Container| {
        let gateway = gateway(container, &profile).await?;
        let is_so = gateway.ready && gateway.pid.is_some_and(|now| now != pid);
        let seen = format!("{gateway:?}");
        Ok(Look::from_option(is_so.then_some(gateway), || seen))
    }
}

/// Returns the lines of `container-boot.log` of the last boot without their times. Checks the format of the times.
pub(crate) async fn last_boot(container: &Container) -> Result<Vec<String>> {
    last_boot_in(container, "/opt/data").await
}

/// Returns the same lines for another `HERMES_HOME`.
pub(crate) async fn last_boot_in(container: &Container, home: &str) -> Result<Vec<String>> {
    let bytes = container.read_file(&format!("{home}/logs/container-boot.log")).await?;
    let text = String::from_utf8(bytes)?;
    let mut boot = Vec::new();
    for line in text.lines() {
        let (time, rest) = line.split_once(' ').with_context(|| format!("no time: {line:?}\n{text}"))?;
        humantime::parse_rfc3339(time).with_context(|| format!("the time in {line:?}"))?;
        if rest.starts_with("profile=default ") {
            boot.clear();
        }
        boot.push(rest.to_owned());
    }
    ensure!(boot.first().is_some_and(|line| line.starts_with("profile=default ")), "not first:\n{text}");
    Ok(boot)
}

/// Drains the last of these gateways while each of them has an unfinished request.
///
/// Sends half of a request to each gateway, and waits until the gateways have accepted the connections. Then runs the
/// order, and waits until the state file of the last gateway says that it drains.
///
/// One exec runs all steps: a gateway waits ten seconds for the rest of a request. On a busy machine two execs may take
/// as long.
pub(crate) async fn drain_with_a_request(
    container: &Container,
    gateways: &[Gateway],
    order: &str,
) -> Result<()> {
    const SCRIPT: &str = r#"order=$1 state=$2; shift 2
        for port; do
            exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /health HTTP/1.1\r\nHost' >&3 || exit
            setsid sleep 300 <&3 >/dev/null 2>&1 3>&- &
            until exec 4<>"/dev/tcp/127.0.0.1/$port" &&
                printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&4 &&
                grep -q '^hermes_gateway_connections_in_flight 2' <&4
            do sleep 0.02; done
        done
        eval "$order" || exit
        until grep -Eq '"gateway_state": ?"draining"' "$state"; do sleep 0.02; done
        echo draining"#;
    let last = gateways.last().context("a gateway to drain")?;
    let state = format!("{}/gateway_state.json", directory(&last.profile));
    let ports = gateways.iter().map(|gateway| Some(gateway.port?.to_string()));
    let ports: Vec<_> = ports.collect::<Option<_>>().context("they have ports")?;
    let words = ["bash", "-c", SCRIPT, "bash", order, &state].map(str::to_owned);
    container.exec(words.into_iter().chain(ports)).await?.success().stdout_is("draining");
    Ok(())
}

/// Waits until no process has this profile or its slot in its command line.
pub(crate) async fn no_process_of(container: &Container, profile: &str) -> Result<()> {
    let slot = format!("gateway-{profile}");
    let gone = async |container: &Container| {
        let processes = container.processes().await?;
        let left: Vec<_> = processes
            .into_iter()
            .filter(|process| process.argv.iter().any(|word| word == profile || word.starts_with(&slot)))
            .collect();
        Ok(Look::holds(left.is_empty(), || process_table(&left)))
    };
    Ok(container.wait_until(format!("no process of {profile} is left"), gone, secs(10)).await?)
}
