//! One build through BuildKit: the request, and the events that come back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bollard::Docker;
use bollard::moby::buildkit::v1::{StatusResponse, Vertex};
use bollard::models::BuildInfoAux;
use bollard::query_parameters::{BuildImageOptionsBuilder, BuilderVersion};
use futures_util::StreamExt as _;

use super::error::{Doing as _, ImageError};
use super::progress::{Progress, seconds};

/// How much of a step's output is kept to be shown if it fails, in lines.
const KEPT_LINES: usize = 60;

/// Has BuildKit build a [`Context`](super::Context), and gives the result the tag. `arguments` are build arguments.
///
/// This works against Docker 20.10's own builder, without the buildx plug-in.
pub async fn build_context(
    docker: &Docker,
    context: Vec<u8>,
    tag: &str,
    arguments: &HashMap<String, String>,
    progress: &Progress,
) -> Result<(), ImageError> {
    // A session is one build's; two that run at once must not share a name.
    let session = format!("{tag}-{}-{:?}", std::process::id(), std::time::Instant::now())
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(tag)
        .buildargs(arguments)
        .networkmode("default")
        .rm(true)
        .version(BuilderVersion::BuilderBuildKit)
        .session(&session)
        .build();
    let _spinner = progress.step(format!("build {tag}"));
    let mut steps = Steps::default();
    let mut events = docker.build_image(options, None, Some(bollard::body_full(context.into())));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if let Some(BuildInfoAux::BuildKit(status)) = event.aux {
                    steps.take(status, progress);
                }
                if let Some(message) = event.error_detail.and_then(|detail| detail.message) {
                    return Err(ImageError::Build { message, log: steps.failed_log() });
                }
            }
            Err(bollard::errors::Error::DockerStreamError { error }) => {
                return Err(ImageError::Build { message: error, log: steps.failed_log() });
            }
            Err(error) => return Err(error).doing(format!("build {tag}")),
        }
    }
    Ok(())
}

/// The steps of the build so far.
#[derive(Default)]
struct Steps {
    told: HashSet<String>,
    logs: HashMap<String, Vec<u8>>,
    failed: Option<String>,
}

impl Steps {
    fn take(&mut self, status: StatusResponse, progress: &Progress) {
        for log in status.logs {
            self.logs.entry(log.vertex).or_default().extend(log.msg);
        }
        for vertex in status.vertexes {
            if !vertex.error.is_empty() {
                self.failed = Some(vertex.digest.clone());
            }
            if let Some(line) = line_of(&vertex) {
                if self.told.insert(vertex.digest.clone()) {
                    progress.line(format!("  {line}"));
                }
            } else if vertex.started.is_some() {
                progress.detail(vertex.name);
            }
        }
    }

    /// The last lines that the failed step printed.
    fn failed_log(&self) -> String {
        let Some(log) = self.failed.as_ref().and_then(|digest| self.logs.get(digest)) else {
            return String::new();
        };
        let text = String::from_utf8_lossy(log);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(KEPT_LINES)..].join("\n")
    }
}

/// The line that reports a finished step of the Dockerfile; BuildKit's own housekeeping has none.
fn line_of(vertex: &Vertex) -> Option<String> {
    let (started, completed) = (vertex.started.as_ref()?, vertex.completed.as_ref()?);
    if !vertex.name.starts_with('[') || vertex.name.starts_with("[internal]") || !vertex.error.is_empty() {
        return None;
    }
    let name: String = vertex.name.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String =
        if name.chars().count() > 90 { name.chars().take(89).chain(['…']).collect() } else { name };
    let took = (completed.seconds - started.seconds) as f64
        + f64::from(completed.nanos - started.nanos) / 1_000_000_000.0;
    let took = Duration::try_from_secs_f64(took).unwrap_or_default();
    Some(if vertex.cached { format!("{short}: kept") } else { format!("{short}: {}", seconds(took)) })
}
