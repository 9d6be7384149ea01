//! `register`, `start-ready` and `gateway`: a profile made, its gateway started, and what it then needs.
//!
//! In a running container, as `hermes`, with `/run` on a tmpfs. The time is taken inside, so the exec does not count.

use anyhow::Result;
use hermes_harness::Container;

use super::Bed;
use super::memory::{CAPABILITY, Memory};
use super::profiles::milliseconds;
use super::table::Row;

const REGISTER_TARGET_MS: f64 = 30.0;
const START_TARGET_MS: f64 = 100.0;
const GATEWAY_TARGET_MIB: f64 = 8.0;

const REGISTER: &str = r#"before=$(date +%s%N); hermes profile create "$1" >/dev/null || exit 1
after=$(date +%s%N); /command/s6-svok "/run/service/gateway-$1" || exit 1
echo $((after - before))"#;

const START: &str = r#"before=$(date +%s%N); hermes -p "$1" gateway start >/dev/null || exit 1
after=$(date +%s%N); hermes -p "$1" gateway stop >/dev/null || exit 1
echo $((after - before))"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let container = Container::builder()
        .docker(&bed.docker)
        .image(&bed.image)
        .tmpfs("/run", "exec")
        .cap_add(CAPABILITY)
        .start_ready()
        .await?;
    let (mut registered, mut started) = (Vec::new(), Vec::new());
    let (mut resident, mut share) = (Vec::new(), Vec::new());
    // The first round warms up and is not counted.
    for round in 0..=bed.pairs {
        let name = format!("p{round}");
        let register = milliseconds(&container, &["sh", "-c", REGISTER, "sh", &name]).await?;
        let start = milliseconds(&container, &["sh", "-c", START, "sh", &name]).await?;
        container.exec(["hermes", "-p", &name, "gateway", "start"]).await?.success();
        let memory = Memory::of_slot(&container, &format!("gateway-{name}")).await?;
        container.exec(["hermes", "-p", &name, "gateway", "stop"]).await?.success();
        if round > 0 {
            registered.push(register);
            started.push(start);
            resident.push(memory.resident);
            share.push(memory.proportional);
        }
    }
    container.remove().await?;
    Ok(vec![
        Row::fixed(
            "register",
            "`profile create`, to a supervised slot",
            "ms",
            registered,
            REGISTER_TARGET_MS,
        ),
        Row::fixed("start-ready", "`gateway start`, to ready", "ms", started, START_TARGET_MS),
        Row::fixed("gateway", "an idle gateway, resident", "MiB", resident, GATEWAY_TARGET_MIB),
        Row::fixed("gateway", "the same, PSS", "MiB", share, GATEWAY_TARGET_MIB),
    ])
}
