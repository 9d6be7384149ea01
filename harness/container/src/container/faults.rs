//! Faults of a container: processes killed, the container stopped, frozen, cut off from its network.

use std::time::Duration;

use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RestartContainerOptionsBuilder, StopContainerOptionsBuilder,
};

use super::Container;
use crate::error::{Error, Result};

impl Container {
    /// Sends a signal (`TERM`, `KILL`, …) to a process in the container, as root: a fault asks nobody.
    pub async fn kill_process(&self, pid: u32, signal: &str) -> Result<()> {
        let outcome =
            self.exec(["sh", "-c", r#"kill -s "$1" "$2""#, "sh", signal, &pid.to_string()]).probing().await?;
        if outcome.exit_code() == 0 {
            return Ok(());
        }
        Err(Error::Command(outcome.report("the process to be there")))
    }

    /// `docker stop` with the engine's grace time (10 s, or what the container was given).
    pub async fn stop(&self) -> Result<()> {
        self.stop_with(None).await
    }

    /// `docker stop -t SECONDS`.
    pub async fn stop_within(&self, grace: Duration) -> Result<()> {
        self.stop_with(Some(grace)).await
    }

    async fn stop_with(&self, grace: Option<Duration>) -> Result<()> {
        let options = grace.map(|grace| StopContainerOptionsBuilder::new().t(whole_seconds(grace)).build());
        let stopped = self.docker().stop_container(self.id(), options).await;
        stopped.map_err(Error::engine(format!("stop container {}", self.name())))
    }

    /// `docker restart`. What boots then is waited for with [`ready`](Self::ready).
    pub async fn restart(&self) -> Result<()> {
        let restarted = self.docker().restart_container(self.id(), None).await;
        restarted.map_err(Error::engine(format!("restart container {}", self.name())))
    }

    /// `docker restart -t SECONDS`.
    pub async fn restart_within(&self, grace: Duration) -> Result<()> {
        let options = RestartContainerOptionsBuilder::new().t(whole_seconds(grace)).build();
        let restarted = self.docker().restart_container(self.id(), Some(options)).await;
        restarted.map_err(Error::engine(format!("restart container {}", self.name())))
    }

    /// `docker kill -s SIGNAL`: the signal goes to PID 1.
    pub async fn kill(&self, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let killed = self.docker().kill_container(self.id(), Some(options)).await;
        killed.map_err(Error::engine(format!("send {signal} to container {}", self.name())))
    }

    /// Freezes every process of the container.
    pub async fn pause(&self) -> Result<()> {
        let paused = self.docker().pause_container(self.id()).await;
        paused.map_err(Error::engine(format!("pause container {}", self.name())))
    }

    /// Thaws them.
    pub async fn unpause(&self) -> Result<()> {
        let unpaused = self.docker().unpause_container(self.id()).await;
        unpaused.map_err(Error::engine(format!("unpause container {}", self.name())))
    }

    /// Takes the container off all its networks.
    pub async fn disconnect_network(&self) -> Result<()> {
        let networks = self.inspect().await?.network_settings.and_then(|settings| settings.networks);
        for network in networks.unwrap_or_default().keys() {
            let request = NetworkDisconnectRequest { container: self.id().to_owned(), force: Some(true) };
            let done = self.docker().disconnect_network(network, request).await;
            done.map_err(Error::engine(format!("disconnect container {} from {network}", self.name())))?;
        }
        Ok(())
    }

    /// Fills the file system that holds `directory` to the last byte, as root. Meant for a small volume
    /// ([`Volume::small`](crate::Volume::small)): refuses to write more than 64 MiB.
    pub async fn fill(&self, directory: &str) -> Result<()> {
        const SCRIPT: &str = r#"dd if=/dev/zero of="$1/.filled-by-the-harness" bs=64k count=1024 2>/dev/null
            free=$(stat -f -c %a "$1"); echo "$free blocks free"; [ "$free" -eq 0 ]"#;
        let outcome = self.exec(["sh", "-c", SCRIPT, "sh", directory]).probing().await?;
        if outcome.exit_code() == 0 {
            return Ok(());
        }
        Err(Error::Command(outcome.report(&format!("{directory} to be full after 64 MiB at the most"))))
    }
}

/// The engine takes whole seconds; a part of one is not rounded to "at once".
fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_time_is_never_rounded_to_none() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(1)), 1);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
