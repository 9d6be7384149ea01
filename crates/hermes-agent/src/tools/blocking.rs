//! Runs the work of a tool that waits for the disk. It takes milliseconds, and ends even if the call is dropped.

use super::ToolOutput;

/// Runs `work` on a thread for blocking work.
pub(crate) async fn run(work: impl FnOnce() -> ToolOutput + Send + 'static) -> ToolOutput {
    match tokio::task::spawn_blocking(work).await {
        Ok(output) => output,
        Err(error) => ToolOutput::failed(format!("failed to run the tool: {error}")),
    }
}
