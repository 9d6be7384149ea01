//! `deploy/compose.yaml` (and the parts that it shares with the NAS file), started as `docs/deploy.md` describes.

use anyhow::{Context, Result, ensure};
use hermes_harness::identity::{labels, unique_name};
use hermes_harness::suite::not_run;
use hermes_harness::{Adopted, Container, connect, docker_test, image_under_test, secs};
use serde_json::json;

use super::program::Program;
use super::{
    From, SECRETS, check_dashboard_login, check_secret, folder, read, test_overrides,
    wait_until_gateway_runs, wait_until_healthy,
};
use crate::support::gateways::gateway_is;

/// A Compose project in its own folder, as a user has it. It goes with the handle.
pub(super) struct Project {
    compose: Program,
    /// This field comes before the folder, since the containers use its files.
    things: Adopted,
    _folder: tempfile::TempDir,
}

impl Project {
    /// Starts a file of `deploy/`, with these variables.
    pub(super) async fn up(file: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let compose = Program::compose().await?;
        if std::env::var("DOCKER_HOST").is_ok_and(|host| !host.is_empty() && !host.starts_with("unix:")) {
            return Err(
                not_run("the engine is another machine's, where the files of the test are not").into()
            );
        }
        let folder_of_test = tempfile::tempdir()?;
        let directory = folder_of_test.path();
        std::fs::create_dir(directory.join("secrets"))?;
        for (name, content) in SECRETS {
            std::fs::write(directory.join("secrets").join(name), content)?;
        }
        std::fs::copy(folder().join(file), directory.join("compose.yaml"))?;
        let labels = json!(labels(&format!("deploy::{file}")));
        std::fs::write(directory.join("compose.override.yaml"), test_overrides(&read(file)?, &labels))?;

        let name = unique_name("compose");
        let image = image_under_test(&connect().await?).await?;
        let things = Adopted::by_label("com.docker.compose.project", &name).await?;
        // Port 0 selects a free port.
        let usual = [
            ("COMPOSE_PROJECT_NAME", &*name),
            ("HERMES_IMAGE", image),
            ("HERMES_API_PORT", "0"),
            ("HERMES_DASHBOARD_PORT", "0"),
        ];
        let compose = compose.within(directory, &usual).within(directory, variables);
        let project = Self { compose, things, _folder: folder_of_test };
        project.compose(&["up", "-d"]).await?;
        Ok(project)
    }

    pub(super) async fn compose(&self, words: &[&str]) -> Result<String> {
        self.compose.call(words).await
    }

    /// Returns the only container.
    pub(super) async fn container(&self) -> Result<Container> {
        let mut containers = self.things.containers().await?;
        ensure!(containers.len() == 1, "not one container: {:?}", self.things.left().await?);
        containers.pop().context("there is one")
    }

    pub(super) async fn left(&self) -> Result<Vec<String>> {
        Ok(self.things.left().await?)
    }
}

#[docker_test]
async fn compose_starts_a_healthy_container_on_the_loopback() -> Result<()> {
    let project = Project::up("compose.yaml", &[]).await?;
    let container = project.container().await?;
    wait_until_gateway_runs(&container).await?;
    let health = container.http_get(8642, "/health", &[]).await?;
    ensure!(health.status == 200 && health.text().contains(r#""profile":"default""#), "{}", health.text());
    let ports = container.inspect().await?.network_settings.and_then(|settings| settings.ports);
    let bindings: Vec<_> =
        ports.into_iter().flatten().filter_map(|(_, bindings)| bindings).flatten().collect();
    let addresses: Vec<_> = bindings.iter().map(|binding| binding.host_ip.as_deref()).collect();
    ensure!(addresses == [Some("127.0.0.1"); 2], "published: {bindings:?}");
    check_dashboard_login(&container, From::Outside).await?;
    check_secret(&container).await
}

#[docker_test]
async fn agents_survive_new_containers_and_go_with_the_volume() -> Result<()> {
    let project = Project::up("compose.yaml", &[]).await?;
    let container = project.container().await?;
    wait_until_healthy(&container).await?;
    // The command of docs/deploy.md, through Compose.
    let make_one = "hermes profile create coder && hermes -p coder gateway start";
    project.compose(&["exec", "-T", "hermes", "sh", "-c", make_one]).await?;
    let first = container.id().to_owned();

    project.compose(&["restart"]).await?;
    check_gateways_run(&container).await?;

    project.compose(&["up", "-d", "--force-recreate"]).await?;
    let container = project.container().await?;
    ensure!(container.id() != first, "it is the same container");
    check_gateways_run(&container).await?;

    project.compose(&["down", "-v"]).await?;
    let left = project.left().await?;
    ensure!(left.is_empty(), "left by down -v: {left:?}");
    Ok(())
}

/// Checks that both gateways run in this boot.
async fn check_gateways_run(container: &Container) -> Result<()> {
    container.ready().await?;
    for profile in ["default", "coder"] {
        let running = gateway_is(profile, "running");
        container.wait_until(format!("{profile} runs again"), running, secs(15)).await?;
    }
    wait_until_healthy(container).await
}
