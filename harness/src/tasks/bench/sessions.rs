//! `sessions`: full text search in 10,000 sessions of 100 messages, and opening the last session.
//!
//! The gateway makes the database: a thousand sessions from requests with a history, and nine copies of each. The oldest
//! session has six frequent words in one message. No other message has all of them, so their search reads the whole index.
//! The commands run in a loop of a shell in the container. Their start counts.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{Container, secs};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Bed;
use super::cli::one_run;
use super::client::Client;
use super::served::Served;
use super::table::Row;
use super::text::Words;

const SEARCH_TARGET_MS: f64 = 50.0;
const OPEN_TARGET_MS: f64 = 20.0;
/// The sessions with texts of their own.
const SESSIONS: usize = 1_000;
/// The copies of each of them.
const COPIES: usize = 9;
/// The messages of a session. The answer of the model is the last one.
const MESSAGES: usize = 100;
/// The words of a message.
const WORDS: usize = 30;
/// The requests at one time.
const AT_ONE_TIME: usize = 4;
/// The runs of one figure.
const RUNS: u32 = 5;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"text": "An answer of the model."}))?;
    let mut words = Words::new();
    let planted = words.frequent(6).join(" ");
    fill(&served.gateway, &mut words, &planted).await?;
    let container = &served.container;
    let last = last_session(container).await?;

    let searches = [
        ("search for a word", words.rare()),
        ("search for six words of the oldest message", planted.clone()),
        ("search for the begin of a word", words.rare().chars().take(3).collect()),
    ];
    let mut rows = Vec::new();
    for (what, query) in searches {
        let found = container.exec(["hermes", "sessions", "search", "--json", &query]).await?.success();
        let hits: Vec<Value> = serde_json::from_str(&found.stdout()).context("no JSON was printed")?;
        ensure!(!hits.is_empty(), "no message holds {query:?}");
        ensure!(query != planted || hits.len() == 1, "{} messages hold the words of the oldest", hits.len());
        let figures = timed(bed, container, &["hermes", "sessions", "search", &query]).await?;
        rows.push(row(
            format!("{what} in {} messages", SESSIONS * (COPIES + 1) * MESSAGES),
            figures,
            SEARCH_TARGET_MS,
        ));
    }
    let figures = timed(bed, container, &["hermes", "sessions", "show", &last]).await?;
    rows.push(row(format!("open the last session, of {MESSAGES} messages"), figures, OPEN_TARGET_MS));
    served.container.remove().await?;
    Ok(rows)
}

fn row(what: String, figures: Vec<f64>, target: f64) -> Row {
    Row::fixed("sessions", what, "ms", figures, target)
}

/// Returns the milliseconds of a command in several loops. The first one warms up and is not counted.
async fn timed(bed: &Bed, container: &Container, command: &[&str]) -> Result<Vec<f64>> {
    let mut figures = Vec::new();
    for round in 0..=bed.pairs {
        let took = one_run(container, RUNS, command).await?;
        if round > 0 {
            figures.push(took);
        }
    }
    Ok(figures)
}

/// Makes all sessions.
async fn fill(gateway: &Client, words: &mut Words, planted: &str) -> Result<()> {
    ask(gateway.clone(), history(words, Some(planted)), "oldest".into()).await?;
    let mut requests = JoinSet::new();
    for number in 1..SESSIONS {
        if requests.len() == AT_ONE_TIME {
            joined(&mut requests).await?;
        }
        requests.spawn(ask(gateway.clone(), history(words, None), format!("s{number}")));
    }
    while !requests.is_empty() {
        joined(&mut requests).await?;
    }
    // Copies of one session lie far from each other, as messages about one thing do.
    for _ in 0..COPIES {
        for number in 1..SESSIONS {
            if requests.len() == AT_ONE_TIME {
                joined(&mut requests).await?;
            }
            requests.spawn(fork(gateway.clone(), format!("s{number}")));
        }
    }
    while !requests.is_empty() {
        joined(&mut requests).await?;
    }
    Ok(())
}

async fn joined(requests: &mut JoinSet<Result<()>>) -> Result<()> {
    requests.join_next().await.transpose().context("a request panicked")?.transpose()?;
    Ok(())
}

async fn ask(gateway: Client, messages: Value, session: String) -> Result<()> {
    gateway.stream(&messages, Some(&session)).await.map(drop)
}

async fn fork(gateway: Client, session: String) -> Result<()> {
    gateway.post(&format!("/api/sessions/{session}/fork"), &json!({})).await.map(drop)
}

/// Returns the messages of a session without the last one.
fn history(words: &mut Words, first: Option<&str>) -> Value {
    let message = |index: usize| {
        let role = if index.is_multiple_of(2) { "user" } else { "assistant" };
        let text = match first {
            Some(first) if index == 0 => first.to_owned(),
            _ => words.text(WORDS),
        };
        json!({"role": role, "content": text})
    };
    (0..MESSAGES - 1).map(message).collect()
}

async fn last_session(container: &Container) -> Result<String> {
    let listed =
        container.exec(["hermes", "sessions", "list", "--json", "-n", "1"]).deadline(secs(30)).await?;
    let sessions: Value = serde_json::from_str(&listed.success().stdout()).context("no JSON was printed")?;
    let id = sessions[0]["id"].as_str().context("no session has an ID")?;
    Ok(id.to_owned())
}
