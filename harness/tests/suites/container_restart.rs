//! A container goes down in several ways and comes back: each gateway returns to its desired state, and the boot's log
//! records it.

mod homes;
mod in_the_middle;
mod intents;
mod log;
mod python_volume;

use anyhow::Result;
use hermes_harness::{Container, secs};

/// The ways in which a container goes down and comes back.
const WAYS: [Way; 3] = [Way::Restart, Way::KillAndStart, Way::StopAndStart];

#[derive(Debug, Clone, Copy)]
enum Way {
    Restart,
    KillAndStart,
    StopAndStart,
}

impl Way {
    /// Goes down and comes back, until the new boot is complete.
    async fn go(self, container: &Container) -> Result<()> {
        match self {
            Self::Restart => container.restart().await?,
            Self::KillAndStart => {
                container.kill("KILL").await?;
                container.wait_exit(secs(10)).await?;
                container.start().await?;
            }
            Self::StopAndStart => {
                container.stop().await?;
                container.start().await?;
            }
        }
        container.ready().await?;
        Ok(())
    }
}
