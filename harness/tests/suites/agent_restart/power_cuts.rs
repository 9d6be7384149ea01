//! Power cuts at random moments: the container goes without a word, and a new one has its volume.

use std::time::Duration;

use anyhow::{Context as _, Result};
use hermes_harness::docker_test;
use serde_json::json;

use super::agent::{Agent, Cut, KEY, said, turn};
use super::conversation::{Asked, check, stored};
use super::random::{Moments, seed};

const CUTS: usize = 6;

#[docker_test]
async fn random_power_cuts_lose_no_message() -> Result<()> {
    let seed = seed();
    cut_power(seed).await.with_context(|| format!("to repeat it: HERMES_SEED={seed}"))
}

async fn cut_power(seed: u64) -> Result<()> {
    let mut agent = Agent::start().await?;
    let session = agent.new_session().await?;
    let mut moments = Moments::new(seed, Duration::from_millis(300));
    let mut asked = Vec::new();
    for number in 0..=CUTS {
        let (question, answer) = (format!("Question {number}?"), format!("This is the answer {number}."));
        agent.model.script(&json!([{"text": answer, "chunk_bytes": 3, "delay_ms": 20}]))?;
        let request = turn(KEY, &session, &question);
        let heard = if number < CUTS {
            let mut exchange = agent.send(&request).await?;
            exchange.read_for(moments.next()).await?;
            agent.cut(Cut::Power).await?;
            exchange.rest().await
        } else {
            Some(agent.ask(&request).await?)
        };
        let is_answered = said(heard.as_ref())?.is_some();
        asked.push(Asked { question, answer, is_answered });
    }
    let stored = stored(&agent.container, "default", &session).await?;
    check(&asked, &stored, &agent.model.requests())
}
