//! The record of a boot's phases and their times: `/run/s6/boot.json` and `hermes boot`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, boot_of, docker_test};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};

use super::sample_image::planted;
use crate::support::own_services::OwnServices;

#[docker_test]
async fn the_boot_record_has_the_time_of_each_phase() -> Result<()> {
    let container = planted()
        .init_script("60-takes-300-ms", "#!/bin/sh\nsleep 0.3\n")
        .init_script("70-fails", "#!/bin/sh\nexit 7\n")
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    let boot = boot_of(&container).await?;
    let phases: BTreeMap<&str, _> = boot.phases.iter().map(|phase| (phase.name.as_str(), phase)).collect();
    let phase = |name: &str| {
        phases.get(name).copied().with_context(|| format!("no phase {name:?}: {:?}", phases.keys()))
    };
    for (name, code) in [("50-own", 0), ("60-takes-300-ms", 0), ("70-fails", 7)] {
        let script = phase(&format!("cont-init.d/{name}"))?;
        ensure!(script.exit_code == Some(code), "{script:?}");
        ensure!(script.parent.is_some(), "{script:?} is part of a phase");
    }
    let slow = phase("cont-init.d/60-takes-300-ms")?;
    ensure!((300_000..5_000_000).contains(&slow.duration_us), "{slow:?}");
    ensure!(slow.start_us >= phase("cont-init.d/50-own")?.start_us, "{slow:?}");
    for name in ["service database", "service migrate", "service web", "service report"] {
        phase(name)?;
    }
    // The service database is ready half a second after its start.
    let database = phase("service database")?;
    ensure!(database.duration_us >= 500_000, "{database:?}");
    let top: Vec<_> = boot.phases.iter().filter(|phase| phase.parent.is_none()).collect();
    ensure!(top.iter().any(|phase| phase.name == "prepare"), "{top:?}");
    for phase in &boot.phases {
        let end = phase.start_us + phase.duration_us;
        ensure!(end <= boot.duration_us, "{phase:?} ends after the boot's {} µs", boot.duration_us);
    }
    let sum: u64 = top.iter().map(|phase| phase.duration_us).sum();
    ensure!(
        sum <= boot.duration_us && sum * 2 > boot.duration_us,
        "the phases do not make up the boot: {boot:?}"
    );
    Ok(())
}

#[docker_test]
async fn hermes_boot_shows_the_record_in_three_formats() -> Result<()> {
    let builder = Container::builder()
        .init_script("10-<odd> & \"name\"", "#!/bin/sh\nexit 7\n")
        .init_script("20-fine", "#!/bin/sh\nsleep 0.2\n");
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    let table = container.exec(["hermes", "boot"]).await?.success();
    let fine = table.stdout().lines().find(|line| line.contains("20-fine")).map(str::to_owned);
    let fine = fine.with_context(|| table.report("a line for 20-fine"))?;
    ensure!(fine.contains('█') && fine.contains(" ms"), "{}", table.report("a bar and a time for 20-fine"));
    table.stdout_matches(contains("10-<odd> & \"name\"").and(contains("exited 7")));

    let record = container.read_file("/run/s6/boot.json").await?;
    let json = container.exec(["hermes", "boot", "--json"]).await?.success();
    let parsed: serde_json::Value = serde_json::from_slice(&record)?;
    ensure!(
        parsed == serde_json::from_slice::<serde_json::Value>(json.stdout_bytes())?,
        "{}",
        json.report("the record")
    );
    ensure!(parsed["version"] == 1 && parsed["unprivileged"] == false, "{parsed}");

    container.exec(["hermes", "boot", "--svg", "/opt/data/boot.svg"]).await?.success();
    let picture = container.exec(["cat", "/opt/data/boot.svg"]).await?.success();
    picture.stdout_matches(starts_with("<svg ").and(contains("</svg>")).and(contains("20-fine")));
    picture.stdout_matches(contains("10-&lt;odd&gt; &amp; ").and(contains("<odd>").not()));
    let refused = container.exec(["hermes", "boot", "--svg", "/etc/boot.svg"]).await?.code(73);
    refused.stderr_matches(starts_with("error:").and(contains("/etc/boot.svg")));
    Ok(())
}
