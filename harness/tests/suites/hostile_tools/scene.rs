//! A container with four agents that hold secrets, and a scripted model that attacks by the tools of one of them.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, ContainerBuilder, ExecRequest, StandIn, docker_exec, secs};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::driving::{ACCOUNT, directory, hermes};
use crate::support::gateways::PlantedProfiles;

/// The profile that attacks.
pub(super) const ATTACKER: &str = "coder";
/// The profile whose approvals are off, so each refused call runs again outside of the sandbox.
pub(super) const LOOSE: &str = "loose";
/// The profile whose tools may connect to the server `opened` of a scene.
pub(super) const READER: &str = "reader";

/// The longest turn, on a busy machine.
const TURN: Duration = secs(90);

/// The part that all secrets share.
pub(super) const CANARY: &str = "canary-7f3a";

/// The ports of the gateways: of the default profile, of the attacker, of another profile; and the port of the dashboard.
pub(super) const PORTS: [u16; 4] = [8642, 9301, 9302, 9119];

/// The texts by which the kernel refuses. SQLite tells no more.
const REFUSALS: [&str; 3] = ["Permission denied", "Operation not permitted", "unable to open database file"];

/// The texts of a kernel without a feature. A control may fail with them.
const UNKNOWN_TO_THE_KERNEL: [&str; 5] = [
    "No such device",
    "Address family not supported by protocol",
    "Protocol not supported",
    "Socket type not supported",
    "Function not implemented",
];

/// The way to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// `hermes chat -q` in a terminal's place.
    Chat,
    /// The API of the supervised gateway.
    Gateway,
}

/// The place where an attempt succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    /// Outside of the sandbox, by the account.
    Account,
    /// Outside of the sandbox, by root.
    Root,
    /// Nowhere. The attempt has no control.
    Nowhere,
}

/// A shell script that succeeds if the attack does.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) script: String,
    control: Control,
    refusals: Vec<String>,
}

impl Attempt {
    /// Creates an attempt that the account can make outside of the sandbox.
    pub(super) fn new(name: impl Into<String>, script: impl Into<String>) -> Self {
        let refusals = REFUSALS.map(str::to_owned).into();
        Self { name: name.into(), script: script.into(), control: Control::Account, refusals }
    }

    /// Creates an attempt of Perl code that dies unless it succeeds.
    pub(super) fn perl(name: impl Into<String>, code: &str) -> Self {
        let code = format!("use strict; use Socket; {code}");
        Self::new(name, format!("perl -e {}", quoted(&code)))
    }

    /// Returns `true` if its paths do not begin at the workspace.
    pub(super) fn is_absolute(&self) -> bool {
        !self.script.contains("..")
    }

    /// Root alone can make it outside of the sandbox.
    pub(super) fn of_root(mut self) -> Self {
        self.control = Control::Root;
        self
    }

    /// Nobody can make it here.
    pub(super) fn without_control(mut self) -> Self {
        self.control = Control::Nowhere;
        self
    }

    /// Its message has one of these texts.
    pub(super) fn refused_with(mut self, texts: &[&str]) -> Self {
        self.refusals = texts.iter().map(|text| (*text).to_owned()).collect();
        self
    }
}

/// A container with agents.
pub(super) struct Scene {
    pub(super) model: StandIn,
    pub(super) container: Container,
    /// The key of the attacker's API.
    pub(super) key: String,
}

impl Scene {
    /// Starts the container. The gateways of the default profile, of [`ATTACKER`] and of `writer` run.
    pub(super) async fn start() -> Result<Self> {
        Self::start_with("127.0.0.1:1", |builder| builder).await
    }

    /// Starts a container that `change` changed. The tools of [`READER`] may connect to `opened`.
    pub(super) async fn start_with(
        opened: &str,
        change: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
    ) -> Result<Self> {
        let model = StandIn::start().await?;
        let own = |port: u16, rest: &str| {
            format!(
                "version: 1\ngateway: {{port: {port}}}\n# {CANARY} in config.yaml\napprovals: {{timeout: 1{rest}}}\n"
            )
        };
        let mut builder = Container::builder().cmd(["sleep", "infinity"]);
        for (name, value) in model.environment() {
            let value = if name == "OPENAI_API_KEY" { format!("{CANARY}-of-the-model") } else { value };
            builder = builder.env(name, &value);
        }
        builder = builder
            .env("API_SERVER_HOST", "0.0.0.0")
            .env("HERMES_DASHBOARD", "1")
            .env("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", &format!("{CANARY}-of-the-dashboard"))
            .publish(PORTS[1])
            .owned_file("/opt/data/SOUL.md", 0o644, ACCOUNT, "You are a test.\n")
            .owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, own(PORTS[0], ""))
            .profile(ATTACKER)
            .profile_file(ATTACKER, "config.yaml", &own(PORTS[1], ""))
            .profile("writer")
            .profile_file("writer", "config.yaml", &own(PORTS[2], ""))
            .profile(LOOSE)
            .profile_file(LOOSE, "config.yaml", &own(9303, ", mode: off"))
            .profile(READER)
            .profile_file(
                READER,
                "config.yaml",
                &format!("{}terminal: {{allow_hosts: ['{opened}']}}\n", own(9304, "")),
            );
        for profile in ["default", ATTACKER, "writer", LOOSE, READER] {
            let directory = directory(profile);
            for (file, mode) in [
                (".env", 0o600),
                (".api_key", 0o600),
                ("state.db", 0o644),
                (".bashrc", 0o644),
                (".profile", 0o644),
            ] {
                let text = match file {
                    ".env" => format!("WEATHER_TOKEN={CANARY}-of-{profile}\n"),
                    ".api_key" => format!("{CANARY}-key-of-{profile}-0123456789abcdef\n"),
                    _ => format!("# {CANARY} in {file} of {profile}\n"),
                };
                builder = builder.owned_file(&format!("{directory}/{file}"), mode, ACCOUNT, text);
            }
            for (kind, file) in [("memories", "MEMORY.md"), ("skills/sums", "SKILL.md")] {
                let text = "---\nname: sums\ndescription: Adds numbers.\n---\nAdd.\n";
                builder = builder
                    .directory(&format!("{directory}/skills"), 0o700, ACCOUNT)
                    .directory(&format!("{directory}/{kind}"), 0o700, ACCOUNT)
                    .owned_file(&format!("{directory}/{kind}/{file}"), 0o644, ACCOUNT, text);
            }
            builder = builder.directory(&format!("{directory}/workspace"), 0o700, ACCOUNT).owned_file(
                &format!("{directory}/workspace/notes.md"),
                0o644,
                ACCOUNT,
                format!("The workspace of {profile}.\n"),
            );
        }
        let container = change(builder).start_ready().await?;
        container
            .exec_sh(
                "hermes gateway start && hermes -p coder gateway start && hermes -p writer gateway start",
            )
            .await?
            .success();
        let key = hermes(&container, "-p coder gateway key show").await?.success().text();
        Ok(Self { model, container, key })
    }

    /// Runs a turn of an agent in which the model makes these calls, and returns the results that the model got.
    ///
    /// No result has a secret.
    pub(super) async fn turn(
        &self,
        surface: Surface,
        profile: &str,
        calls: &[(&str, Value)],
    ) -> Result<Vec<String>> {
        let before = self.begin(calls)?;
        match surface {
            Surface::Chat => {
                self.chat(profile).await?.success();
            }
            Surface::Gateway => {
                ensure!(profile == ATTACKER, "the gateway of {profile} is not published");
                let body = json!({ "messages": [{ "role": "user", "content": "attack" }] });
                let request = Request::post("/v1/chat/completions").json(&body.to_string());
                let request = request.header("Authorization", &format!("Bearer {}", self.key));
                let answer = self.ask(&request).await?;
                ensure!(answer.contains("200 OK") && answer.contains("Done."), "{answer}");
            }
        }
        self.results(before, calls.len())
    }

    /// Sends a request to the gateway of the attacker.
    async fn ask(&self, request: &Request) -> Result<String> {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.container.published_port(PORTS[1]).await?)).await?;
        stream.write_all(&request.to_bytes("localhost")).await?;
        let mut answer = String::new();
        timeout(TURN, stream.read_to_string(&mut answer)).await.context("the turn takes too long")??;
        Ok(answer)
    }

    /// Scripts a turn with these calls. Returns the number of requests so far.
    pub(super) fn begin(&self, calls: &[(&str, Value)]) -> Result<usize> {
        let call = |(number, (name, arguments)): (usize, &(&str, Value))| json!({ "id": format!("call_{number}"), "name": name, "arguments": arguments });
        let calls: Vec<Value> = calls.iter().enumerate().map(call).collect();
        self.model.script(&json!([{ "tool_calls": calls }, { "text": "Done." }]))?;
        Ok(self.model.requests().len())
    }

    /// A turn in a terminal's place.
    pub(super) fn chat(&self, profile: &str) -> ExecRequest<'_> {
        hermes(&self.container, &format!("-p {profile} chat -q attack")).deadline(TURN)
    }

    /// Returns the results that the model got since `before`, in the order of the calls.
    pub(super) fn results(&self, before: usize, calls: usize) -> Result<Vec<String>> {
        let requests = self.model.requests();
        let request = requests.get(before..).and_then(|new| new.last()).context("the model got a request")?;
        let messages = request["body"]["messages"].as_array().context("messages")?;
        let results = (0..calls).map(|number| {
            let id = format!("call_{number}");
            let result = messages.iter().rev().find(|message| message["tool_call_id"] == *id);
            let text = result.and_then(|result| result["content"].as_str());
            text.map(str::to_owned).with_context(|| format!("no result of {id} in {request}"))
        });
        let results: Vec<_> = results.collect::<Result<_>>()?;
        for result in &results {
            ensure!(!result.contains(CANARY), "the model got a secret:\n{result}");
            ensure!(!result.trim().is_empty(), "the model got no result");
        }
        Ok(results)
    }

    /// Returns the result of one call.
    pub(super) async fn call(
        &self,
        surface: Surface,
        profile: &str,
        name: &str,
        arguments: Value,
    ) -> Result<String> {
        let mut results = self.turn(surface, profile, &[(name, arguments)]).await?;
        results.pop().context("a result")
    }

    /// Returns the result of a command.
    pub(super) async fn command(&self, surface: Surface, profile: &str, script: &str) -> Result<String> {
        self.call(surface, profile, "terminal", json!({ "command": script })).await
    }

    /// Makes the attempts as commands of the attacker. Each must fail, and its message must name the refusal.
    pub(super) async fn must_fail(&self, surface: Surface, attempts: &[Attempt]) -> Result<()> {
        self.must_fail_for(surface, ATTACKER, attempts).await
    }

    /// Makes the attempts as commands of an agent. Those of [`LOOSE`] run a second time, outside of the sandbox.
    pub(super) async fn must_fail_for(
        &self,
        surface: Surface,
        profile: &str,
        attempts: &[Attempt],
    ) -> Result<()> {
        let is_loose = profile == LOOSE;
        let script = script_of(attempts) + if is_loose { "exit 1" } else { "" };
        let result = self.command(surface, profile, &script).await?;
        ensure!(result.contains("This ran outside of the sandbox") == is_loose, "{result}");
        must_be_refused(&format!("{surface:?} of {profile}"), attempts, &result)
    }

    /// Makes the attempts outside of the sandbox. Each must succeed.
    pub(super) async fn must_succeed_outside(&self, attempts: &[Attempt]) -> Result<()> {
        for (control, user) in [(Control::Account, "hermes"), (Control::Root, "root")] {
            let of_user: Vec<_> =
                attempts.iter().filter(|attempt| attempt.control == control).cloned().collect();
            if of_user.is_empty() {
                continue;
            }
            let run = docker_exec(&self.container, ["bash", "-c", &script_of(&of_user)]).user(user);
            let run = run.workdir(format!("{}/workspace", directory(ATTACKER))).deadline(secs(60)).await?;
            let output = run.success().stdout();
            for attempt in &of_user {
                let (outcome, message) = outcome_of(attempt, &output)?;
                let is_unknown = UNKNOWN_TO_THE_KERNEL.iter().any(|text| message.contains(text));
                ensure!(
                    outcome == "succeeded" || is_unknown,
                    "the control failed: {attempt:?}: {message}\n{output}"
                );
            }
        }
        Ok(())
    }
}

/// Each attempt in the output of [`script_of`] failed, and its message names the refusal.
pub(super) fn must_be_refused(who: &str, attempts: &[Attempt], output: &str) -> Result<()> {
    let mut holes = String::new();
    for attempt in attempts {
        let (outcome, message) = outcome_of(attempt, output)?;
        let is_refused = attempt.refusals.iter().any(|text| message.contains(text));
        if outcome != "failed" || !is_refused {
            let _ = writeln!(holes, "{}: {outcome}: {message}\n    {}", attempt.name, attempt.script);
        }
    }
    ensure!(holes.is_empty(), "{who}: these were not refused:\n{holes}\nall:\n{output}");
    Ok(())
}

/// Returns a script that makes the attempts and prints a line for each: name, outcome, message.
pub(super) fn script_of(attempts: &[Attempt]) -> String {
    let mut script = "try() { local outcome=failed message\n\
        message=$(bash -c \"$2\" 2>&1 </dev/null) && outcome=succeeded\n\
        printf '%s|%s|%s\\n' \"$1\" $outcome \"$(printf %s \"$message\" | tr '\\n' ' ' | tail -c 300)\"; }\n"
        .to_owned();
    for attempt in attempts {
        let _ = writeln!(script, "try {} {}", quoted(&attempt.name), quoted(&attempt.script));
    }
    script
}

/// Returns the outcome and the message of an attempt in the output of its script.
fn outcome_of<'a>(attempt: &Attempt, output: &'a str) -> Result<(&'a str, &'a str)> {
    let prefix = format!("{}|", attempt.name);
    let line = output.lines().find_map(|line| line.strip_prefix(&prefix));
    line.and_then(|rest| rest.split_once('|')).with_context(|| format!("no line of {attempt:?}:\n{output}"))
}

/// Returns a word of the shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
