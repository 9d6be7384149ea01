//! Profiles to measure with, and how long a script in a container takes.

use anyhow::{Context as _, Result};
use hermes_harness::{Container, secs};

/// Makes profiles `p1` … `pN` below `$HERMES_HOME`; the first `$2` of them were running.
const PLANT: &str = r#"mkdir -p "$HERMES_HOME/profiles"; i=0
while [ "$i" -lt "$1" ]; do
  i=$((i+1)); profile="$HERMES_HOME/profiles/p$i"; mkdir "$profile"
  echo 'You are.' >"$profile/SOUL.md"; echo 'version: 1' >"$profile/config.yaml"
  state=stopped; if [ "$i" -le "$2" ]; then state=running; fi
  echo "{\"desired_state\":\"$state\",\"gateway_state\":\"$state\",\"pid\":4711,\"start_time\":314731,\"kind\":\"hermes-gateway\",\"argv\":[\"/opt/hermes/bin/hermes\",\"-p\",\"p$i\",\"gateway\",\"run\"],\"updated_at\":\"2026-11-24T12:06:16.368495Z\"}" >"$profile/gateway_state.json"
done"#;

/// Makes so many profiles, of which the first were running. They have no ports.
pub(super) async fn plant(container: &Container, profiles: usize, running: usize) -> Result<()> {
    let (profiles, running) = (profiles.to_string(), running.to_string());
    container.exec(["sh", "-c", PLANT, "sh", &profiles, &running]).deadline(secs(300)).await?.success();
    Ok(())
}

/// Runs a script that prints nanoseconds; gives milliseconds.
pub(super) async fn milliseconds(container: &Container, script: &[&str]) -> Result<f64> {
    let printed = container.exec(script.iter().copied()).deadline(secs(300)).await?.success();
    let nanoseconds: f64 = printed.stdout().trim().parse().context("no time was printed")?;
    Ok(nanoseconds / 1e6)
}
