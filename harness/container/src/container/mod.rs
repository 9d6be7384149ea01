//! A container: built, started, looked at, disturbed, and removed when its handle goes.

mod builder;
mod faults;
mod ready;
mod run;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{LogsOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder};
use futures_util::StreamExt;

pub use builder::ContainerBuilder;

use crate::cleanup::Doomed;
use crate::error::{Error, Result};
use crate::exec::{ExecRequest, Streams};
use crate::identity::{keep_is_on, say_kept};
use crate::product::{Layout, product};
use crate::scope::{Scope, let_go};
use crate::wait::{Look, Looked, wait_until};

/// A handle on a container that this process made. Dropping it removes the container and its anonymous volumes, on a
/// panic too; after a SIGKILL of this process the next run does ([`reaper`](crate::reaper)). `PREFIX_KEEP=1` keeps it.
#[derive(Debug)]
pub struct Container {
    docker: Docker,
    id: String,
    name: String,
    layout: &'static Layout,
    scope: Option<Arc<Scope>>,
    removed: bool,
    /// Volumes, networks and images that have to outlive the container. Dropped after it, in field order.
    #[expect(dead_code, reason = "held, never read")]
    holds: Vec<Arc<dyn Any + Send + Sync>>,
}

/// A container as the evidence of a failed test names it.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) layout: &'static Layout,
}

impl Container {
    /// A container of the image under test, to be described further.
    pub fn builder() -> ContainerBuilder {
        ContainerBuilder::new()
    }

    /// A handle on a container that somebody else made, and that stays when the handle goes. `name` is its name or ID.
    pub fn existing(docker: &Docker, name: &str) -> Self {
        let (id, name) = (name.to_owned(), name.to_owned());
        Self::observed(docker, &Suspect { id, name, layout: product().layout })
    }

    /// A handle that owns nothing, to look at a container whose own handle is gone.
    pub(crate) fn observed(docker: &Docker, suspect: &Suspect) -> Self {
        Self {
            docker: docker.clone(),
            id: suspect.id.clone(),
            name: suspect.name.clone(),
            layout: suspect.layout,
            scope: None,
            removed: true,
            holds: Vec::new(),
        }
    }

    /// The engine's ID of the container.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The container's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection, for what the harness has no word for.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Returns the layout of this container.
    pub fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// Runs a command in the container as the layout's [user](Layout::user); see [`exec`](crate::exec).
    pub fn exec<S: Into<String>>(&self, command: impl IntoIterator<Item = S>) -> ExecRequest<'_> {
        ExecRequest::new(self, command.into_iter().map(Into::into).collect())
    }

    /// Runs a script with `sh` in the container, as the same user.
    pub fn exec_sh(&self, script: &str) -> ExecRequest<'_> {
        self.exec(["sh", "-c", script])
    }

    /// Starts the container, the first time or after a stop.
    pub async fn start(&self) -> Result<()> {
        let started = self.docker.start_container(&self.id, None::<StartContainerOptions>).await;
        started.map_err(Error::engine(format!("start container {}", self.name)))
    }

    /// All that the engine knows about the container.
    pub async fn inspect(&self) -> Result<ContainerInspectResponse> {
        let seen = self.docker.inspect_container(&self.id, None).await;
        seen.map_err(Error::engine(format!("inspect container {}", self.name)))
    }

    /// Returns the state: running or not, the last exit code, and the times.
    pub async fn state(&self) -> Result<State> {
        let state = self.inspect().await?.state.unwrap_or_default();
        Ok(State {
            running: state.running.unwrap_or(false),
            paused: state.paused.unwrap_or(false),
            oom_killed: state.oom_killed.unwrap_or(false),
            exit_code: state.exit_code.unwrap_or(-1),
            started_at: state.started_at.unwrap_or_default(),
            finished_at: state.finished_at.unwrap_or_default(),
            health: state.health.and_then(|health| health.status).map(|status| status.to_string()),
        })
    }

    /// Returns the output so far, of all starts: (stdout, stderr). With a TTY all of it is stdout.
    pub async fn logs(&self) -> Result<(String, String)> {
        let streams = logs_of(&self.docker, &self.id, "all").await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((text(streams.stdout), text(streams.stderr)))
    }

    /// Returns the output so far of both streams, one after the other.
    pub async fn log(&self) -> Result<String> {
        let (stdout, stderr) = self.logs().await?;
        Ok(stdout + stderr.as_str())
    }

    /// Waits until the container has ended; its exit code.
    pub async fn wait_exit(&self, deadline: Duration) -> Result<i64> {
        let waiting_for = format!("end of container {}", self.name);
        match tokio::time::timeout(deadline, self.ended()).await {
            Ok(code) => code,
            Err(_) => {
                let log = self.log_end().await;
                let last_seen = format!("it runs; its log:\n{log}");
                Err(Error::Deadline { waiting_for, after: deadline, last_seen })
            }
        }
    }

    /// Resolves when the container does not run, with its exit code.
    pub(crate) async fn ended(&self) -> Result<i64> {
        end_of(&self.docker, &self.id).await
    }

    /// Waits until `probe` has a value: `container.wait_until("slot x up", slot_up("x"), secs(10))`.
    ///
    /// Ends at once, with the container's log, when the container dies meanwhile.
    pub async fn wait_until<T>(
        &self,
        what: impl Into<String>,
        probe: impl AsyncFn(&Container) -> Looked<T>,
        deadline: Duration,
    ) -> Result<T> {
        let what = what.into();
        let look = async || match probe(self).await {
            Ok(look) => Ok(look),
            // A probe that cannot look any more is no answer while the container is on its way out.
            Err(error) if self.state().await?.running => Err(error),
            Err(error) => Ok(Look::NotYet(error.to_string())),
        };
        let died = async {
            let exit_code = self.ended().await?;
            Err(self.died(exit_code, &what).await)
        };
        tokio::select! {
            biased;
            seen = wait_until(format!("{what} in {}", self.name), look, deadline) => seen,
            died = died => died,
        }
    }

    pub(crate) async fn died(&self, exit_code: i64, waiting_for: &str) -> Error {
        Error::Died {
            container: self.name.clone(),
            exit_code,
            waiting_for: waiting_for.to_owned(),
            log: self.log_end().await,
        }
    }

    /// Returns the last 60 lines of the log, for a message.
    pub async fn log_end(&self) -> String {
        match logs_of(&self.docker, &self.id, "60").await {
            Ok(streams) => {
                let text = [streams.stdout, streams.stderr].concat();
                let text = String::from_utf8_lossy(&text);
                if text.trim().is_empty() { "(empty)".to_owned() } else { text.trim_end().to_owned() }
            }
            Err(error) => format!("(not readable: {error})"),
        }
    }

    /// The port on the host's loopback under which the container's TCP port can be reached
    /// (see [`ContainerBuilder::publish`]).
    pub async fn published_port(&self, port: u16) -> Result<u16> {
        let ports = self.inspect().await?.network_settings.and_then(|settings| settings.ports);
        let found = ports
            .and_then(|mut ports| ports.remove(&format!("{port}/tcp")).flatten())
            .and_then(|bindings| bindings.into_iter().find_map(|binding| binding.host_port?.parse().ok()));
        found.ok_or_else(|| Error::Never {
            waiting_for: format!("published port {port} of {}", self.name),
            why: "it is not published, or the container does not run".to_owned(),
        })
    }

    /// Removes the container now, instead of when the handle goes.
    pub async fn remove(mut self) -> Result<()> {
        self.removed = true;
        crate::cleanup::remove(&self.docker, &Doomed::Container(self.id.clone())).await
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        if keep_is_on() {
            let everything =
                product().clean_up.map_or_else(String::new, |command| format!(", or everything: {command}"));
            say_kept(&format!(
                "container {0} is kept. Enter it: docker exec -it -u {1} {0} sh; \
                 remove it: docker rm -fv {0}{everything}",
                self.name, self.layout.user
            ));
            return;
        }
        let suspect = Suspect { id: self.id.clone(), name: self.name.clone(), layout: self.layout };
        let_go(self.scope.as_ref(), Doomed::Container(self.id.clone()), Some(suspect));
    }
}

/// How a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// True if its main process is there. A paused container runs.
    pub running: bool,
    /// True if it is frozen.
    pub paused: bool,
    /// True if the kernel killed it for its memory.
    pub oom_killed: bool,
    /// The last exit code, 0 while it has never ended.
    pub exit_code: i64,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// `starting`, `healthy`, `unhealthy`, or nothing without a health check.
    pub health: Option<String>,
}

/// Resolves when a container does not run, with its exit code.
pub(crate) async fn end_of(docker: &Docker, id: &str) -> Result<i64> {
    let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let mut waiting = std::pin::pin!(docker.wait_container(id, Some(options)));
    match waiting.next().await {
        Some(Ok(end)) => Ok(end.status_code),
        // bollard returns an exit code other than 0 as an error.
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(Error::engine(format!("wait for container {id}"))(error)),
        None => Err(Error::Never {
            waiting_for: format!("end of container {id}"),
            why: "the engine broke off the wait".to_owned(),
        }),
    }
}

/// The log of a container, from its last `tail` lines on.
pub(crate) async fn logs_of(docker: &Docker, id: &str, tail: &str) -> Result<Streams> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(tail).build();
    let mut log = docker.logs(id, Some(options));
    let mut streams = Streams::default();
    while let Some(chunk) = log.next().await {
        streams.take(chunk.map_err(Error::engine(format!("read the log of container {id}")))?);
    }
    Ok(streams)
}
