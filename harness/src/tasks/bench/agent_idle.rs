//! `agent-idle`: the memory of a gateway whose agent is loaded and whose database is open, after one request.
//!
//! Resident, and the share (PSS) of the tenth such gateway. No server of the Model Context Protocol is connected.

use anyhow::Result;
use hermes_harness::secs;
use serde_json::json;

use super::Bed;
use super::memory::Memory;
use super::served::Served;
use super::table::Row;

const RESIDENT_TARGET_MIB: f64 = 12.0;
const SHARE_TARGET_MIB: f64 = 3.0;

/// Makes profiles.
const CREATE: &str = r#"for name; do hermes profile create "$name" >/dev/null || exit; done"#;

/// Starts each gateway anew, and has it answer a request in a stored session.
const START_AND_ASK: &str = r#"body='{"messages": [{"role": "user", "content": "hi"}]}'
for name; do
  hermes -p "$name" gateway stop >/dev/null && hermes -p "$name" gateway start >/dev/null || exit
  key=$(hermes -p "$name" gateway key show) && status=$(hermes -p "$name" gateway status --json) || exit
  port=${status#*\"port\":}; exec 3<>"/dev/tcp/127.0.0.1/${port%%[!0-9]*}" || exit
  printf 'POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n' "$key" >&3
  printf 'X-Hermes-Session-Id: first\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body" >&3
  answer=$(cat <&3); [[ $answer == *' 200 OK'* ]] || { echo "$name: $answer" >&2; exit 1; }
done"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"text": "Yes."}))?;
    let asked = async |names: &[&str]| -> Result<()> {
        let command = [&["bash", "-c", START_AND_ASK, "bash"], names].concat();
        served.container.exec(command).deadline(secs(120)).await?.success();
        Ok(())
    };
    let (mut resident, mut share) = (Vec::new(), Vec::new());
    // The first round warms up and is not counted.
    for round in 0..=bed.pairs {
        asked(&["default"]).await?;
        let memory = Memory::of_slot(&served.container, "gateway-default").await?;
        if round > 0 {
            resident.push(memory.resident);
        }
    }
    // The default profile's gateway is the first of the ten.
    let others = ["p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10"];
    let command = [&["sh", "-c", CREATE, "sh"], &others[..]].concat();
    served.container.exec(command).deadline(secs(120)).await?.success();
    asked(&others).await?;
    for _ in 0..bed.pairs {
        asked(&["p10"]).await?;
        share.push(Memory::of_slot(&served.container, "gateway-p10").await?.proportional);
    }
    served.container.remove().await?;
    Ok(vec![
        Row::fixed("agent-idle", "a gateway after a request, resident", "MiB", resident, RESIDENT_TARGET_MIB),
        Row::fixed("agent-idle", "the tenth of them, PSS", "MiB", share, SHARE_TARGET_MIB),
    ])
}
