//! Gets the binaries of the image: from the host, or from a stage of the Dockerfile.

use std::path::PathBuf;
use std::process::Stdio;

use bollard::Docker;
use container_harness::image::{Doing as _, ImageError, Progress, line_of};
use tokio::process::Command;

use super::error::BuildError;
use super::recipe::Recipe;

/// The place where the binaries are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinarySource {
    /// This host, where it can link programs for the image; else a stage.
    Auto,
    /// This host, whatever it has.
    Host,
    /// A stage of the Dockerfile.
    Stage,
}

/// The binaries that a build puts into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binaries {
    /// Built here, to be handed in: each binary's name and file.
    Host(Vec<(&'static str, PathBuf)>),
    /// The Dockerfile builds them.
    Stage,
}

impl std::fmt::Display for Binaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "built on this host",
            Self::Stage => "built in a stage of the Dockerfile",
        })
    }
}

/// Decides, and compiles them if the host is the place.
pub(crate) async fn get(
    docker: &Docker,
    recipe: &Recipe,
    source: BinarySource,
    progress: &Progress,
) -> Result<Binaries, BuildError> {
    let host = match source {
        BinarySource::Host => true,
        BinarySource::Stage => false,
        BinarySource::Auto => match why_not_here(docker).await? {
            None => true,
            Some(reason) => {
                progress.line(format!("binaries: built in a stage of the Dockerfile, since {reason}"));
                false
            }
        },
    };
    if host { compile(recipe, progress).await.map(Binaries::Host) } else { Ok(Binaries::Stage) }
}

/// The reason why this host cannot link programs for the image.
async fn why_not_here(docker: &Docker) -> Result<Option<String>, ImageError> {
    if std::env::consts::OS != "linux" {
        return Ok(Some(format!("this host runs {}", std::env::consts::OS)));
    }
    let version = docker.version().await.doing("say its version")?;
    let engine = version.arch.unwrap_or_default();
    let here = engine_name_of(std::env::consts::ARCH);
    if engine != here {
        return Ok(Some(format!("this host is {here} and the engine {engine}")));
    }
    if !links_statically().await {
        return Ok(Some(
            "this host has no static C library (libc.a; glibc-static on some distributions)".into(),
        ));
    }
    Ok(None)
}

/// Returns whether the host's linker finds a static glibc.
async fn links_statically() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libc.a").output().await;
    // The compiler repeats the name of a missing file as it is, without a directory.
    cfg!(target_env = "gnu") && asked.is_ok_and(|output| output.stdout.contains(&b'/'))
}

/// Docker's name of an architecture that Rust names otherwise.
fn engine_name_of(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `cargo build --release`; cargo draws its own progress.
///
/// Static: each container has a file system of its own, whose libraries the kernel has not cached.
/// Finding, reading and relocating them costs more than everything that `/init` does. Flags for one
/// target leave build scripts and macros, which run here, as they are.
async fn compile(recipe: &Recipe, progress: &Progress) -> Result<Vec<(&'static str, PathBuf)>, BuildError> {
    progress.pause();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&recipe.root).args(["build", "--release", "--locked"]);
    command.args(["--message-format=json-render-diagnostics", "--target"]);
    command.arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    for (package, _) in &recipe.binaries {
        command.args(["--package", package]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let line = line_of(&command);
    let output =
        command.output().await.map_err(|source| ImageError::Start { command: line.clone(), source })?;
    if !output.status.success() {
        // Cargo has said why, on the terminal.
        let failed = ImageError::Command { command: line, status: output.status, stderr: String::new() };
        return Err(failed.into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    recipe
        .binaries
        .iter()
        .map(|(_, name)| {
            let file = executable(&messages, name).ok_or_else(|| BuildError::NoBinary((*name).into()))?;
            Ok((*name, file))
        })
        .collect()
}

/// The file of one executable that cargo built, by the name of its target, from the messages that
/// `--message-format=json-render-diagnostics` prints (one JSON object a line).
pub fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_among_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"libc","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"init","kind":["bin"]},"executable":"/t/release/init"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages, "init"), Some("/t/release/init".into()));
        assert_eq!(executable(messages, "libc"), None);
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn architectures_have_two_names() {
        assert_eq!(engine_name_of("x86_64"), "amd64");
        assert_eq!(engine_name_of("aarch64"), "arm64");
        assert_eq!(engine_name_of("riscv64"), "riscv64");
    }
}
