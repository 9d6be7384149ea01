//! The files in `deploy/`: each is started as its reader would start it, and works as documented.

mod compose;
mod files;
mod kubernetes;
mod nas;
mod pod;
mod pod_builder;
mod program;
mod swarm;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use hermes_harness::{Container, Look, secs};
use serde_json::{Value, json};

use crate::support::driving::{environment_of_slot, only_gateway};
use crate::support::gateways::gateway_is;

/// A secret file of a user, with the newline of an editor.
const SECRET_FILE: &str = "sk-or-never-to-be-seen-0815\n";

/// The file with the dashboard's password, with the same newline.
const PASSWORD_FILE: &str = "open-sesame-never-to-be-seen-4711\n";
/// The secrets that the files name, with the content of the test.
const SECRETS: [(&str, &str); 2] =
    [("dashboard_password", PASSWORD_FILE), ("openrouter_api_key", SECRET_FILE)];

/// Returns the folder of the files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Reads a file of the folder as YAML.
fn read(file: &str) -> Result<Value> {
    let path = folder().join(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    yaml_serde::from_str(&text).with_context(|| format!("deploy/{file} is no YAML"))
}

/// Returns the test's addition to a Compose file: the harness's labels on all objects, and a quick health check.
/// It is JSON, which is also YAML.
fn test_overrides(file: &Value, labels: &Value) -> String {
    let labelled = |section: &str| -> Value {
        let names = file[section].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        names.map(|name| (name, json!({ "labels": labels }))).collect::<serde_json::Map<_, _>>().into()
    };
    let mut networks = labelled("networks");
    if networks.as_object().is_some_and(serde_json::Map::is_empty) {
        networks = json!({ "default": { "labels": labels } });
    }
    let mut addition = json!({
        "services": { "hermes": { "labels": labels, "healthcheck": { "interval": "1s" } } },
        "volumes": labelled("volumes"),
        "networks": networks,
    });
    if let Some(version) = file.get("version") {
        addition["version"] = version.clone();
    }
    addition.to_string()
}

/// Waits until the engine reports the container as healthy.
async fn wait_until_healthy(container: &Container) -> Result<()> {
    let is_healthy = async |container: &Container| {
        let health = container.state().await?.health;
        Ok(Look::holds(health.as_deref() == Some("healthy"), || format!("{health:?}")))
    };
    Ok(container.wait_until("the container is healthy", is_healthy, secs(60)).await?)
}

/// Waits until the container is healthy and its gateway runs. A healthy container may still start its gateway.
async fn wait_until_gateway_runs(container: &Container) -> Result<()> {
    wait_until_healthy(container).await?;
    container.wait_until("its gateway runs", gateway_is("default", "running"), secs(15)).await?;
    Ok(())
}

/// Checks that the gateway has the secret without the newline of its file. Engine and log do not show it.
async fn check_secret(container: &Container) -> Result<()> {
    let secret = SECRET_FILE.trim_end();
    only_gateway(container).await?;
    let environ = environment_of_slot(container, "default").await?;
    let variable = environ.lines().find(|variable| variable.starts_with("OPENROUTER_API_KEY="));
    let log = container.log().await?;
    ensure!(
        variable == Some(&format!("OPENROUTER_API_KEY={secret}")),
        "the gateway has {variable:?}, of these variables: {:?}\nthe log:\n{log}",
        environ.lines().filter_map(|variable| variable.split('=').next()).collect::<Vec<_>>()
    );
    let password = PASSWORD_FILE.trim_end();
    ensure!(!environ.contains(password), "a gateway has the password");
    let inspected = serde_json::to_string_pretty(&container.inspect().await?)?;
    for secret in [secret, password] {
        ensure!(!log.contains(secret), "the log tells the secret:\n{log}");
        let telling: Vec<_> = inspected.lines().filter(|line| line.contains(secret)).collect();
        ensure!(telling.is_empty(), "docker inspect tells the secret: {telling:?}");
    }
    Ok(())
}

/// The origin of a request.
#[derive(Clone, Copy, Debug)]
enum From {
    /// The host, through a published port.
    Outside,
    /// The container, if no port is published.
    Inside,
}

/// Checks that the dashboard shows the agents only with the right password.
async fn check_dashboard_login(container: &Container, from: From) -> Result<()> {
    let pair = |password: &str| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("hermes:{password}"));
        format!("Basic {pair}")
    };
    let (right, wrong) = (pair(PASSWORD_FILE.trim_end()), pair("wrong"));
    for (who, status) in [(None, 401), (Some(&wrong), 401), (Some(&right), 200)] {
        let headers: Vec<_> = who.into_iter().map(|pair| ("Authorization", pair.as_str())).collect();
        // The slot cannot be queried in every container: an unprivileged root may not read slots.
        let answers = async |container: &Container| {
            let answer = match from {
                From::Outside => container.http_get(9119, "/api/profiles", &headers).await,
                From::Inside => container.http_get_inside(9119, "/api/profiles", &headers).await,
            };
            Ok(match answer {
                Ok(answer) => Look::Value(answer),
                Err(error) => Look::NotYet(error.to_string()),
            })
        };
        let answer = container.wait_until("the dashboard answers", answers, secs(15)).await?;
        ensure!(answer.status == status, "{} instead of {status}: {}", answer.status, answer.text());
        let shows = answer.text().contains(r#""profile":"default""#);
        ensure!(shows == (status == 200), "{}", answer.text());
    }
    Ok(())
}
