//! Waits until a started container is ready, as its layout says.

use std::time::Duration;

use super::Container;
use crate::error::{Error, Result};
use crate::product::Readiness;
use crate::wait::{Look, Looked, wait_until};

/// How long a container may take to get ready.
const DEADLINE: Duration = Duration::from_secs(60);

impl Container {
    /// Waits until the container is [ready](Readiness). Ends at once, with log and exit code, when it dies.
    pub async fn ready(&self) -> Result<()> {
        self.ready_within(DEADLINE).await
    }

    /// Does the same as [`ready`](Self::ready) with another deadline.
    pub async fn ready_within(&self, deadline: Duration) -> Result<()> {
        self.ready_when("readiness", async |container| container.look_for_readiness().await, deadline).await
    }

    async fn look_for_readiness(&self) -> Looked<()> {
        match self.layout().readiness {
            Readiness::Running => {
                let state = self.state().await?;
                Ok(Look::holds(state.running, || format!("{state:?}")))
            }
            Readiness::Probe(probe) => probe(self).await,
        }
    }

    /// Waits as [`ready`](Self::ready) does for a probe of the caller's own. The end of the container ends the wait,
    /// and a time-out shows the log.
    pub async fn ready_when<T>(
        &self,
        what: &str,
        probe: impl AsyncFn(&Container) -> Looked<T>,
        deadline: Duration,
    ) -> Result<T> {
        let look = async || match probe(self).await {
            // Between the stop and the start of a restart no command can run in the container. The other branch of
            // the wait sees a container that is gone for good.
            Err(error) if is_of_a_restart(&*error) => Ok(Look::NotYet(crate::error::chain(&*error))),
            look => look,
        };
        tokio::select! {
            biased;
            exit_code = self.ended() => Err(self.died(exit_code?, &format!("waiting for its {what}")).await),
            seen = wait_until(format!("{what} of {}", self.name()), look, deadline) => match seen {
                Err(Error::Deadline { waiting_for, after, last_seen }) => {
                    let last_seen = format!("{last_seen}\nits log:\n{}", self.log_end().await);
                    Err(Error::Deadline { waiting_for, after, last_seen })
                }
                other => other,
            },
        }
    }
}

fn is_of_a_restart(error: &(dyn std::error::Error + 'static)) -> bool {
    let status = error.downcast_ref::<Error>().and_then(Error::engine_status);
    matches!(status, Some(409 | 500))
}
