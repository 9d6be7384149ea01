//! The actions on a conversation: send, stop, answer, take back.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::StreamExt as _;
use hermes_operations::{Report, ReportKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::documents::{List, RunDocument};
use crate::gateway_client::{GatewayClient, segment};

/// The longest wait for the message that goes into a running turn.
const STEER_TIME: Duration = Duration::from_secs(5);
/// The longest tail of a stream that is searched for the next event, in bytes.
const TAIL_MAX: usize = 64 * 1024;

/// The result of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Sent {
    /// The session.
    pub(crate) session: String,
    /// The run that answers. Without one, the message went into the running turn, or answered its question.
    pub(crate) run: Option<String>,
}

#[derive(Deserialize)]
struct Begun {
    run_id: String,
    session_id: String,
}

/// Sends a message to a session, or begins one. `pictures` are data URLs.
///
/// # Errors
/// The message is empty, the gateway is down, or it refuses the message.
pub(crate) async fn say(
    client: &GatewayClient,
    session: Option<&str>,
    text: &str,
    pictures: &[String],
) -> Result<Sent, Report> {
    // A form sends line ends as CR LF (HTML Living Standard, 4.10.21.4).
    let text = text.replace("\r\n", "\n");
    if text.trim().is_empty() && pictures.is_empty() {
        return Err(Report::new(ReportKind::Invalid, "The message is empty").hint("write a message"));
    }
    let mut parts = Vec::new();
    if !text.trim().is_empty() {
        parts.push(json!({ "type": "text", "text": text }));
    }
    parts.extend(pictures.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } })));
    send_parts(client, session, parts).await
}

async fn send_parts(
    client: &GatewayClient,
    session: Option<&str>,
    parts: Vec<Value>,
) -> Result<Sent, Report> {
    let mut run = json!({ "input": [{ "role": "user", "content": parts.clone() }] });
    if let Some(session) = session {
        run["session_id"] = segment(session)?.into();
    }
    if let Some(session) = session
        && newest_run(client, session).await?.is_some()
    {
        return steer(client, session, parts).await;
    }
    match client.json::<Begun>(Method::POST, "/v1/runs", Some(&run)).await {
        Ok(begun) => Ok(Sent { session: begun.session_id, run: Some(begun.run_id) }),
        // A turn without a run may have begun meanwhile.
        Err(failure) if failure.kind == ReportKind::Conflict => match session {
            Some(session) => steer(client, session, parts).await,
            None => Err(failure),
        },
        Err(failure) => Err(failure),
    }
}

/// Sends a message into the running turn.
async fn steer(client: &GatewayClient, session: &str, parts: Vec<Value>) -> Result<Sent, Report> {
    let path = format!("/api/sessions/{}/chat", segment(session)?);
    let client = client.clone();
    // The turn may have ended meanwhile. Then the message begins another one, which must not end with this request.
    let sending = tokio::spawn(async move {
        let response = client.send(Method::POST, &path, Some(&json!({ "message": parts }))).await?;
        let mut pieces = Body::new(response.into_body()).into_data_stream();
        while let Some(Ok(_)) = pieces.next().await {}
        Ok::<_, Report>(())
    });
    if let Ok(Ok(sent)) = timeout(STEER_TIME, sending).await {
        sent?;
    }
    Ok(Sent { session: session.to_owned(), run: None })
}

/// Returns the run of a session that goes on.
async fn newest_run(client: &GatewayClient, session: &str) -> Result<Option<String>, Report> {
    let path = format!("/v1/runs?session_id={}", segment(session)?);
    let runs: List<RunDocument> = client.json(Method::GET, &path, None).await?;
    Ok(runs.data.into_iter().find(|run| run.status == "running").map(|run| run.run_id))
}

/// Stops the run of a session.
///
/// # Errors
/// No run of this gateway goes on, or the gateway refuses.
pub(crate) async fn stop(client: &GatewayClient, session: &str) -> Result<(), Report> {
    let run = newest_run(client, session).await?.ok_or_else(|| {
        Report::new(ReportKind::Conflict, "There is nothing to stop")
            .hint("a turn that another program began ends there")
    })?;
    client.json::<Value>(Method::POST, &format!("/v1/runs/{}/stop", segment(&run)?), None).await.map(drop)
}

/// Answers the question about a call of a tool.
///
/// # Errors
/// The question does not wait any more, or the gateway refuses.
pub(crate) async fn answer_approval(client: &GatewayClient, id: &str, choice: &str) -> Result<(), Report> {
    let path = format!("/api/approvals/{}", segment(id)?);
    client.json::<Value>(Method::POST, &path, Some(&json!({ "choice": choice }))).await.map(drop)
}

/// Takes back the last turn. Returns the parts of the message that began it.
async fn undo(client: &GatewayClient, session: &str) -> Result<Vec<Value>, Report> {
    let path = format!("/api/sessions/{}/undo", segment(session)?);
    let taken: Value = client.json(Method::POST, &path, None).await?;
    let part = |block: &Value| match block["type"].as_str()? {
        "text" => Some(json!({ "type": "text", "text": block["text"] })),
        "image" => {
            let url = format!("data:{};base64,{}", block["media_type"].as_str()?, block["data"].as_str()?);
            Some(json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        _ => None,
    };
    Ok(taken["blocks"].as_array().into_iter().flatten().filter_map(part).collect())
}

/// Takes back the last turn. Returns the text of the message that began it.
///
/// # Errors
/// There is no turn, one runs, or the gateway refuses.
pub(crate) async fn take_back(client: &GatewayClient, session: &str) -> Result<String, Report> {
    let parts = undo(client, session).await?;
    Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect())
}

/// Takes back the last turn, and sends its message again.
///
/// # Errors
/// There is no turn, one runs, or the gateway refuses.
pub(crate) async fn retry(client: &GatewayClient, session: &str) -> Result<Sent, Report> {
    let parts = undo(client, session).await?;
    send_parts(client, Some(session), parts).await
}

/// Waits until a run ends or waits for the person, for `time` at most.
pub(crate) async fn wait_for_pause(client: &GatewayClient, run: &str, time: Duration) {
    const PAUSES: [&str; 4] = ["run.completed", "run.failed", "approval.requested", "question.asked"];
    let waiting = async {
        let path = format!("/v1/runs/{}/events", segment(run)?);
        let response = client.send(Method::GET, &path, None).await?;
        let mut pieces = Body::new(response.into_body()).into_data_stream();
        let mut tail = String::new();
        while let Some(Ok(piece)) = pieces.next().await {
            tail.push_str(&String::from_utf8_lossy(&piece));
            // The name of an event is alone on its line. Data is JSON on one line, so it holds no such line.
            let is_pause =
                |line: &str| line.strip_prefix("event: ").is_some_and(|name| PAUSES.contains(&name));
            if tail.lines().any(is_pause) {
                break;
            }
            let rest = tail.rfind('\n').map_or(0, |end| end + 1);
            tail.drain(..rest);
            if tail.len() > TAIL_MAX {
                tail.clear();
            }
        }
        Ok::<_, Report>(())
    };
    // The page shows the state that the run has then.
    let _ = timeout(time, waiting).await;
}
