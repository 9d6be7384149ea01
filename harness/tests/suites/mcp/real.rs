//! A real server, of the authors of the protocol: `mcp-server-time`, in an image with Debian's Python.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hermes_harness::suite::not_run;
use hermes_harness::{ImageBuilder, PRODUCT, docker_test};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::driving::hermes;

use super::scene::{Agent, CANARY};

/// The place of the packages in the container: a directory that the sandbox may read.
const PACKAGES: &str = "/usr/local/lib/mcp-server-time";

/// The place of compiled modules. Without it, each start compiles all of them, for up to half a minute on a busy machine.
const BYTECODE: &str = "/opt/data/workspace/.bytecode";

/// The version of Python in Debian trixie.
const PYTHON: &str = "3.13";

/// The limit for the installation.
const DEADLINE: Duration = Duration::from_secs(120);

/// Returns the directory with the packages. The first test of a checkout installs them.
async fn packages() -> Result<PathBuf> {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites");
    let requirements = suites.join("mcp/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let version = wanted.lines().last().context("a requirement")?.replace("==", "-");
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").canonicalize()?;
    let directory = parent.join(format!("{version}-{PYTHON}"));
    if directory.is_dir() {
        return Ok(directory);
    }
    let fresh = tempfile::tempdir_in(&parent)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--python-version", PYTHON, "--implementation", "cp"]);
    pip.args(["--only-binary", ":all:", "--target"]).arg(fresh.path()).arg("--requirement").arg(requirements);
    let installed =
        tokio::time::timeout(DEADLINE, pip.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    let installed = installed.context("pip did not end in time")?;
    match installed {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if !text.contains("No module named pip") {
                bail!("failed to install the packages: {text}");
            }
            return missing();
        }
        Err(_) => return missing(),
    }
    std::fs::set_permissions(fresh.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    // Another test may have been faster. Its directory is as good.
    let fresh = fresh.keep();
    if std::fs::rename(&fresh, &directory).is_err() {
        std::fs::remove_dir_all(&fresh)?;
    }
    Ok(directory)
}

/// Returns the error of a missing `pip`: `HERMES_NEED_CLIENTS=1` makes it a failure.
fn missing<T>() -> Result<T> {
    let reason = "there is no pip: apt-get install python3-pip";
    match PRODUCT.setting("NEED_CLIENTS") {
        Some(_) => bail!("{reason}"),
        None => Err(not_run(reason).into()),
    }
}

#[docker_test]
async fn a_real_server_answers_the_model() -> Result<()> {
    let packages = packages().await?;
    // dpkg would sync each file.
    let install = "RUN apt-get update -q && apt-get install -q -y --no-install-recommends \
                   -o Dpkg::Options::=--force-unsafe-io python3 && rm -rf /var/lib/apt/lists/*";
    let image = ImageBuilder::new().instruction(install).build().await?;
    let entry = format!(
        "  time: {{command: python3, args: [-m, mcp_server_time, --local-timezone, Europe/Oslo], \
         env: {{PYTHONPATH: {PACKAGES}, PYTHONPYCACHEPREFIX: {BYTECODE}}}}}\n"
    );
    let agent =
        Agent::start_with(&entry, |builder| builder.derived(&image).bind_read_only(&packages, PACKAGES))
            .await?;
    let tested = hermes(&agent.container, "mcp test time").await?.success().stdout();
    ensure!(tested.starts_with("time works: mcp-time ") && tested.contains(", 2 tools, "), "{tested}");
    let listed = hermes(&agent.container, "mcp tools time --json").await?.success().stdout();
    let listed: Value = serde_json::from_str(&listed)?;
    let tools = listed["servers"][0]["tools"].as_array().context("tools")?;
    let names: Vec<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    ensure!(names == ["mcp_time_get_current_time", "mcp_time_convert_time"], "{listed}");
    let convert = json!({"source_timezone": "Europe/Oslo", "time": "12:00", "target_timezone": "Asia/Tokyo"});
    let wrong = json!({"source_timezone": "Europe/Oslo", "time": "noon", "target_timezone": "Asia/Tokyo"});
    let calls = [
        ("mcp_time_get_current_time", json!({"timezone": "Europe/Oslo"})),
        ("mcp_time_convert_time", convert),
        ("mcp_time_convert_time", wrong),
        ("mcp_time_convert_time", json!({"time": 5})),
    ];
    let results = agent.turn(&calls).await?;
    ensure!(results[0].contains("Europe/Oslo") && results[0].contains("datetime"), "{results:#?}");
    ensure!(results[1].contains("Asia/Tokyo") && results[1].contains("T12:00"), "{results:#?}");
    ensure!(results[2].contains("Invalid time format"), "{results:#?}");
    // The arguments do not fit the schema of the server, so it gets no call.
    ensure!(results[3].contains("source_timezone"), "{results:#?}");
    let sizes = hermes(&agent.container, "prompt-size --json").await?.success().stdout();
    let sizes: Value = serde_json::from_str(&sizes)?;
    let server = &sizes["mcp_servers"][0];
    ensure!(server["name"] == "time" && server["tokens"].as_u64() > Some(100), "{sizes}");
    ensure!(!sizes.to_string().contains(CANARY), "{sizes}");
    Ok(())
}
