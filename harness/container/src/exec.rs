//! Runs commands inside a container, **as the layout's [user](crate::Layout::user) unless the test asks for root**.
//!
//! Production runs as that account. A probe that works only as root has hidden real faults. So the engine's own default
//! (root) is no default here: a test that needs root says [`ExecRequest::as_root`], where a reader sees it. Every command
//! has a deadline.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::container::Container;
use crate::error::{Error, Result};
use crate::outcome::{Outcome, Output, shell_words};

/// How long a command may take unless the test says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Runs a command in the container as the layout's user: `docker_exec(&container, ["id", "-u"]).await?.success()`.
pub fn docker_exec<S: Into<String>>(
    container: &Container,
    command: impl IntoIterator<Item = S>,
) -> ExecRequest<'_> {
    container.exec(command)
}

/// Runs a script with `sh` in the container as the layout's user.
pub fn docker_exec_sh<'c>(container: &'c Container, script: &str) -> ExecRequest<'c> {
    container.exec(["sh", "-c", script])
}

/// A command to be run in a container; `.await` runs it.
#[derive(Debug)]
#[must_use = "nothing runs before `.await`"]
pub struct ExecRequest<'c> {
    pub(crate) container: &'c Container,
    pub(crate) argv: Vec<String>,
    pub(crate) user: String,
    pub(crate) env: Vec<String>,
    pub(crate) workdir: Option<String>,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
}

impl<'c> ExecRequest<'c> {
    pub(crate) fn new(container: &'c Container, argv: Vec<String>) -> Self {
        Self {
            container,
            argv,
            user: container.layout().user.to_owned(),
            env: Vec::new(),
            workdir: None,
            stdin: None,
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// As root. Say why in the test.
    pub fn as_root(self) -> Self {
        self.user("root")
    }

    /// As the harness's own probes: as root, since a container may have no other account, and with a `PATH` of root's
    /// directories, since the operator may have emptied the container's `PATH` or put anything in front of it.
    pub fn probing(self) -> Self {
        self.as_root().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    }

    /// As this user: a name, a UID, or `user:group`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// In this directory.
    pub fn workdir(mut self, directory: impl Into<String>) -> Self {
        self.workdir = Some(directory.into());
        self
    }

    /// With these bytes on standard input, then its end.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// With this deadline instead of [`DEFAULT_DEADLINE`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn describe(&self) -> String {
        format!("run {} as {} in {}", shell_words(&self.argv), self.user, self.container.name())
    }

    /// Makes the exec in the engine, not yet started.
    pub(crate) async fn create(&self, stdin: bool, tty: bool) -> Result<String> {
        let config = ExecConfig {
            attach_stdin: Some(stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            env: Some(self.env.clone()),
            cmd: Some(self.argv.clone()),
            user: Some(self.user.clone()),
            working_dir: self.workdir.clone(),
            ..ExecConfig::default()
        };
        let created = self.container.docker().create_exec(self.container.id(), config).await;
        Ok(created.map_err(Error::engine(self.describe()))?.id)
    }

    async fn run(self) -> Result<Outcome> {
        let started = Instant::now();
        let mut streams = Streams::default();
        let ran = tokio::time::timeout(self.deadline, self.drive(&mut streams)).await;
        let Streams { stdout, stderr } = streams;
        let output = |code| Output {
            argv: self.argv.clone(),
            user: self.user.clone(),
            container: self.container.name().to_owned(),
            code,
            stdout,
            stderr,
            took: started.elapsed(),
        };
        match ran {
            Ok(code) => Ok(Outcome::new(output(code?), None)),
            Err(_) => Err(Error::Deadline {
                waiting_for: self.describe(),
                after: self.deadline,
                last_seen: output(-1).report("an end (there is no exit code yet)"),
            }),
        }
    }

    async fn drive(&self, streams: &mut Streams) -> Result<i64> {
        let docker = self.container.docker();
        let id = self.create(self.stdin.is_some(), false).await?;
        let started = docker.start_exec(&id, Some(StartExecOptions::default())).await;
        let StartExecResults::Attached { mut output, mut input } =
            started.map_err(Error::engine(self.describe()))?
        else {
            unreachable!("an exec that is not detached is attached");
        };
        let feed = feed(&mut input, self.stdin.as_deref());
        let read = async {
            while let Some(chunk) = output.next().await {
                streams.take(chunk.map_err(Error::engine(self.describe()))?);
            }
            Ok::<(), Error>(())
        };
        let ((), read) = tokio::join!(feed, read);
        read?;
        exit_code(docker, &id).await
    }
}

impl<'c> IntoFuture for ExecRequest<'c> {
    type Output = Result<Outcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Writes all of `bytes` and closes the stream. A command that ends without reading them all is no error.
pub(crate) async fn feed(input: &mut (impl AsyncWrite + Unpin), bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes {
        let _ = input.write_all(bytes).await;
        let _ = input.shutdown().await;
    }
}

/// The exit code of an exec whose streams have ended. The engine may close them a moment before it notes the code; how
/// long to wait for that is the caller's deadline.
pub(crate) async fn exit_code(docker: &Docker, exec_id: &str) -> Result<i64> {
    const PAUSE: Duration = Duration::from_millis(2);
    loop {
        let seen = docker.inspect_exec(exec_id).await;
        let seen = seen.map_err(Error::engine(format!("inspect exec {exec_id}")))?;
        if let (Some(false), Some(code)) = (seen.running, seen.exit_code) {
            return Ok(code);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The output of a command.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Streams {
    pub(crate) fn take(&mut self, chunk: LogOutput) {
        match chunk {
            LogOutput::StdErr { message } => self.stderr.extend_from_slice(&message),
            LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                self.stdout.extend_from_slice(&message);
            }
        }
    }
}
