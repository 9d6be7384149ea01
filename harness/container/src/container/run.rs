//! A container that is run to its end, as `docker run --rm IMAGE args…`.

use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Container, ContainerBuilder};
use crate::error::{Error, Result};
use crate::exec::{Streams, feed};
use crate::outcome::{Outcome, Output};

impl ContainerBuilder {
    /// Runs the container to its end with these arguments: exit code and both streams.
    ///
    /// The streams are attached before the start, so nothing is lost. With [`tty`](Self::tty) everything is stdout.
    pub async fn run<S: Into<String>>(self, arguments: impl IntoIterator<Item = S>) -> Result<Outcome> {
        let mut builder = self.cmd(arguments);
        let argv = builder.body.cmd.clone().unwrap_or_default();
        let user = builder.body.user.clone().unwrap_or_else(|| "(the image's)".to_owned());
        let deadline = builder.deadline;
        let stdin = builder.stdin.take();
        if stdin.is_some() {
            builder.body.open_stdin = Some(true);
            builder.body.stdin_once = Some(true);
            builder.body.attach_stdin = Some(true);
        }
        let container = builder.create().await?;
        let started = Instant::now();
        let mut streams = Streams::default();
        let ran = tokio::time::timeout(deadline, drive(&container, stdin, &mut streams)).await;
        let Streams { stdout, stderr } = streams;
        let output = |code| Output {
            argv: [vec!["docker".to_owned(), "run".to_owned(), "…".to_owned()], argv].concat(),
            user,
            container: container.name().to_owned(),
            code,
            stdout,
            stderr,
            took: started.elapsed(),
        };
        match ran {
            Ok(code) => {
                let output = output(code?);
                Ok(Outcome::new(output, Some(container)))
            }
            Err(_) => Err(Error::Deadline {
                waiting_for: format!("end of container {}", container.name()),
                after: deadline,
                last_seen: output(-1).report("an end (there is no exit code yet)"),
            }),
        }
    }
}

async fn drive(container: &Container, stdin: Option<Vec<u8>>, streams: &mut Streams) -> Result<i64> {
    let what = format!("attach to container {}", container.name());
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(stdin.is_some())
        .stdout(true)
        .stderr(true)
        .build();
    let attached = container.docker().attach_container(container.id(), Some(options)).await;
    let mut attached = attached.map_err(Error::engine(what.clone()))?;
    container.start().await?;
    let read = async {
        while let Some(chunk) = attached.output.next().await {
            streams.take(chunk.map_err(Error::engine(what.clone()))?);
        }
        Ok::<(), Error>(())
    };
    let ((), read) = tokio::join!(feed(&mut attached.input, stdin.as_deref()), read);
    read?;
    container.ended().await
}
