//! Commands of an operator for profiles and gateways, and the probes of their effects.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, Slot, process_table};
use hermes_harness::{Container, ExecRequest, Look, secs};
use serde_json::Value;

/// The account `hermes`: UID and GID.
pub(crate) const ACCOUNT: (u64, u64) = (10000, 10000);

/// Starts a container with no processes but its supervised ones and `sleep infinity`.
pub(crate) async fn up() -> Result<Container> {
    Ok(Container::builder().cmd(["sleep", "infinity"]).start_ready().await?)
}

/// Starts such a container, and makes these profiles.
pub(crate) async fn up_with(profiles: &[&str]) -> Result<Container> {
    let container = up().await?;
    create(&container, profiles).await?;
    Ok(container)
}

/// Makes profiles.
pub(crate) async fn create(container: &Container, profiles: &[&str]) -> Result<()> {
    for profile in profiles {
        hermes(container, &format!("profile create {profile}")).await?.success();
    }
    Ok(())
}

/// Returns a `hermes` command, with its arguments separated by spaces.
pub(crate) fn hermes<'c>(container: &'c Container, words: &str) -> ExecRequest<'c> {
    container.exec(["hermes"].into_iter().chain(words.split_ascii_whitespace()))
}

/// Returns the output of `hermes gateway status --json` for a profile.
pub(crate) async fn status(container: &Container, profile: &str) -> Result<Value> {
    let output = hermes(container, &format!("-p {profile} gateway status --json")).await?.success();
    serde_json::from_str(&output.stdout()).with_context(|| output.report("JSON"))
}

/// Returns the directory of a profile.
pub(crate) fn directory(profile: &str) -> String {
    match profile {
        "default" => "/opt/data".to_owned(),
        name => format!("/opt/data/profiles/{name}"),
    }
}

/// Returns the content of a profile's state file.
pub(crate) async fn state(container: &Container, profile: &str) -> Result<Value> {
    let path = format!("{}/gateway_state.json", directory(profile));
    let bytes = if container.state().await?.running {
        container.read_file(&path).await?
    } else {
        // The engine reads the length of the file before it opens it. A running gateway may replace the file in
        // between, and the copy would be cut off.
        container.copy_out(&path).await?.with_context(|| format!("there is no {path}"))?
    };
    serde_json::from_slice(&bytes).with_context(|| format!("{path}: {}", String::from_utf8_lossy(&bytes)))
}

/// Returns the fields `desired_state` and `gateway_state` of the state file, `-` for a missing field.
pub(crate) async fn wanted_and_said(container: &Container, profile: &str) -> Result<(String, String)> {
    let state = state(container, profile).await?;
    let field = |name: &str| state[name].as_str().unwrap_or("-").to_owned();
    Ok((field("desired_state"), field("gateway_state")))
}

/// Waits until the slot of a profile's gateway is supervised, and returns it. A boot may be complete a moment before.
pub(crate) async fn slot(container: &Container, profile: &str) -> Result<Slot> {
    let name = format!("gateway-{profile}");
    let supervised = async |container: &Container| {
        let slot = container.slot(&name).await?;
        Ok(Look::from_option(slot, || format!("nothing supervises {name}")))
    };
    Ok(container.wait_until(format!("{name} is supervised"), supervised, secs(10)).await?)
}

/// Waits until `hermes health` succeeds. It fails until every gateway is supervised.
pub(crate) async fn is_healthy(container: &Container) -> Result<()> {
    is_healthy_to(container, "hermes").await
}

/// Waits until `hermes health` succeeds for this user.
pub(crate) async fn is_healthy_to(container: &Container, user: &str) -> Result<()> {
    let healthy = async |container: &Container| {
        let health = hermes(container, "health").user(user).await?.either_way();
        Ok(Look::holds(health.exit_code() == 0, || health.report("exit code 0")))
    };
    Ok(container.wait_until("hermes health finds it well", healthy, secs(10)).await?)
}

/// Checks that the gateway of a profile is ready, and returns its process.
pub(crate) async fn ready_pid(container: &Container, profile: &str) -> Result<u32> {
    let slot = slot(container, profile).await?;
    ensure!(slot.up && slot.ready, "not ready: {slot}");
    slot.pid.context("it is up")
}

/// Checks that the slot of a profile's gateway is down, and that no boot starts it.
pub(crate) async fn must_be_down_for_good(container: &Container, profile: &str) -> Result<()> {
    let slot = slot(container, profile).await?;
    ensure!(!slot.up && !slot.wanted_up && !slot.ready, "not down, or not for good: {slot}");
    Ok(())
}

/// Returns the processes of gateways, without their supervisors and without commands for them.
pub(crate) async fn gateway_processes(container: &Container) -> Result<Vec<Process>> {
    let mut processes = container.processes().await?;
    processes.retain(is_gateway);
    Ok(processes)
}

fn is_gateway(process: &Process) -> bool {
    let runs = process.argv.windows(2).any(|words| words == ["gateway", "run"]);
    runs && process.argv.first().is_some_and(|program| program != "/init")
}

/// Returns the only process of a gateway, and fails if there is another number of them.
pub(crate) async fn only_gateway(container: &Container) -> Result<Process> {
    let mut gateways = gateway_processes(container).await?;
    match (gateways.pop(), gateways.is_empty()) {
        (Some(gateway), true) => Ok(gateway),
        _ => anyhow::bail!(
            "not exactly one gateway:\n{}\nof\n{}",
            process_table(&gateway_processes(container).await?),
            process_table(&container.processes().await?)
        ),
    }
}

/// Returns the output of a shell script in the container, as root, who can read the files of all accounts.
pub(crate) async fn look(container: &Container, script: &str) -> Result<String> {
    Ok(container.exec_sh(script).as_root().await?.success().text())
}

/// Returns the names in the scan directory, hidden ones too, without the files of `s6-svscan` and of Hermes.
pub(crate) async fn slots_with_hidden_ones(container: &Container) -> Result<String> {
    let known = "^(\\.|\\.\\.|\\.lock|\\.lease.*|\\.s6-svscan)$";
    look(container, &format!("ls -a /run/service | grep -vE '{known}' | tr '\\n' ' '")).await
}

/// Checks that the gateway of this profile answers `GET /health` at its port and at its socket.
pub(crate) async fn answers_at_both_doors(container: &Container, profile: &str, port: u16) -> Result<()> {
    let socket = format!("{}/gateway.sock", directory(profile));
    let answers = [
        container.http_get_inside(port, "/health", &[]).await?,
        container.http_get_socket(&socket, "/health", &[]).await?,
    ];
    for answer in answers {
        let health: Value = serde_json::from_slice(&answer.body)?;
        ensure!(answer.status == 200 && health["status"] == "ok", "{}: {health}", answer.status);
        ensure!(health["profile"] == profile && health["state"] == "running", "{health}");
    }
    Ok(())
}

/// Returns the port of a profile's gateway.
pub(crate) async fn port(container: &Container, profile: &str) -> Result<u16> {
    let status = status(container, profile).await?;
    let port = status["port"].as_u64().with_context(|| format!("no port: {status}"))?;
    Ok(u16::try_from(port)?)
}

/// Returns the environment of the slot of a profile's gateway, one variable a line. The gateway closes its own environment to the
/// account. Its logger starts with the same one.
pub(crate) async fn environment_of_slot(container: &Container, profile: &str) -> Result<String> {
    let directory = format!("/logs/gateways/{profile}");
    let is_logger = |process: &&Process| {
        process.argv.first().is_some_and(|program| program.ends_with("/s6-log"))
            && process.argv.iter().any(|argument| argument.ends_with(&directory))
    };
    let processes = container.processes().await?;
    let logger = processes.iter().find(is_logger).with_context(|| process_table(&processes))?;
    let script = format!("tr '\\0' '\\n' </proc/{}/environ", logger.pid);
    Ok(container.exec_sh(&script).await?.success().text())
}
