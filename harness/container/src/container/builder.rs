//! Describes a container before it is made.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding,
    ResourcesUlimits,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::Container;
use crate::derived::DerivedImage;
use crate::error::{Error, Result, status_of};
use crate::identity::{labels, unique_name};
use crate::image_under_test::image_under_test;
use crate::layer::Layer;
use crate::network::Network;
use crate::product::{Layout, product};
use crate::scope::Maker;
use crate::volume::Volume;

/// A container to be. Whatever is not said is the image's own default, the stop signal included; but the health check,
/// a process that comes and goes at times of its own, is there only where it is [asked for](Self::healthcheck).
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `start`, `create` or `run`"]
pub struct ContainerBuilder {
    pub(super) layout: &'static Layout,
    image: Option<String>,
    docker: Option<Docker>,
    pub(super) body: ContainerCreateBody,
    host: HostConfig,
    holds: Vec<Arc<dyn Any + Send + Sync>>,
    layer: Layer,
    pub(super) stdin: Option<Vec<u8>>,
    pub(super) deadline: Duration,
}

impl ContainerBuilder {
    pub(super) fn new() -> Self {
        Self {
            layout: product().layout,
            image: None,
            docker: None,
            body: ContainerCreateBody::default(),
            host: HostConfig::default(),
            holds: Vec::new(),
            layer: Layer::default(),
            stdin: None,
            deadline: Duration::from_secs(60),
        }
    }

    /// From this image (an ID or a tag) instead of the one under test.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// From an image that the test built; it lives as long as the container.
    pub fn derived(mut self, image: &DerivedImage) -> Self {
        self.image = Some(image.id().to_owned());
        self.holds.push(image.hold());
        self
    }

    /// With this connection. Inside a test the test's own is used.
    pub fn docker(mut self, docker: &Docker) -> Self {
        self.docker = Some(docker.clone());
        self
    }

    /// With another layout than the [product's](crate::Product::layout).
    pub fn layout(mut self, layout: &'static Layout) -> Self {
        self.layout = layout;
        self
    }

    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.body.env.get_or_insert_default().push(format!("{name}={value}"));
        self
    }

    /// The command: what stands behind the image in `docker run IMAGE …`.
    pub fn cmd<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.body.cmd = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Instead of the image's entry point.
    pub fn entrypoint<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.body.entrypoint = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// `--user`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.body.user = Some(user.into());
        self
    }

    /// `--workdir`.
    pub fn workdir(mut self, directory: impl Into<String>) -> Self {
        self.body.working_dir = Some(directory.into());
        self
    }

    /// `--hostname`.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.body.hostname = Some(name.into());
        self
    }

    /// `--tty`.
    pub fn tty(mut self) -> Self {
        self.body.tty = Some(true);
        self
    }

    /// `--interactive`: standard input is open, and stays so.
    pub fn interactive(mut self) -> Self {
        self.body.open_stdin = Some(true);
        self
    }

    /// For [`run`](Self::run): these bytes on standard input, then its end.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// For [`run`](Self::run): how long the container may live. 60 s unless said.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// `--volume NAME:PATH` with a volume of the test; it lives as long as the container.
    pub fn volume(mut self, volume: &Volume, path: &str) -> Self {
        self.holds.push(volume.hold());
        self.mount(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.name().to_owned()),
            target: Some(path.to_owned()),
            ..Mount::default()
        })
    }

    /// `--volume NAME:PATH:ro`.
    pub fn volume_read_only(mut self, volume: &Volume, path: &str) -> Self {
        self.holds.push(volume.hold());
        self.mount(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.name().to_owned()),
            target: Some(path.to_owned()),
            read_only: Some(true),
            ..Mount::default()
        })
    }

    /// `--volume HOST:PATH`: a directory or file of the machine that the engine runs on.
    pub fn bind(mut self, host: impl AsRef<Path>, path: &str) -> Self {
        self.host.binds.get_or_insert_default().push(format!("{}:{path}", host.as_ref().display()));
        self
    }

    /// `--volume HOST:PATH:ro`.
    pub fn bind_read_only(mut self, host: impl AsRef<Path>, path: &str) -> Self {
        self.host.binds.get_or_insert_default().push(format!("{}:{path}:ro", host.as_ref().display()));
        self
    }

    /// `--mount`, whatever it is.
    pub fn mount(mut self, mount: Mount) -> Self {
        self.host.mounts.get_or_insert_default().push(mount);
        self
    }

    /// `--tmpfs PATH:OPTIONS`. With no options the engine's own apply: `rw,noexec,nosuid,nodev`.
    pub fn tmpfs(mut self, path: &str, options: &str) -> Self {
        self.host.tmpfs.get_or_insert_default().insert(path.to_owned(), options.to_owned());
        self
    }

    /// With a file of root's, `mode` as `0o755`, put into the container before it starts, as `docker cp` does.
    /// Directories above it that are not there are made. Not for a [`read_only`](Self::read_only) container.
    pub fn file(self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.owned_file(path, mode, (0, 0), content)
    }

    /// With a file of the account `owner` (UID, GID).
    pub fn owned_file(
        mut self,
        path: &str,
        mode: u32,
        owner: (u64, u64),
        content: impl Into<Vec<u8>>,
    ) -> Self {
        self.layer.file(path, mode, owner, content.into());
        self
    }

    /// With a directory of the account `owner`. One that is there gets this owner and mode.
    pub fn directory(mut self, path: &str, mode: u32, owner: (u64, u64)) -> Self {
        self.layer.directory(path, mode, owner);
        self
    }

    /// With a symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.layer.link(path, target);
        self
    }

    /// `--read-only`.
    pub fn read_only(mut self) -> Self {
        self.host.readonly_rootfs = Some(true);
        self
    }

    /// `--init`: the engine's own init is PID 1.
    pub fn init(mut self) -> Self {
        self.host.init = Some(true);
        self
    }

    /// `--pid`, as `host` or `container:<id>`.
    pub fn pid_mode(mut self, mode: impl Into<String>) -> Self {
        self.host.pid_mode = Some(mode.into());
        self
    }

    /// `--cap-drop`.
    pub fn cap_drop(mut self, capability: &str) -> Self {
        self.host.cap_drop.get_or_insert_default().push(capability.to_owned());
        self
    }

    /// `--cap-add`.
    pub fn cap_add(mut self, capability: &str) -> Self {
        self.host.cap_add.get_or_insert_default().push(capability.to_owned());
        self
    }

    /// `--security-opt`.
    pub fn security_opt(mut self, option: &str) -> Self {
        self.host.security_opt.get_or_insert_default().push(option.to_owned());
        self
    }

    /// `--group-add`.
    pub fn group_add(mut self, group: &str) -> Self {
        self.host.group_add.get_or_insert_default().push(group.to_owned());
        self
    }

    /// `--memory`, in bytes.
    pub fn memory(mut self, bytes: i64) -> Self {
        self.host.memory = Some(bytes);
        self
    }

    /// `--cpus`, in thousandths of one.
    pub fn milli_cpus(mut self, thousandths: i64) -> Self {
        self.host.nano_cpus = Some(thousandths * 1_000_000);
        self
    }

    /// `--pids-limit`.
    pub fn pids_limit(mut self, limit: i64) -> Self {
        self.host.pids_limit = Some(limit);
        self
    }

    /// `--ulimit NAME=SOFT:HARD`.
    pub fn ulimit(mut self, name: &str, soft: i64, hard: i64) -> Self {
        self.host.ulimits.get_or_insert_default().push(ResourcesUlimits {
            name: Some(name.to_owned()),
            soft: Some(soft),
            hard: Some(hard),
        });
        self
    }

    /// `--label`.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.body.labels.get_or_insert_default().insert(name.to_owned(), value.to_owned());
        self
    }

    /// `--stop-timeout`, in seconds.
    pub fn stop_timeout(mut self, seconds: i64) -> Self {
        self.body.stop_timeout = Some(seconds);
        self
    }

    /// `--network`: `none`, `host`, or a network's name.
    pub fn network_mode(mut self, mode: &str) -> Self {
        self.host.network_mode = Some(mode.to_owned());
        self
    }

    /// On a network of the test; it lives as long as the container.
    pub fn network(mut self, network: &Network) -> Self {
        self.holds.push(network.hold());
        self.network_mode(network.name())
    }

    /// Publishes a TCP port on a free port of the host's loopback: see [`Container::published_port`].
    pub fn publish(mut self, port: u16) -> Self {
        let key = format!("{port}/tcp");
        let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
        self.host.port_bindings.get_or_insert_default().insert(key.clone(), Some(vec![binding]));
        self.body.exposed_ports.get_or_insert_default().push(key);
        self
    }

    /// `--log-driver` and `--log-opt`. The engine keeps the log of few drivers; with another one [`Container::logs`] fails.
    pub fn log_driver(mut self, driver: &str, options: &[(&str, &str)]) -> Self {
        let pairs = options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        self.host.log_config =
            Some(HostConfigLogConfig { typ: Some(driver.to_owned()), config: Some(pairs.collect()) });
        self
    }

    /// With a health check. Whatever it leaves out is as the image has it.
    pub fn healthcheck(mut self, check: HealthConfig) -> Self {
        self.body.healthcheck = Some(check);
        self
    }

    /// Changes the request to the engine, for settings that have no method here.
    pub fn tune(mut self, change: impl FnOnce(&mut ContainerCreateBody, &mut HostConfig)) -> Self {
        change(&mut self.body, &mut self.host);
        self
    }

    /// Makes the container and starts it. It may not have booted yet: [`Container::ready`].
    pub async fn start(self) -> Result<Container> {
        let container = self.create().await?;
        container.start().await?;
        Ok(container)
    }

    /// Makes the container, starts it, and waits until this boot is complete.
    pub async fn start_ready(self) -> Result<Container> {
        let container = self.start().await?;
        container.ready().await?;
        Ok(container)
    }

    /// Makes the container without starting it.
    pub async fn create(self) -> Result<Container> {
        let maker = Maker::over(self.docker).await?;
        let image = match self.image {
            Some(image) => image,
            None => image_under_test(&maker.docker).await?.to_owned(),
        };
        let name = unique_name(maker.test());
        let mut body = self.body;
        let mut all_labels: HashMap<String, String> = body.labels.take().unwrap_or_default();
        all_labels.extend(labels(maker.test()));
        body.labels = Some(all_labels);
        body.image = Some(image.clone());
        // It would stand in some of the lists of processes that tests compare, and not in others.
        body.healthcheck.get_or_insert_with(no_health_check);
        body.host_config = Some(self.host);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let Maker { docker, scope } = maker;
        let created =
            docker.create_container(Some(options), body).await.map_err(|error| match status_of(&error) {
                Some(404) if error.to_string().contains("No such image") => {
                    Error::NoSuchImage { image, hint: String::new() }
                }
                _ => Error::engine(format!("create container {name}"))(error),
            })?;
        let container = Container {
            docker,
            id: created.id,
            name,
            layout: self.layout,
            scope,
            removed: false,
            holds: self.holds,
        };
        if !self.layer.is_empty() {
            container.unpack(&self.layer).await?;
        }
        Ok(container)
    }
}

fn no_health_check() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
}
