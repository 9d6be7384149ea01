//! The refreshes of the board: for a page that is requested, after an action, and regularly while a page is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hermes_operations::Report;

use crate::board::Snapshot;
use crate::site::Site;

/// The shortest interval between two refreshes while a page is open.
const INTERVAL: Duration = Duration::from_secs(1);
/// After a refresh that took t, sleep at least `REST` × t.
const REST: u32 = 5;
/// A page may show a snapshot of this age.
const RECENT: Duration = Duration::from_millis(500);
/// With thousands of profiles, a page may show a snapshot whose age is this multiple of the time that its refresh took.
const RECENT_FACTOR: u32 = 10;

/// Returns a snapshot that is recent enough for a page.
///
/// # Errors
/// The first refresh failed.
pub(crate) async fn recent(site: &Arc<Site>) -> Result<Arc<Snapshot>, Report> {
    let snapshot = site.board.latest();
    let max_age = RECENT.max(snapshot.took * RECENT_FACTOR);
    if snapshot.failure.is_none() && snapshot.refreshed.is_some_and(|at| at.elapsed() < max_age) {
        return Ok(snapshot);
    }
    refresh(site).await;
    let snapshot = site.board.latest();
    match &snapshot.failure {
        Some(failure) if snapshot.refreshed.is_none() => Err(failure.clone()),
        _ => Ok(snapshot),
    }
}

/// Refreshes the board while a page is open, for as long as the dashboard runs.
pub(crate) async fn run(site: Arc<Site>) {
    loop {
        site.board.wait_for_watcher().await;
        let began = Instant::now();
        refresh(&site).await;
        let rest = INTERVAL.max(began.elapsed() * REST);
        // An action ends the rest.
        let _ = tokio::time::timeout(rest, site.board.woken()).await;
    }
}

/// Refreshes the board now. Call it after an action, so the next page shows the result.
pub(crate) async fn refresh(site: &Arc<Site>) {
    let _refreshing = site.board.refreshing.lock().await;
    let owned_site = Arc::clone(site);
    let snapshot = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let gateways = owned_site.operations.gateways()?;
        let mut next = owned_site.board.next_snapshot(gateways, &owned_site.base());
        next.took = began.elapsed();
        Ok(next)
    });
    let next = match snapshot.await {
        Ok(Ok(next)) => next,
        Ok(Err(failure)) => site.board.latest().failed(failure),
        Err(_) => return,
    };
    site.board.publish(next);
}
