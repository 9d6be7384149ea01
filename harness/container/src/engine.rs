//! The connection to the engine: Docker, or whatever speaks its API (Podman's socket does).
//!
//! `DOCKER_HOST` is respected; without it the usual sockets are tried in turn. The API version is negotiated, so that
//! an engine as old as 20.10 (API 1.41) and a current one both work.

use std::path::{Path, PathBuf};

use bollard::Docker;

const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// There is no engine to talk to. Suites are then reported as ignored, with this as the reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no Docker: {reason}")]
pub struct NoDocker {
    /// Why: which address was tried and what happened there.
    pub reason: String,
}

/// Connects to the engine and settles on an API version that both sides know.
///
/// A connection belongs to the tokio runtime it was made in.
pub async fn connect() -> Result<Docker, NoDocker> {
    let host = address(std::env::var("DOCKER_HOST").ok(), |path| path.exists());
    connect_to(&host).await
}

/// Connects to the engine at `host` (`unix://…` or `tcp://…`).
pub async fn connect_to(host: &str) -> Result<Docker, NoDocker> {
    let no = |error: bollard::errors::Error| NoDocker { reason: format!("{host}: {}", innermost(&error)) };
    Docker::connect_with_host(host).map_err(no)?.negotiate_version().await.map_err(no)
}

/// The engine's address: what the environment says, else the first usual socket that exists.
fn address(docker_host: Option<String>, exists: impl Fn(&Path) -> bool) -> String {
    if let Some(host) = docker_host.filter(|host| !host.is_empty()) {
        return host;
    }
    let mut sockets = vec![PathBuf::from(SYSTEM_SOCKET)];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        sockets.push(runtime.join("docker.sock"));
        sockets.push(runtime.join("podman/podman.sock"));
    }
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        sockets.push(home.join(".docker/run/docker.sock"));
    }
    let found = sockets.iter().find(|path| exists(path)).unwrap_or(&sockets[0]);
    format!("unix://{}", found.display())
}

/// The last cause in the chain: "No such file or directory" says more than "client error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_host_wins() {
        assert_eq!(address(Some("tcp://127.0.0.1:2375".into()), |_| true), "tcp://127.0.0.1:2375");
    }

    #[test]
    fn an_empty_docker_host_is_none() {
        assert_eq!(address(Some(String::new()), |_| true), "unix:///var/run/docker.sock");
    }

    #[test]
    fn with_no_socket_at_all_the_usual_one_is_named() {
        assert_eq!(address(None, |_| false), "unix:///var/run/docker.sock");
    }

    #[tokio::test]
    async fn no_engine_is_a_typed_error_with_the_address_and_the_reason() {
        let error = connect_to("unix:///no/such/docker.sock").await.unwrap_err();
        assert_eq!(error.reason, "unix:///no/such/docker.sock: Socket not found: /no/such/docker.sock");
    }
}
