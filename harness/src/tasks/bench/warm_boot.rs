//! `warm-boot`: from the container's start to its command, on a volume with 1,000 profiles, half of them to be started,
//! and 100,000 files in `workspace/`.

use anyhow::Result;
use hermes_harness::{Container, Volume, secs};

use super::Bed;
use super::profiles::plant;
use super::table::Row;
use super::to_command::until_its_command;

const PROFILES: usize = 1_000;
const TARGET_MS: f64 = 400.0;

const FILES: &str = r#"mkdir -p "$HERMES_HOME/workspace"; cd "$HERMES_HOME/workspace"
for folder in $(seq 100); do mkdir "$folder"; (cd "$folder" && seq 1000 | split -l 1 -a 3 -); done"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let volume = Volume::new().await?;
    let builder = || Container::builder().docker(&bed.docker).image(&bed.image).volume(&volume, "/opt/data");
    let planter = builder().init().entrypoint(["sleep", "infinity"]).start().await?;
    plant(&planter, PROFILES, PROFILES / 2).await?;
    planter.exec(["sh", "-c", FILES]).deadline(secs(300)).await?.success();
    planter.remove().await?;
    let mut figures = Vec::new();
    // Fewer than elsewhere: each brings 500 gateways up, and down again. The first warms up and is not counted.
    for run in 0..=3 {
        let took = until_its_command(builder().tmpfs("/run", "exec").stop_timeout(60), false).await?;
        if run > 0 {
            figures.push(took);
        }
    }
    Ok(vec![Row::fixed(
        "warm-boot",
        format!("to the command, with {PROFILES} profiles and 100,000 files"),
        "ms",
        figures,
        TARGET_MS,
    )])
}
