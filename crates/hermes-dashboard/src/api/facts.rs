//! `GET /api/facts`: the dashboard's own and the container's.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::agents::{Failure, Supervisor};
use crate::refusal::Refusal;
use crate::site::Site;

/// The dashboard's own facts and the container's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// Of hermes.
    pub(crate) version: String,
    /// The git revision of the image, where it was built with one.
    pub(crate) revision: Option<String>,
    /// For how long the dashboard has run.
    pub(crate) dashboard_seconds: u64,
    /// For how long the container has run; nothing where this is no container of the image.
    pub(crate) container_seconds: Option<u64>,
    /// Who runs gateways here.
    pub(crate) supervisor: Supervisor,
    /// Where everything is kept.
    pub(crate) home: String,
    /// The size of the volume, in bytes.
    pub(crate) volume_bytes: Option<u64>,
    /// What is free on it for the account, in bytes.
    pub(crate) volume_free_bytes: Option<u64>,
    /// What the dashboard's process uses, in bytes of resident memory.
    pub(crate) dashboard_memory_bytes: Option<u64>,
}

/// Shows facts of the dashboard and of the container.
#[utoipa::path(get, operation_id = "facts", path = "/api/facts", tag = "container", responses((status = 200, body = Facts)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Facts>, Refusal> {
    Ok(Json(gather(&site).await?))
}

pub(crate) async fn gather(site: &Arc<Site>) -> Result<Facts, Failure> {
    site.blocking(|site| {
        let volume = rustix::fs::statvfs(site.home.root());
        let volume = volume.as_ref().ok();
        let bytes = |blocks: u64, size: u64| blocks.saturating_mul(size);
        Ok(Facts {
            version: site.version.clone(),
            revision: site.revision.clone(),
            dashboard_seconds: site.started.elapsed().as_secs(),
            container_seconds: crate::boots::container_started()
                .and_then(|started| SystemTime::now().duration_since(started).ok())
                .map(|up| up.as_secs()),
            supervisor: site.operations.supervisor(),
            home: site.home.root().display().to_string(),
            volume_bytes: volume.map(|volume| bytes(volume.f_blocks, volume.f_frsize)),
            volume_free_bytes: volume.map(|volume| bytes(volume.f_bavail, volume.f_frsize)),
            dashboard_memory_bytes: crate::process_usage::Usage::of(std::process::id())
                .map(|usage| usage.memory_bytes),
        })
    })
    .await
}
