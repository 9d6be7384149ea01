//! `first-token`: from a request to the first text of its answer, through the gateway and directly.
//!
//! A figure is the median of several requests. The second row asks in a stored session: the gateway reads it for each call
//! of the model. Its reference sends the same messages.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Bed;
use super::client::Client;
use super::pairs::{Series, in_turn};
use super::served::{Served, question};
use super::table::Row;

const ALLOWED_MS: f64 = 5.0;
/// The requests of one figure.
const REQUESTS: usize = 10;
/// The messages of the stored session.
const MESSAGES: usize = 200;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"text": "This is an answer in several pieces."}))?;
    let hi = question("hi");
    let plain = in_turn(
        bed.pairs,
        async || median(async || delay(&served.gateway, &hi, None).await).await,
        async || median(async || delay(&served.direct, &hi, None).await).await,
    )
    .await?;

    // The answer of the model is the last of these messages.
    let history = conversation(MESSAGES - 1);
    served.gateway.stream(&history, Some("long")).await?;
    let longer = conversation(MESSAGES + 1);
    let in_session = in_turn(
        bed.pairs,
        async || median(async || in_a_copy(&served.gateway, "long", &hi).await).await,
        async || median(async || delay(&served.direct, &longer, None).await).await,
    )
    .await?;
    served.container.remove().await?;
    Ok(vec![
        row("to the first token of an answer".into(), plain),
        row(format!("the same, in a session of {MESSAGES} messages"), in_session),
    ])
}

fn row(what: String, (measured, reference): (Series, Series)) -> Row {
    Row {
        name: "first-token",
        what,
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("directly + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }
}

/// Returns the median of the figures of several requests.
async fn median(figure: impl AsyncFn() -> Result<f64>) -> Result<f64> {
    let mut figures = Vec::new();
    for _ in 0..REQUESTS {
        figures.push(figure().await?);
    }
    Ok(Series::of(figures).median)
}

/// Returns the milliseconds from a request to the first text of its answer.
async fn delay(client: &Client, messages: &Value, session: Option<&str>) -> Result<f64> {
    let pieces = client.stream(messages, session).await?;
    Ok(pieces.first().context("the answer has no text")?.after.as_secs_f64() * 1e3)
}

/// Does the same in a copy of a session, so that no session grows.
async fn in_a_copy(client: &Client, session: &str, messages: &Value) -> Result<f64> {
    let copy = client.post(&format!("/api/sessions/{session}/fork"), &json!({})).await?;
    delay(client, messages, Some(copy["id"].as_str().context("the copy has no ID")?)).await
}

/// Returns a conversation of so many messages. Its first and its last one are the user's if the number is odd.
fn conversation(messages: usize) -> Value {
    let text = "Each message of this conversation has a few words more than a word. ".repeat(4);
    let message = |index: usize| {
        let role = if index.is_multiple_of(2) { "user" } else { "assistant" };
        json!({"role": role, "content": format!("{index}: {text}")})
    };
    (0..messages).map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_conversation_ends_with_the_user() {
        let messages = conversation(3);
        assert_eq!(messages.as_array().map(Vec::len), Some(3));
        assert_eq!((&messages[0]["role"], &messages[2]["role"]), (&json!("user"), &json!("user")));
        assert_eq!(messages[1]["role"], "assistant");
    }
}
