//! Programs of users, outside of the container: official Python packages, and `curl`. A test that lacks one is not run.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hermes_harness::PRODUCT;
use hermes_harness::suite::not_run;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The limit for one program.
const DEADLINE: Duration = Duration::from_secs(60);

/// Checks that Python has a package.
pub(super) async fn find(package: &str) -> Result<()> {
    let script = format!("import importlib.util as u, sys; sys.exit(u.find_spec('{package}') is None)");
    let found = command("python3").args(["-c", &script]).stderr(Stdio::null()).status().await;
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    missing(&format!("Python has no {package}: pip install -r .ci/requirements.txt"))
}

/// Runs a script of this folder, which uses a Python package. Returns the JSON values that it prints, one a line.
pub(super) async fn python(package: &str, script: &str, variables: &[(&str, &str)]) -> Result<Vec<Value>> {
    find(package).await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/gateway_api");
    let mut python = command("python3");
    python.arg("-B").arg(folder.join(script)).envs(variables.iter().copied());
    let printed = output(python).await?;
    printed.lines().map(|line| serde_json::from_str(line).with_context(|| printed.clone())).collect()
}

/// `curl` with the key of a gateway.
#[derive(Debug)]
pub(super) struct Curl {
    url: String,
    key: String,
}

impl Curl {
    /// Returns `curl` for the gateway at `url`.
    pub(super) async fn new(url: &str, key: &str) -> Result<Self> {
        let found = command("curl").arg("--version").output().await;
        if !found.is_ok_and(|output| output.status.success()) {
            return missing("there is no curl: apt-get install curl");
        }
        Ok(Self { url: url.to_owned(), key: key.to_owned() })
    }

    /// Returns the text of an answer, whatever its status is.
    pub(super) async fn text(&self, path: &str, arguments: &[&str]) -> Result<String> {
        output(self.command(path, arguments)).await
    }

    /// Returns the JSON of an answer.
    pub(super) async fn json(&self, path: &str, arguments: &[&str]) -> Result<Value> {
        let text = self.text(path, arguments).await?;
        serde_json::from_str(&text).with_context(|| format!("{path} answers {text:?}"))
    }

    /// Returns the values of a stream of events: name and data. The data may be text.
    pub(super) async fn events(&self, path: &str, arguments: &[&str]) -> Result<Vec<(String, Value)>> {
        let text = self.text(path, &[&["-N"], arguments].concat()).await?;
        let events = text.split("\n\n").filter(|event| !event.trim().is_empty()).map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let data = field("data:").with_context(|| format!("no data in {event:?} of {text}"))?;
            let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
            Ok((field("event:").unwrap_or_default().to_owned(), data))
        });
        events.collect()
    }

    /// Starts a request whose stream does not end, and returns it after the first line that holds a text.
    pub(super) async fn begin(&self, path: &str, arguments: &[&str], awaited: &str) -> Result<Child> {
        let mut command = self.command(path, &[&["-N"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("the output is a pipe")?).lines();
        let read = async {
            let mut seen = Vec::new();
            while let Some(line) = lines.next_line().await? {
                if line.contains(awaited) {
                    return Ok(());
                }
                seen.push(line);
            }
            bail!("curl ended without {awaited:?}: {seen:#?}")
        };
        tokio::time::timeout(DEADLINE, read).await.with_context(|| format!("{awaited:?} did not come"))??;
        Ok(child)
    }

    fn command(&self, path: &str, arguments: &[&str]) -> Command {
        let mut curl = command("curl");
        let header = format!("Authorization: Bearer {}", self.key);
        curl.args(["--silent", "--show-error", "--header", &header]).args(arguments);
        curl.arg(format!("{}{path}", self.url));
        curl
    }
}

/// Returns the error of a missing program: `HERMES_NEED_CLIENTS=1` makes it a failure.
fn missing<T>(reason: &str) -> Result<T> {
    match PRODUCT.setting("NEED_CLIENTS") {
        Some(_) => bail!("{reason}"),
        None => Err(not_run(reason).into()),
    }
}

/// Returns a command without input that ends with the test. No proxy of this machine stands between.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a program to its end, and returns its standard output.
async fn output(mut command: Command) -> Result<String> {
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let program = command.as_std().get_program().to_owned();
    let output = output.with_context(|| format!("{program:?} took longer than {DEADLINE:?}"))?;
    let output = output.with_context(|| format!("failed to start {program:?}"))?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(output.status.success(), "{program:?} ended with {}:\n{stdout}\n{stderr}", output.status);
    Ok(stdout)
}
