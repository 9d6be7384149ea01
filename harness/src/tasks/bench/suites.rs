//! `suites`: all suites, the image built and everything compiled.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::Bed;
use super::table::Row;

const TARGET_S: f64 = 90.0;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    // Asked once: where cargo replaces the file, the next answer would be that it is gone.
    let program = std::env::current_exe().context("failed to find the program that runs")?;
    // The list compiles what is not compiled yet.
    docker_test(bed, &program, &["--list"]).await?;
    let started = Instant::now();
    let success = docker_test(bed, &program, &[]).await?;
    let took = started.elapsed().as_secs_f64();
    if !success {
        bed.progress.line("suites: some failed, so the time says little");
    }
    Ok(vec![Row::fixed("suites", "docker-test, all suites", "s", vec![took], TARGET_S)])
}

async fn docker_test(bed: &Bed, program: &Path, arguments: &[&str]) -> Result<bool> {
    let status = Command::new(program)
        .args(["docker-test", "--image", &bed.image])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .context("failed to start docker-test")?;
    Ok(status.success())
}
