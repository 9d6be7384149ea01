//! `dashboard`: from its start to the bound port, what it needs, and how long its overview takes with many profiles.
//!
//! In a running container with `/run` on a tmpfs. Times are taken inside, so no exec counts.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::slot_ready;
use hermes_harness::{Container, Volume, secs};
use serde_json::{Value, json};

use super::Bed;
use super::client::Client;
use super::pairs::Series;
use super::profiles::{milliseconds, plant};
use super::served::{Served, address_of};
use super::table::Row;

const PROFILES: usize = 1_000;
const START_TARGET_MS: f64 = 60.0;
const RESIDENT_TARGET_MIB: f64 = 12.0;
const OVERVIEW_TARGET_MS: f64 = 50.0;
const CONVERSATION_TARGET_MS: f64 = 50.0;
const MESSAGES: usize = 1_000;
const TOKEN_TARGET_MS: f64 = 20.0;
/// The tokens of an answer, and the time between two of them.
const TOKENS: usize = 200;
const PAUSE_MS: u64 = 5;
/// The port of the dashboard.
const PORT: u16 = 9119;

const START: &str = r#"/command/s6-svc -wD -T 10000 -d /run/service/dashboard || exit 1
before=$(date +%s%N); /command/s6-svc -wU -T 10000 -u /run/service/dashboard || exit 1
after=$(date +%s%N); echo $((after - before))"#;

/// Prints KiB.
const RESIDENT: &str = r#"while read -r key value unit; do [ "$key" = VmRSS: ] && echo "$value"; done \
  <"/proc/$(/command/s6-svstat -o pid /run/service/dashboard)/status"; true"#;

/// Asks for the page `$1`, whole, which holds the text `$2`. The program that reads it, two milliseconds or so, counts.
const PAGE: &str = r#"exec 3<>/dev/tcp/127.0.0.1/9119 || exit 1
token=$(cat /opt/data/dashboard/token); before=${EPOCHREALTIME/./}
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n' "$1" "$token" >&3
cat <&3 >/tmp/answer; after=${EPOCHREALTIME/./}
read -r line </tmp/answer; [[ $line == *' 200 '* ]] && grep -q "$2" /tmp/answer || exit 1
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
        milliseconds(&container, &["bash", "-c", PAGE, "bash", "/", "/profiles/default"]).await?;
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
    let last = format!("/profiles/p{PROFILES}");
    for round in 0..=bed.pairs {
        let took = milliseconds(&container, &["bash", "-c", PAGE, "bash", "/", &last]).await?;
        if round > 0 {
            overview.push(took);
        }
    }
    container.remove().await?;
    let (conversation, tokens) = conversation(bed).await?;

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
        Row::fixed(
            "dashboard",
            format!("a conversation of {MESSAGES} messages"),
            "ms",
            conversation,
            CONVERSATION_TARGET_MS,
        ),
        Row::fixed(
            "dashboard",
            "a token, from the model server to a reader of the page's stream".to_owned(),
            "ms",
            tokens,
            TOKEN_TARGET_MS,
        ),
    ])
}

/// Returns milliseconds: of the page of an agent whose session has many messages, and of tokens on their way.
async fn conversation(bed: &Bed) -> Result<(Vec<f64>, Vec<f64>)> {
    let served = Served::start_with(bed, |builder| builder.env("HERMES_DASHBOARD", "1")).await?;
    served.answer(json!({"text": "The last message."}))?;
    let role = |index: usize| if index.is_multiple_of(2) { "user" } else { "assistant" };
    let text = "A message with **Markdown**, `code` and a [link](https://example.org).";
    let message = |index| json!({"role": role(index), "content": format!("{index}: {text}")});
    let messages: Value = (0..MESSAGES - 1).map(message).collect();
    served.gateway.stream(&messages, Some("long")).await?;
    let container = &served.container;
    container.wait_until("the dashboard is bound", slot_ready("dashboard"), secs(20)).await?;
    let page = ["bash", "-c", PAGE, "bash", "/profiles/default?session=long", "The last message."];
    let mut figures = Vec::new();
    for round in 0..=bed.pairs {
        let took = milliseconds(container, &page).await?;
        if round > 0 {
            figures.push(took);
        }
    }
    served.answer(json!({"stamps": TOKENS, "delay_ms": PAUSE_MS}))?;
    let token = container.exec(["cat", "/opt/data/dashboard/token"]).await?.success().text();
    let dashboard = Client::new((address_of(container).await?, PORT).into(), Some(token));
    let mut delays = Vec::new();
    for _ in 0..bed.pairs {
        delays.push(median_delay(&dashboard).await?);
    }
    served.container.remove().await?;
    Ok((figures, delays))
}

/// Returns the median delay of the tokens of one answer, in milliseconds.
async fn median_delay(dashboard: &Client) -> Result<f64> {
    let sent = dashboard.post("/api/profiles/default/messages", &json!({"text": "hi"})).await?;
    let run = sent["run"].as_str().context("no run began")?;
    let pieces = dashboard.run_events(&format!("/api/profiles/default/runs/{run}/events")).await?;
    ensure!(pieces.len() > TOKENS / 2, "{} tokens came instead of {TOKENS}", pieces.len());
    let delays = pieces.iter().filter_map(|piece| {
        let sent: u64 = piece.text.parse().ok()?;
        Some(piece.at.saturating_sub(sent) as f64 / 1e6)
    });
    let delays: Vec<f64> = delays.collect();
    ensure!(delays.len() > TOKENS / 2, "{} tokens have a stamp", delays.len());
    Ok(Series::of(delays).median)
}
