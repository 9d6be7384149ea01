//! `cargo xtask up`: a container to try things in, with its dashboard.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, PortBinding, VolumeCreateRequest,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use clap::Args;
use hermes_harness::image::{BuildOptions, Progress, Recipe, build};
use hermes_harness::probe::slot_ready;
use hermes_harness::{Container, boot_of, secs};

use super::model_server::{self, ModelServer, STAND_IN};
use super::{UP, UP_LABEL, down, is_missing};

/// The dashboard's port, in the container, and on the host where it is free.
const PORT: u16 = 9119;
/// The variable that turns it on.
const DASHBOARD: &str = "HERMES_DASHBOARD=1";
/// The agents of a new volume, so that the dashboard shows something.
const EXAMPLES: [&str; 2] = ["coder", "writer"];

/// Build the image if needed, start a container and print how to reach it
///
/// A stand-in for a model server starts beside it. It is not needed if OPENAI_BASE_URL, OPENAI_API_KEY or HERMES_MODEL is
/// set: the container gets these variables instead.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Start this image, by name or ID, instead of building one
    #[arg(long)]
    image: Option<String>,
}

impl Up {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let docker = super::connect().await?;
        let progress = Progress::new();
        let image = match &self.image {
            Some(name) => image_id(&docker, name).await?,
            None => build(&docker, &BuildOptions::new(Recipe::hermes()), &progress).await?.id,
        };
        model_server::ensure_network(&docker).await?;
        let server = ModelServer::of(|name| std::env::var(name).ok());
        if server == ModelServer::StandIn {
            model_server::ensure_stand_in(&docker, &progress).await?;
        } else {
            down::remove_container(&docker, STAND_IN).await?;
        }
        let step = progress.step(format!("start {UP}"));
        let is_first = volume_is_new(&docker).await?;
        let what_happened = ensure_running(&docker, &image, &server).await?;
        let container = Container::existing(&docker, UP);
        let boot = boot_of(&container).await?;
        if is_first {
            for profile in EXAMPLES {
                let made = container.exec(["hermes", "profile", "create", profile]).await?.either_way();
                if made.exit_code() != 0 {
                    bail!("{}", made.report("an example profile"));
                }
            }
        }
        let page = dashboard(&container).await?;
        step.done();
        drop(progress);

        println!("{UP} {what_happened}: booted in {:.1} ms", boot.duration_us as f64 / 1000.0);
        println!("its data is in the volume {UP}, mounted at /opt/data");
        if is_first {
            println!("two agents are in it to begin with, stopped: {}", EXAMPLES.join(", "));
        }
        if page.port != PORT {
            println!("port {PORT} of this machine is taken; the dashboard is on {}", page.port);
        }
        println!();
        println!("a conversation:");
        println!("  docker exec -it {UP} hermes chat -q \"hi\"");
        for line in server.lines() {
            println!("{line}");
        }
        println!();
        println!("the dashboard, for a browser on this machine:");
        println!("  {}", page.link);
        println!();
        println!("  docker exec -it {UP} hermes    hold a conversation");
        println!("  docker logs -f {UP}            follow what it says");
        println!("  cargo xtask down                   stop and remove it");
        Ok(ExitCode::SUCCESS)
    }
}

/// The address of the dashboard.
struct Page {
    port: u16,
    link: String,
}

/// Waits until the dashboard answers.
async fn dashboard(container: &Container) -> Result<Page> {
    if let Err(error) = container.wait_until("the dashboard is up", slot_ready("dashboard"), secs(20)).await {
        let status = container.exec(["hermes", "dashboard", "status"]).await?.either_way();
        return Err(error).context(status.report("the dashboard to run; `docker logs` has more"));
    }
    let port = container.published_port(PORT).await?;
    let answer = container.http_get(PORT, "/api/status", &[]).await?;
    if answer.status != 200 {
        bail!("the dashboard answers {}: {}", answer.status, answer.text());
    }
    let printed = container.exec(["hermes", "dashboard", "link"]).await?.either_way();
    // With a password of the user's own there is no link that logs in.
    let path = match printed.exit_code() {
        0 => printed.text().splitn(4, '/').nth(3).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    Ok(Page { port, link: format!("http://localhost:{port}/{path}") })
}

async fn volume_is_new(docker: &Docker) -> Result<bool> {
    match docker.inspect_volume(UP).await {
        Ok(_) => Ok(false),
        Err(error) if is_missing(&error) => Ok(true),
        Err(error) => Err(error).context(format!("failed to inspect volume {UP}")),
    }
}

async fn image_id(docker: &Docker, name: &str) -> Result<String> {
    let about = docker.inspect_image(name).await.with_context(|| format!("failed to find image {name:?}"))?;
    Ok(about.id.unwrap_or_else(|| name.to_owned()))
}

/// Makes sure that the container runs this image; the data survives, since it lies in a volume.
async fn ensure_running(docker: &Docker, image: &str, server: &ModelServer) -> Result<&'static str> {
    let what_happened = match docker.inspect_container(UP, None).await {
        Err(error) if is_missing(&error) => {
            create(docker, image, server).await?;
            "is up"
        }
        Err(error) => return Err(error).context(format!("failed to inspect container {UP}")),
        Ok(about) if about.image.as_deref() == Some(image) && is_current(&about, server) => {
            if about.state.and_then(|state| state.running) == Some(true) {
                return Ok("was up already");
            }
            let port = about.host_config.as_ref().and_then(host_port);
            if port.is_none_or(is_free) {
                "is up again"
            } else {
                down::remove_container(docker, UP).await?;
                create(docker, image, server).await?;
                "is up, made anew since its port was taken"
            }
        }
        Ok(_) => {
            down::remove_container(docker, UP).await?;
            create(docker, image, server).await?;
            "is up, made anew since its image or settings changed"
        }
    };
    docker
        .start_container(UP, None::<StartContainerOptions>)
        .await
        .context(format!("failed to start container {UP}"))?;
    Ok(what_happened)
}

/// Returns `true` if this `up` would make the container with the same network and variables.
fn is_current(about: &ContainerInspectResponse, server: &ModelServer) -> bool {
    let variables = about.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    let network = about.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
    variables.iter().any(|variable| variable == DASHBOARD) && server.is_in(variables) && network == Some(UP)
}

/// The port of this machine that the container was made with; nothing where the engine chooses at each start.
fn host_port(host: &HostConfig) -> Option<u16> {
    let bindings = host.port_bindings.as_ref()?.get(&format!("{PORT}/tcp"))?.as_ref()?;
    bindings.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok())
}

/// Returns whether the port is free on this machine.
fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

async fn create(docker: &Docker, image: &str, server: &ModelServer) -> Result<()> {
    let labels = HashMap::from([(UP_LABEL.0.to_owned(), UP_LABEL.1.to_owned())]);
    let volume = VolumeCreateRequest {
        name: Some(UP.into()),
        labels: Some(labels.clone()),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(volume).await.context(format!("failed to create volume {UP}"))?;
    let key = format!("{PORT}/tcp");
    let host_port = if is_free(PORT) { PORT.to_string() } else { String::new() };
    let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(host_port) };
    let mut environment = server.environment();
    environment.push(DASHBOARD.to_owned());
    let body = ContainerCreateBody {
        image: Some(image.into()),
        env: Some(environment),
        exposed_ports: Some(vec![key.clone()]),
        hostname: Some(UP.into()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            binds: Some(vec![format!("{UP}:/opt/data")]),
            network_mode: Some(UP.into()),
            port_bindings: Some(HashMap::from([(key, Some(vec![binding]))])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(UP).build();
    docker.create_container(Some(options), body).await.context(format!("failed to create container {UP}"))?;
    Ok(())
}
