//! `tool`: a sandboxed `true` against a plain one. Both are executed by the same `bash`, so the difference is the cost of the sandbox.

use anyhow::Result;
use hermes_harness::Container;
use serde_json::json;

use super::Bed;
use super::cli::one_run;
use super::pairs::in_turn;
use super::table::Row;

const ALLOWED_MS: f64 = 5.0;
/// The runs of one figure.
const RUNS: u32 = 20;

/// Writes the request into the control channel, and runs it. The channel stays open: its end would end the call.
const SANDBOXED: &str =
    r#"exec 3<>/tmp/control; printf '%s\n' "$1" >&3; exec hermes container tool-run <&3 3>&- >/dev/null"#;

/// Writes and reads the same request, and executes the program.
const PLAIN: &str =
    r#"exec 3<>/tmp/control; printf '%s\n' "$1" >&3; read -r _ <&3; exec true 3>&- >/dev/null"#;

pub(super) async fn measure(bed: &Bed) -> Result<Vec<Row>> {
    let builder = Container::builder().docker(&bed.docker).image(&bed.image).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    container.exec(["mkfifo", "/tmp/control"]).await?.success();
    let system = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc"];
    let request = json!({
        "policy": {
            "readable": system, "writable": ["/opt/data/workspace"], "network": "off", "limits": {},
            "enforcement": "required",
        },
        "task": {"command": {"arguments": ["/usr/bin/true"], "streams": "output"}},
        "working_directory": "/opt/data/workspace",
        "environment": {},
        "time_limit": null,
    })
    .to_string();
    let checked = container.exec(["bash", "-c", SANDBOXED, "bash", &request]).await?.success();
    let report = checked.stderr();
    anyhow::ensure!(
        report.contains(r#"{"exited":{"code":0}}"#),
        "the sandboxed program did not run: {report}"
    );
    let (measured, reference) = in_turn(
        bed.pairs,
        async || one_run(&container, RUNS, &["bash", "-c", SANDBOXED, "bash", &request]).await,
        async || one_run(&container, RUNS, &["bash", "-c", PLAIN, "bash", &request]).await,
    )
    .await?;
    container.remove().await?;
    Ok(vec![Row {
        name: "tool",
        what: "a sandboxed `true` (reference: a plain one)".into(),
        unit: "ms",
        measured,
        reference: Some(reference),
        rule: format!("reference + {ALLOWED_MS} ms"),
        target: reference.median + ALLOWED_MS,
    }])
}
