//! `deploy/compose.nas.yaml`: a folder of the host, and an account of the host for it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hermes_harness::docker_test;

use super::compose::Project;
use super::{From, check_dashboard_login, check_secret, wait_until_gateway_runs};
use crate::support::driving::only_gateway;

/// Returns the facts that the set-up of the volume must not change: owner, mode, and time of the last change.
fn facts(path: &Path) -> Result<(u32, u32, u32, i64, i64)> {
    let facts = metadata(path)?;
    Ok((facts.uid(), facts.gid(), facts.mode(), facts.ctime(), facts.ctime_nsec()))
}

fn metadata(path: &Path) -> Result<Metadata> {
    std::fs::symlink_metadata(path).with_context(|| format!("failed to look at {}", path.display()))
}

#[docker_test]
async fn nas_agents_and_files_belong_to_puid_and_pgid() -> Result<()> {
    let shared = tempfile::tempdir()?;
    let data = shared.path().join("data");
    let (foreign, foreign_file) = (data.join("photos"), data.join("photos/holiday.jpg"));
    std::fs::create_dir_all(&foreign)?;
    std::fs::write(&foreign_file, "not an agent's")?;
    let before = (facts(&foreign)?, facts(&foreign_file)?);
    // The test's own account, so that it can remove the files. Root uses the account of Unraid's users.
    let ours = metadata(&foreign)?;
    let account = if ours.uid() == 0 { (99, 100) } else { (ours.uid(), ours.gid()) };

    let variables = [
        ("PUID", account.0.to_string()),
        ("PGID", account.1.to_string()),
        ("HERMES_DATA", data.display().to_string()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let project = Project::up("compose.nas.yaml", &variables).await?;
    let container = project.container().await?;
    wait_until_gateway_runs(&container).await?;

    let gateway = only_gateway(&container).await?;
    ensure!(gateway.uid == account.0, "not {account:?}: {gateway:?}");
    for name in
        [".", "config.yaml", ".env", "sessions", "gateway_state.json", "logs/gateways/default/current"]
    {
        let found = metadata(&data.join(name))?;
        let owner = (found.uid(), found.gid());
        // The engine created the directory: it belongs to root, and the group may write.
        let account = if name == "." { (0, account.1) } else { account };
        ensure!(
            owner == account,
            "{name} belongs to {owner:?}, expected {account:?}:\n{}",
            container.log().await?
        );
    }
    let after = (facts(&foreign)?, facts(&foreign_file)?);
    ensure!(after == before, "what is not an agent's was touched: {before:?}, now {after:?}");

    check_secret(&container).await?;
    check_dashboard_login(&container, From::Outside).await?;

    project.compose(&["down", "-v"]).await?;
    let left = project.left().await?;
    ensure!(left.is_empty(), "left by down -v: {left:?}");
    ensure!(data.join("config.yaml").exists(), "the folder of the NAS went with the container");
    Ok(())
}
