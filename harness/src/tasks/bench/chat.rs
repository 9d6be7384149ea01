//! `chat`: `hermes chat -q x` against a server that answers at once, to the end of the process. The session is stored.
//!
//! Both commands run in the same loop of a shell in the container. The image has no `curl`. So the reference is a `bash`
//! that sends the same request over `/dev/tcp` and reads the answer to its end.

use anyhow::Result;
use serde_json::json;

use super::Bed;
use super::cli::one_run;
use super::pairs::in_turn;
use super::served::Served;
use super::table::Row;

const ALLOWED_MS: f64 = 10.0;
/// The runs of one figure.
const RUNS: u32 = 20;

/// Asks the server in `$OPENAI_BASE_URL`.
const ASK: &str = r#"address=${OPENAI_BASE_URL#http://}; address=${address%/v1}
body='{"model": "stand-in", "stream": true, "messages": [{"role": "user", "content": "x"}]}'
exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit
printf 'POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' "${#body}" "$body" >&3
while read -r line <&3; do :; done"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let served = Served::start(bed).await?;
    served.answer(json!({"text": "Yes."}))?;
    let container = &served.container;
    let (measured, reference) = in_turn(
        bed.pairs,
        async || one_run(container, RUNS, &["hermes", "chat", "-q", "x"]).await,
        async || one_run(container, RUNS, &["bash", "-c", ASK]).await,
    )
    .await?;
    served.container.remove().await?;
    Ok(vec![Row {
        name: "chat",
        what: "`hermes chat -q x` (reference: `bash` asks the server)".into(),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}
