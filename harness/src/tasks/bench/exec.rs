//! `exec`: a command run in a container through the harness, against the `docker` program's way.
//!
//! This is the one place where the `docker` program is started: it is what is compared with.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use hermes_harness::Container;
use tokio::process::Command;

use super::Bed;
use super::pairs::in_turn;
use super::table::Row;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let container = Container::builder().docker(&bed.docker).image(&bed.image).start_ready().await?;
    if with_the_program(container.name()).await.is_err() {
        bed.progress.line("exec: left out, there is no `docker` program to compare with");
        return Ok(Vec::new());
    }
    let subject = async || {
        let started = Instant::now();
        container.exec(["true"]).await?.success();
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    let (measured, reference) =
        in_turn(bed.pairs, subject, async || with_the_program(container.name()).await).await?;
    container.remove().await?;
    Ok(vec![Row {
        name: "exec",
        what: "run `true` in a running container".into(),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: "`docker exec`".into(),
        target: reference.median,
    }])
}

async fn with_the_program(container: &str) -> Result<f64> {
    let started = Instant::now();
    let status = Command::new("docker")
        .args(["exec", "--user", "hermes", container, "true"])
        .stdin(Stdio::null())
        .status()
        .await
        .context("failed to start docker")?;
    ensure!(status.success(), "docker exec ended with {status}");
    Ok(started.elapsed().as_secs_f64() * 1e3)
}
