//! `GET /api/facts`: facts about the dashboard and the container.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use hermes_operations::{Report, Supervisor};
use hermes_os::sandbox_level::Level;
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;
use crate::site::Site;

/// The dashboard's own facts and the container's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// The version of hermes.
    pub(crate) version: String,
    /// The git revision of the image, if it was built with one.
    pub(crate) revision: Option<String>,
    /// The time since the start of the dashboard.
    pub(crate) dashboard_seconds: u64,
    /// The time since the start of the container; absent outside a container of the image.
    pub(crate) container_seconds: Option<u64>,
    /// The supervisor of the gateways.
    pub(crate) supervisor: Supervisor,
    /// The parts of the sandbox of tools that the kernel has, as `landlock 7 + seccomp`.
    pub(crate) sandbox: String,
    /// `true` if the kernel has all parts of the sandbox.
    pub(crate) sandbox_is_full: bool,
    /// The path of the volume.
    pub(crate) home: String,
    /// The size of the volume, in bytes.
    pub(crate) volume_bytes: Option<u64>,
    /// The free space for the account, in bytes.
    pub(crate) volume_free_bytes: Option<u64>,
    /// The resident memory of the dashboard's process, in bytes.
    pub(crate) dashboard_memory_bytes: Option<u64>,
}

/// Shows facts of the dashboard and of the container.
#[utoipa::path(get, operation_id = "facts", path = "/api/facts", tag = "container", responses((status = 200, body = Facts)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Result<Json<Facts>, Refusal> {
    Ok(Json(gather(&site).await?))
}

pub(crate) async fn gather(site: &Arc<Site>) -> Result<Facts, Report> {
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
            sandbox: Level::probe().to_string(),
            sandbox_is_full: Level::probe().is_full(),
            home: site.home.root().display().to_string(),
            volume_bytes: volume.map(|volume| bytes(volume.f_blocks, volume.f_frsize)),
            volume_free_bytes: volume.map(|volume| bytes(volume.f_bavail, volume.f_frsize)),
            dashboard_memory_bytes: crate::process_usage::Usage::of(std::process::id())
                .map(|usage| usage.memory_bytes),
        })
    })
    .await
}
