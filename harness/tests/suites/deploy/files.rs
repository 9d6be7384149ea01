//! Rules for the content of the files in `deploy/`. No container is started.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use hermes_harness::docker_test;
use serde_json::Value;

use super::{folder, read};

/// The Compose files. Each is a case of every test below.
const COMPOSE_FILES: [&str; 3] = ["compose.yaml", "compose.nas.yaml", "swarm.yaml"];

/// The time of a stop after the services' grace, in milliseconds: `HERMES_FINISH_GRACETIME` and `S6_KILL_GRACETIME`.
pub(super) const AFTER_THE_SERVICES: u64 = 2000 + 3000;

/// Returns `true` if the variable's value is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    ["KEY", "TOKEN", "PASSWORD", "SECRET", "BOOTSTRAP"].iter().any(|word| name.contains(word))
}

#[docker_test]
async fn every_deployment_file_has_a_test() -> Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut known = COMPOSE_FILES.map(str::to_owned).to_vec();
    known.push("kubernetes".to_owned());
    known.sort();
    ensure!(names == known, "deploy/ holds {names:?}, the suite knows {known:?}");
    Ok(())
}

#[docker_test]
#[case::compose("compose.yaml")]
#[case::nas("compose.nas.yaml")]
#[case::swarm("swarm.yaml")]
async fn the_image_is_named_by_a_variable_with_a_default(#[case] file: &str) -> Result<()> {
    let image = &read(file)?["services"]["hermes"]["image"];
    ensure!(image == "${HERMES_IMAGE:-hermes:dev}", "{file}: {image}");
    Ok(())
}

#[docker_test]
#[case::compose("compose.yaml")]
#[case::nas("compose.nas.yaml")]
#[case::swarm("swarm.yaml")]
async fn a_secret_is_a_file_that_a_variable_names(#[case] file: &str) -> Result<()> {
    let content = read(file)?;
    let service = &content["services"]["hermes"];
    let secrets: BTreeSet<&str> =
        service["secrets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut paths = BTreeSet::new();
    for (name, value) in service["environment"].as_object().context("variables are a map")? {
        if is_secret(name) {
            ensure!(name.ends_with("_FILE"), "{file}: {name} holds a secret; let {name}_FILE name a file");
            paths.insert(value.as_str().context("a path")?.to_owned());
        }
    }
    let expected: BTreeSet<_> = secrets.iter().map(|name| format!("/run/secrets/{name}")).collect();
    ensure!(!secrets.is_empty() && paths == expected, "{file}: {paths:?} for the secrets {secrets:?}");
    let defined = content["secrets"].as_object().context("secrets are defined")?;
    let names: BTreeSet<&str> = defined.keys().map(String::as_str).collect();
    ensure!(names == secrets, "{file}: defined are {defined:?}");
    Ok(())
}

#[docker_test]
#[case::compose("compose.yaml")]
#[case::nas("compose.nas.yaml")]
#[case::swarm("swarm.yaml")]
async fn ports_are_published_on_the_loopback_only(#[case] file: &str) -> Result<()> {
    let content = read(file)?;
    for port in content["services"]["hermes"]["ports"].as_array().into_iter().flatten() {
        let is_local = port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:"));
        ensure!(is_local, "{file} publishes {port}, and the API has no authentication");
    }
    Ok(())
}

#[docker_test]
#[case::compose("compose.yaml")]
#[case::nas("compose.nas.yaml")]
#[case::swarm("swarm.yaml")]
async fn the_stop_grace_period_exceeds_the_services_grace(#[case] file: &str) -> Result<()> {
    let content = read(file)?;
    let service = &content["services"]["hermes"];
    let services: u64 = number(&service["environment"]["S6_SERVICES_GRACETIME"], "")?;
    let whole = 1000 * number(&service["stop_grace_period"], "s")?;
    ensure!(
        services + AFTER_THE_SERVICES < whole,
        "{file}: the services have {services} ms and what comes after {AFTER_THE_SERVICES} ms, of {whole} ms"
    );
    Ok(())
}

/// Parses a number with a unit behind it.
fn number(value: &Value, unit: &str) -> Result<u64> {
    let text = value.as_str().with_context(|| format!("not a text: {value}"))?;
    let digits = text.strip_suffix(unit).with_context(|| format!("not in {unit}: {text}"))?;
    digits.parse().with_context(|| format!("not a number: {digits}"))
}
