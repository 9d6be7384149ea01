//! `dashboard`: from its start to the bound port, what it needs, and how long its overview takes with many profiles.
//!
//! In a running container with `/run` on a tmpfs. Times are taken inside, so no exec counts.

use anyhow::{Context as _, Result};
use hermes_harness::probe::slot_ready;
use hermes_harness::{Container, Volume, secs};

use super::Bed;
use super::profiles::{milliseconds, plant};
use super::table::Row;

const PROFILES: usize = 1_000;
const START_TARGET_MS: f64 = 60.0;
const RESIDENT_TARGET_MIB: f64 = 12.0;
const OVERVIEW_TARGET_MS: f64 = 50.0;

const START: &str = r#"/command/s6-svc -wD -T 10000 -d /run/service/dashboard || exit 1
before=$(date +%s%N); /command/s6-svc -wU -T 10000 -u /run/service/dashboard || exit 1
after=$(date +%s%N); echo $((after - before))"#;

/// Prints KiB.
const RESIDENT: &str = r#"while read -r key value unit; do [ "$key" = VmRSS: ] && echo "$value"; done \
  <"/proc/$(/command/s6-svstat -o pid /run/service/dashboard)/status"; true"#;

/// Asks for the overview, whole; the program that reads it, two milliseconds or so, counts.
const OVERVIEW: &str = r#"exec 3<>/dev/tcp/127.0.0.1/9119 || exit 1
token=$(cat /opt/data/dashboard/token); before=${EPOCHREALTIME/./}
printf 'GET / HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n' "$token" >&3
cat <&3 >/tmp/answer; after=${EPOCHREALTIME/./}
read -r line </tmp/answer; [[ $line == *' 200 '* ]] && grep -q "/profiles/$1" /tmp/answer || exit 1
echo $(((after - before) * 1000))"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let volume = Volume::new().await?;
    let builder = || Container::builder().docker(&bed.docker).image(&bed.image).volume(&volume, "/opt/data");
    let serving = async || -> Result<Container> {
        let builder = builder().env("HERMES_DASHBOARD", "1").tmpfs("/run", "exec").cmd(["sleep", "infinity"]);
        let container = builder.start_ready().await?;
        container.wait_until("the dashboard is bound", slot_ready("dashboard"), secs(20)).await?;
        Ok(container)
    };
    let (mut started, mut resident, mut overview) = (Vec::new(), Vec::new(), Vec::new());
    let container = serving().await?;
    // The first round warms up and is not counted.
    for round in 0..=bed.pairs {
        let start = milliseconds(&container, &["sh", "-c", START]).await?;
        // With a page shown: nobody starts it for less.
        milliseconds(&container, &["bash", "-c", OVERVIEW, "bash", "default"]).await?;
        let printed = container.exec(["sh", "-c", RESIDENT]).await?.success();
        let kib: f64 = printed.stdout().trim().parse().context("no size was printed")?;
        if round > 0 {
            started.push(start);
            resident.push(kib / 1024.0);
        }
    }
    container.remove().await?;

    let planter = builder().init().entrypoint(["sleep", "infinity"]).start().await?;
    plant(&planter, PROFILES, 0).await?;
    planter.remove().await?;
    let container = serving().await?;
    let last = format!("p{PROFILES}");
    for round in 0..=bed.pairs {
        let took = milliseconds(&container, &["bash", "-c", OVERVIEW, "bash", &last]).await?;
        if round > 0 {
            overview.push(took);
        }
    }
    container.remove().await?;

    Ok(vec![
        Row::fixed("dashboard", "its start, to bound", "ms", started, START_TARGET_MS),
        Row::fixed("dashboard", "resident, after a page", "MiB", resident, RESIDENT_TARGET_MIB),
        Row::fixed(
            "dashboard",
            format!("its overview, with {PROFILES} profiles"),
            "ms",
            overview,
            OVERVIEW_TARGET_MS,
        ),
    ])
}
