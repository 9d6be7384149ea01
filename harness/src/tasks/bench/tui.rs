//! `tui`: the first frame of the full screen, and a frame of a session with 10,000 messages.
//!
//! A terminal shows both, so the engine's way to it counts. The reference goes the same way: a shell that prints a line, and the
//! same key in a session with 100 messages.

use std::time::Instant;

use anyhow::{Result, ensure};
use hermes_harness::{Container, Terminal, secs};
use serde_json::{Value, json};

use super::Bed;
use super::pairs::in_turn;
use super::served::Served;
use super::table::Row;

const FIRST_FRAME_MS: f64 = 30.0;
const FRAME_MS: f64 = 5.0;
/// The messages of the two sessions.
const SESSIONS: [(&str, usize); 2] = [("many", 10_000), ("few", 100)];
/// The size of the terminal.
const SIZE: (u16, u16) = (100, 30);
/// The text on a screen that waits for a message.
const READY: &str = "F1 keys";

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"text": "The last message."}))?;
    for (session, count) in SESSIONS {
        let role = |index: usize| if index.is_multiple_of(2) { "user" } else { "assistant" };
        let message = |index| json!({"role": role(index), "content": format!("message {index}")});
        let messages: Value = (0..count - 1).map(message).collect();
        served.gateway.stream(&messages, Some(session)).await?;
    }
    let container = &served.container;
    let (measured, reference) = in_turn(
        bed.pairs,
        async || shown(container, &["hermes", "--tui"]).await,
        async || shown(container, &["sh", "-c", &format!("echo '{READY}'; read -r line")]).await,
    )
    .await?;
    let first = row("first frame (reference: a shell prints a line)", measured, reference, FIRST_FRAME_MS);
    let many = opened(container, SESSIONS[0].0).await?;
    let few = opened(container, SESSIONS[1].0).await?;
    let (many, few) = (tokio::sync::Mutex::new(many), tokio::sync::Mutex::new(few));
    let (measured, reference) = in_turn(
        bed.pairs,
        async || scrolled(&mut *many.lock().await).await,
        async || scrolled(&mut *few.lock().await).await,
    )
    .await?;
    let frame = row("a frame in 10,000 messages (reference: in 100)", measured, reference, FRAME_MS);
    served.container.remove().await?;
    Ok(vec![first, frame])
}

fn row(what: &str, measured: super::pairs::Series, reference: super::pairs::Series, allowed: f64) -> Row {
    Row {
        name: "tui",
        what: what.into(),
        unit: "ms",
        measured,
        rule: format!("reference + {allowed} ms"),
        target: reference.median + allowed,
        reference: Some(reference),
    }
}

async fn open(container: &Container, command: &[&str]) -> Result<Terminal> {
    let request = container.exec(command.iter().copied()).env("TERM", "xterm-256color");
    Ok(request.open_terminal(SIZE.0, SIZE.1).await?)
}

/// Returns the milliseconds until a program has shown its first text.
async fn shown(container: &Container, command: &[&str]) -> Result<f64> {
    let begin = Instant::now();
    let mut terminal = open(container, command).await?;
    terminal.wait_for(READY, secs(10)).await?;
    let took = begin.elapsed();
    // Both end with it: Ctrl+D on an empty line.
    terminal.control('d').await?;
    terminal.wait_exit(secs(10)).await?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Returns a screen with this session.
async fn opened(container: &Container, session: &str) -> Result<Terminal> {
    let mut terminal = open(container, &["hermes", "--tui"]).await?;
    terminal.wait_for(READY, secs(10)).await?;
    terminal.type_line(&format!("/resume {session}")).await?;
    terminal.wait_for("The last message.", secs(20)).await?;
    Ok(terminal)
}

/// Returns the milliseconds between a key and the frame that follows. The screen goes up and down in turn.
async fn scrolled(terminal: &mut Terminal) -> Result<f64> {
    const PAGES: [&str; 2] = ["\u{1b}[5~", "\u{1b}[6~"];
    let mut took = 0.0;
    for key in PAGES {
        let before = terminal.screen();
        let begin = Instant::now();
        terminal.type_text(key).await?;
        terminal.wait_screen("another frame", |screen| screen != before, secs(10)).await?;
        took += begin.elapsed().as_secs_f64() * 1e3;
    }
    ensure!(took > 0.0, "no time passed");
    Ok(took / 2.0)
}
