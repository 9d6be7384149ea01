//! The waits of a driver for parts that may be absent.

use std::future::pending;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// Waits for a moment. Without one, it waits for ever.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => pending().await,
    }
}

/// Waits for the result of a part of the turn. Without one, it waits for ever.
pub(super) async fn result_of<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
