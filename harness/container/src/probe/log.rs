//! Looks at the output of a container.

use crate::container::Container;
use crate::wait::{Look, Looked};

/// Probe: the container's log holds `text`, in this life of the container or an earlier one.
pub fn log_says(text: &str) -> impl AsyncFn(&Container) -> Looked<()> {
    let text = text.to_owned();
    async move |container: &Container| {
        let log = container.log().await?;
        Ok(Look::holds(log.contains(&text), || format!("no {text:?} in its log:\n{log}")))
    }
}
