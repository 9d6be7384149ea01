//! The files in `deploy/`: each is started as its reader would start it, and does what it says.

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

use crate::support::driving::only_gateway;
use crate::support::gateways::gateway_is;

/// A secret as a user has it in a file, with the newline that an editor leaves.
const SECRET_FILE: &str = "sk-or-never-to-be-seen-0815\n";

/// The same for the dashboard's password.
const PASSWORD_FILE: &str = "open-sesame-never-to-be-seen-4711\n";
/// The secrets that the files name, with what the test puts into each.
const SECRETS: [(&str, &str); 2] =
    [("dashboard_password", PASSWORD_FILE), ("openrouter_api_key", SECRET_FILE)];

/// The folder of the files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A file of the folder, as its YAML says it.
fn read(file: &str) -> Result<Value> {
    let path = folder().join(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    yaml_serde::from_str(&text).with_context(|| format!("deploy/{file} is no YAML"))
}

/// What the test adds to a Compose file: the harness's labels on all that is made, and a health check that is quick.
/// JSON, which is YAML too.
fn addition(file: &Value, labels: &Value) -> String {
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

/// Waits until the engine says that the container is healthy.
async fn healthy(container: &Container) -> Result<()> {
    let is_healthy = async |container: &Container| {
        let health = container.state().await?.health;
        Ok(Look::holds(health.as_deref() == Some("healthy"), || format!("{health:?}")))
    };
    Ok(container.wait_until("the container is healthy", is_healthy, secs(60)).await?)
}

/// Waits until it is, and its gateway runs: a container whose gateway has not come up yet is no ill one.
async fn healthy_with_its_gateway(container: &Container) -> Result<()> {
    healthy(container).await?;
    container.wait_until("its gateway runs", gateway_is("default", "running"), secs(15)).await?;
    Ok(())
}

/// The gateway has the secret, without the newline of its file, and neither the engine nor the log tells it.
async fn only_the_gateway_has_the_secret(container: &Container) -> Result<()> {
    let secret = SECRET_FILE.trim_end();
    let gateway = only_gateway(container).await?;
    let environ = container.read_own_environment(gateway.pid).await?;
    let variable = environ.iter().find(|variable| variable.starts_with("OPENROUTER_API_KEY="));
    let log = container.log().await?;
    ensure!(
        variable.map(String::as_str) == Some(&format!("OPENROUTER_API_KEY={secret}")),
        "the gateway has {variable:?}, of these variables: {:?}\nthe log:\n{log}",
        environ.iter().filter_map(|variable| variable.split('=').next()).collect::<Vec<_>>()
    );
    let password = PASSWORD_FILE.trim_end();
    ensure!(!environ.iter().any(|variable| variable.contains(password)), "a gateway has the password");
    let inspected = serde_json::to_string_pretty(&container.inspect().await?)?;
    for secret in [secret, password] {
        ensure!(!log.contains(secret), "the log tells the secret:\n{log}");
        let telling: Vec<_> = inspected.lines().filter(|line| line.contains(secret)).collect();
        ensure!(telling.is_empty(), "docker inspect tells the secret: {telling:?}");
    }
    Ok(())
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    /// From the host, through a published port.
    Outside,
    /// From the container, where no port is published.
    Inside,
}

/// The dashboard answers, and shows the agents to who has the password alone.
async fn the_dashboard_asks_for_its_password(container: &Container, from: From) -> Result<()> {
    let pair = |password: &str| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("hermes:{password}"));
        format!("Basic {pair}")
    };
    let (right, wrong) = (pair(PASSWORD_FILE.trim_end()), pair("wrong"));
    for (who, status) in [(None, 401), (Some(&wrong), 401), (Some(&right), 200)] {
        let headers: Vec<_> = who.into_iter().map(|pair| ("Authorization", pair.as_str())).collect();
        // Its slot cannot be asked in every container: where root has no rights it may not look at slots.
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

/// How the suites look at a process of the account's.
trait OwnEnvironment {
    /// The variables of a process of `hermes`, as `hermes` itself can see them.
    async fn read_own_environment(&self, pid: u32) -> Result<Vec<String>>;
}

impl OwnEnvironment for Container {
    async fn read_own_environment(&self, pid: u32) -> Result<Vec<String>> {
        let output = self.exec(["cat", &format!("/proc/{pid}/environ")]).await?.success();
        Ok(output.stdout().split('\0').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }
}
