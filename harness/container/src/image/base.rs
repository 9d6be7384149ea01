//! Gets a base image: from the engine, from a registry, or made from Debian's packages.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::error::{Doing as _, ImageError};
use super::progress::Progress;

/// How long a registry may take until its first sign of life. Without one there is none.
const REGISTRY_ANSWERS: Duration = Duration::from_secs(15);
/// How long a pull that has begun may show no progress.
const REGISTRY_STALLS: Duration = Duration::from_secs(120);

/// The files that the official slim image leaves out, as options of dpkg. They stay in the image's
/// configuration, so that packages installed on top are just as slim.
const SLIM: &[&str] = &[
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/man/*",
];

/// The time of files that carry the moment of the bootstrap otherwise: 2025-01-01.
const SOURCE_DATE: &str = "1735689600";

const INSTALL: &str = "apt-get install mmdebstrap";

/// A base image of Debian: the official one, or the same thing made from Debian's packages.
#[derive(Debug, Clone)]
pub struct Debian {
    /// The official image, as a registry names it.
    pub official: String,
    /// The name under which the engine keeps the bootstrapped image.
    pub own: String,
    /// The Debian suite that is bootstrapped.
    pub suite: &'static str,
}

/// The base image that a build uses, and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The official image was in the engine already.
    Present(String),
    /// The official image was pulled just now.
    Pulled(String),
    /// Our own bootstrap, made by an earlier build.
    Kept(String),
    /// Our own bootstrap, made just now.
    Bootstrapped(String),
}

impl Base {
    /// The name to build from.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Present(name) | Self::Pulled(name) | Self::Kept(name) | Self::Bootstrapped(name) => name,
        }
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present(name) => write!(f, "{name} (was in the engine)"),
            Self::Pulled(name) => write!(f, "{name} (pulled)"),
            Self::Kept(name) => write!(f, "{name} (bootstrapped earlier)"),
            Self::Bootstrapped(name) => write!(f, "{name} (bootstrapped now)"),
        }
    }
}

impl Debian {
    /// The slim image of a suite: `slim("trixie")`. All products of a machine share the bootstrapped one.
    pub fn slim(suite: &'static str) -> Self {
        Self {
            official: format!("debian:{suite}-slim"),
            own: format!("debian-bootstrapped:{suite}-slim"),
            suite,
        }
    }

    /// Finds the base image or makes it. `afresh` asks the registry, or bootstraps, even though the engine has one:
    /// that brings security updates in.
    ///
    /// Installs mmdebstrap where it is needed, missing, and this process is root on Debian.
    pub async fn settle(
        &self,
        docker: &Docker,
        afresh: bool,
        progress: &Progress,
    ) -> Result<Base, ImageError> {
        if !afresh {
            if exists(docker, &self.official).await? {
                return Ok(Base::Present(self.official.clone()));
            }
            if exists(docker, &self.own).await? {
                return Ok(Base::Kept(self.own.clone()));
            }
        }
        match pull(docker, &self.official, progress).await {
            Ok(()) => Ok(Base::Pulled(self.official.clone())),
            Err(reason) => {
                progress.line(format!(
                    "no registry gives {} ({reason}): made from Debian's packages",
                    self.official
                ));
                bootstrap(docker, self, progress).await?;
                Ok(Base::Bootstrapped(self.own.clone()))
            }
        }
    }
}

/// Returns whether the engine has an image of that name or ID.
async fn exists(docker: &Docker, image: &str) -> Result<bool, ImageError> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error).doing(format!("inspect image {image}")),
    }
}

/// Pulls an image, or says in one line why that cannot be.
async fn pull(docker: &Docker, image: &str, progress: &Progress) -> Result<(), String> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let step = progress.step(format!("pull {image}"));
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
    let mut events = docker.create_image(Some(options), None, None);
    let mut patience = REGISTRY_ANSWERS;
    loop {
        match timeout(patience, events.next()).await {
            Err(_) => return Err(format!("no answer within {} s", patience.as_secs())),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(first_line(&error)),
            Ok(Some(Ok(event))) => {
                patience = REGISTRY_STALLS;
                if let (Some(id), Some(status)) = (event.id, event.status) {
                    progress.detail(format!("pull {image}: {id} {status}"));
                }
            }
        }
    }
    step.done();
    Ok(())
}

/// The part of an engine's answer that says what is wrong.
fn first_line(error: &bollard::errors::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(160).collect()
}

/// Makes the base image out of Debian's packages and gives it to the engine under our own name.
async fn bootstrap(docker: &Docker, debian: &Debian, progress: &Progress) -> Result<(), ImageError> {
    ensure_mmdebstrap(debian, progress).await?;
    let step = progress.step(format!("bootstrap Debian {} with mmdebstrap", debian.suite));
    // A file without a name: nothing of it stays, however this process ends.
    let archive = tempfile::tempfile().map_err(unusable)?;
    let mut command = Command::new("mmdebstrap");
    command.arg("--variant=minbase").args(SLIM.iter().map(|option| format!("--dpkgopt={option}")));
    command.args(["--format=tar", debian.suite, "-"]);
    // The same packages give the same bytes, so layers that were built on them are kept.
    command.env("SOURCE_DATE_EPOCH", SOURCE_DATE);
    command.stdout(archive.try_clone().map_err(unusable)?);
    run(&mut command).await?;
    step.done();

    let step = progress.step(format!("import {}", debian.own));
    import(docker, archive, debian).await?;
    step.done();
    Ok(())
}

fn unusable(source: std::io::Error) -> ImageError {
    ImageError::File { doing: "use a temporary file in", path: std::env::temp_dir(), source }
}

async fn import(docker: &Docker, mut archive: File, debian: &Debian) -> Result<(), ImageError> {
    let mut content = Vec::new();
    archive.rewind().and_then(|()| archive.read_to_end(&mut content)).map_err(unusable)?;
    let (repository, tag) = debian.own.rsplit_once(':').unwrap_or((&debian.own, "latest"));
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .message("bootstrapped with mmdebstrap")
        .changes(vec![format!("LABEL container-harness.base={}", debian.suite), "CMD [\"bash\"]".into()])
        .build();
    let mut events = docker.create_image(Some(options), Some(bollard::body_full(content.into())), None);
    while let Some(event) = events.next().await {
        event.doing(format!("import {}", debian.own))?;
    }
    Ok(())
}

/// mmdebstrap is there, or is installed where that needs no question.
async fn ensure_mmdebstrap(debian: &Debian, progress: &Progress) -> Result<(), ImageError> {
    if runs("mmdebstrap").await {
        return Ok(());
    }
    if !(runs("apt-get").await && is_root()) {
        return Err(ImageError::NoBase { image: debian.official.clone(), install: INSTALL });
    }
    let step = progress.step(format!("mmdebstrap is missing: {INSTALL}"));
    run(Command::new("apt-get").args(["update", "-q"]).stdout(Stdio::null())).await?;
    run(Command::new("apt-get")
        .args(["install", "-q", "-y", "--no-install-recommends", "mmdebstrap"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null()))
    .await?;
    step.done();
    Ok(())
}

/// Returns whether a program can be started at all.
async fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok()
}

/// /proc/self belongs to the effective user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// Runs a program to its end; when it fails, the error keeps the last of what it said.
async fn run(command: &mut Command) -> Result<(), ImageError> {
    let line = line_of(command);
    let failed = |source| ImageError::Start { command: line.clone(), source };
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let output = child.map_err(failed)?.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    let stderr = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(ImageError::Command { command: line, status: output.status, stderr })
}

/// Returns a command as one would type it.
pub fn line_of(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
