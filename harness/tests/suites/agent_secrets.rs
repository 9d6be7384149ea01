//! Secrets of agents while the agents work: no file, answer, log or output holds one, except the place where it belongs.

mod canaries;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, slot_ready};
use hermes_harness::{Container, ContainerBuilder, StandIn, docker_test, secs};
use predicates::str::contains;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::driving::{hermes, ready_pid};
use crate::support::gateways::PlantedProfiles;

use self::canaries::Canaries;

const DASHBOARD: u16 = 9119;

/// Secrets without a known prefix. Each has characters that a URL encodes, and differs from the others in the first part.
const OF_CONTAINER: &str = "Aq7/container+key=Hw3n";
const OF_GATEWAY: &str = "Bz2/gateways+key=Xr9ssssss";
const OF_SERVICE: &str = "Cm4/service+token=Lk8y";
const OF_CODER: &str = "Dw9/the-coder+key=Jp5t";
const OF_WRITER: &str = "Ev3/the-writer+key=Qs6f";
const OF_FALLBACK: &str = "Fu6/fallbacks+key=Nd2g";
const OF_DASHBOARD: &str = "Gx1/password+login=Tb4h";

/// A profile: name, port of its gateway, key of its API, key of its model.
struct Agent {
    name: &'static str,
    port: u16,
    api_key: String,
    model_key: &'static str,
}

/// A container with three agents, a dashboard, and a secret in each place that can hold one.
struct Scene {
    model: StandIn,
    container: Container,
    agents: Vec<Agent>,
    canaries: Canaries,
}

fn of(model: &StandIn) -> ContainerBuilder {
    let builder = Container::builder().cmd(["sleep", "infinity"]);
    model.model_of(builder)
}

impl Scene {
    async fn start() -> Result<Self> {
        let model = StandIn::start().await?;
        let own = |port: u16, rest: &str| {
            format!("version: 1\ngateway: {{port: {port}}}\nprovider: {{record: records}}\n{rest}")
        };
        let writers = format!(
            "model: {{api_key: '{OF_WRITER}'}}\nfallback_providers:\n- {{provider: custom, model: other, \
             base_url: '{}', api_key: '{OF_FALLBACK}'}}\n",
            model.url()
        );
        let account = (10000, 10000);
        let container = of(&model)
            .env("OPENAI_API_KEY", OF_CONTAINER)
            .env("API_SERVER_HOST", "0.0.0.0")
            .env("HERMES_DASHBOARD", "1")
            .env("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD", OF_DASHBOARD)
            .publish(8642)
            .publish(9301)
            .publish(9302)
            .publish(DASHBOARD)
            .owned_file(
                "/opt/data/.env",
                0o600,
                account,
                format!("API_SERVER_KEY={OF_GATEWAY}\nWEATHER_TOKEN={OF_SERVICE}\n"),
            )
            .owned_file("/opt/data/config.yaml", 0o600, account, own(8642, ""))
            .profile("coder")
            .profile_file("coder", ".env", &format!("OPENAI_API_KEY={OF_CODER}\n"))
            .profile_file("coder", "config.yaml", &own(9301, ""))
            .profile("writer")
            .profile_file("writer", "config.yaml", &own(9302, &writers))
            .start_ready()
            .await?;
        hermes(&container, "gateway start --all").await?.success();
        let mut canaries = Canaries::default();
        let stored = "/run/s6/container_environment/OPENAI_API_KEY";
        canaries.add(OF_CONTAINER, &[stored]);
        for secret in [OF_GATEWAY, OF_SERVICE] {
            canaries.add(secret, &["/opt/data/.env"]);
        }
        canaries.add(OF_CODER, &["/opt/data/profiles/coder/.env"]);
        for secret in [OF_WRITER, OF_FALLBACK] {
            canaries.add(secret, &["/opt/data/profiles/writer/config.yaml"]);
        }
        canaries.add(OF_DASHBOARD, &[]);
        let mut agents = vec![Agent {
            name: "default",
            port: 8642,
            api_key: OF_GATEWAY.to_owned(),
            model_key: OF_CONTAINER,
        }];
        for (name, port, model_key) in [("coder", 9301, OF_CODER), ("writer", 9302, OF_WRITER)] {
            let api_key = hermes(&container, &format!("-p {name} gateway key show")).await?.success().text();
            canaries.add(&api_key, &[&format!("/opt/data/profiles/{name}/.api_key")]);
            agents.push(Agent { name, port, api_key, model_key });
        }
        Ok(Self { model, container, agents, canaries })
    }

    /// Sends a request to the gateway of an agent, and checks the answer.
    async fn ask(&self, agent: &Agent, path: &str, body: &Value) -> Result<(u16, String)> {
        let key = format!("Bearer {}", agent.api_key);
        let request =
            if body.is_null() { Request::get(path) } else { Request::post(path).json(&body.to_string()) };
        let answer = self.container.http(agent.port, &request.header("Authorization", &key)).await?;
        let text = format!("{:?}\n{}", answer.headers, answer.text());
        self.canaries.check(&format!("{path} of {} with {body}", agent.name), &text)?;
        Ok((answer.status, text))
    }

    /// Runs a command that may fail, but is no wrong usage, and checks both of its streams.
    async fn command(&self, words: &str) -> Result<String> {
        let output = hermes(&self.container, words).deadline(secs(30)).await?.either_way();
        ensure!(output.exit_code() != 2, "{}", output.report("a valid command"));
        let text = format!("{}\n{}", output.stdout(), output.stderr());
        self.canaries.check(&format!("hermes {words}"), &text)?;
        Ok(text)
    }
}

/// Answers of a model server that hold the key of the request.
fn indiscreet(key: &str) -> Vec<Value> {
    let cut = |before: usize| format!("{} {key} is wrong", "x".repeat(before));
    vec![
        json!({"fault": "status", "status": 401, "message": format!("Incorrect API key provided: {key}.")}),
        json!({"fault": "status", "status": 403, "body": {"detail": format!("no model for {key}")}}),
        // The message is longer than the part that an error shows. The key lies at the end of that part.
        json!({"fault": "status", "status": 401, "message": cut(383)}),
        json!({"fault": "error_in_stream", "message": format!("authentication: {key}")}),
        json!({"fault": "error_in_stream", "message": format!("authentication {}", cut(370))}),
        json!({"fault": "status", "status": 307, "headers": {"location": format!("/login/{key}?key={key}")}}),
    ]
}

const CHAT: &str = "/v1/chat/completions";

fn chat(is_streamed: bool) -> Value {
    json!({"stream": is_streamed, "messages": [{"role": "user", "content": "hi"}]})
}

#[docker_test]
async fn no_answer_file_or_output_holds_a_secret() -> Result<()> {
    let scene = Scene::start().await?;
    for agent in &scene.agents {
        scene.model.script(&json!([]))?;
        for is_streamed in [false, true] {
            let (status, text) = scene.ask(agent, CHAT, &chat(is_streamed)).await?;
            ensure!(status == 200 && text.contains("I am a stand"), "{}: {text}", agent.name);
        }
        let sent = scene.model.requests().pop().context("a request")?["headers"]["authorization"].clone();
        ensure!(sent == format!("Bearer {}", agent.model_key), "{}: {sent}", agent.name);
        for step in indiscreet(agent.model_key) {
            scene.model.script(&json!([step]))?;
            let (status, text) = scene.ask(agent, CHAT, &chat(false)).await?;
            ensure!(status >= 400 && text.contains("failed to"), "{}: {step}: {text}", agent.name);
        }
        let quoting = &indiscreet(agent.model_key)[0];
        scene.model.script(&json!(vec![quoting; 6]))?;
        scene.ask(agent, CHAT, &chat(true)).await?;
        scene.ask(agent, "/v1/responses", &json!({"input": "hi", "stream": true})).await?;
        scene.ask(agent, "/v1/responses", &json!({"input": "hi", "conversation": "plans"})).await?;
        let (_, run) = scene.ask(agent, "/v1/runs", &json!({"input": "hi"})).await?;
        let run = run.split("run_").nth(2).and_then(|rest| rest.split('"').next()).context(run.clone())?;
        let (_, events) = scene.ask(agent, &format!("/v1/runs/run_{run}/events"), &Value::Null).await?;
        ensure!(events.contains("run.failed") && events.contains("[key]"), "{events}");
        scene.ask(agent, &format!("/v1/runs/run_{run}"), &Value::Null).await?;
        let text = scene.command(&format!("-p {} chat --json -q hi", agent.name)).await?;
        ensure!(text.contains("[key]"), "{text}");
        scene.command(&format!("-p {} chat --events -q hi", agent.name)).await?;
        for path in ["/health", "/metrics", "/v1/models", "/api/sessions", "/v1/nowhere"] {
            scene.ask(agent, path, &Value::Null).await?;
        }
    }
    let [_, coder, writer] = &scene.agents[..] else { anyhow::bail!("three agents") };
    // A success that is no answer is an error that shows its beginning.
    let strange = json!({"fault": "status", "status": 200, "body": {"detail": format!("unknown: {OF_CODER}")}, "times": 2});
    scene.model.script(&json!([strange]))?;
    let (status, text) = scene.ask(coder, CHAT, &chat(false)).await?;
    ensure!(status == 502 && text.contains("unknown: "), "{text}");
    let quoting = &indiscreet(OF_FALLBACK)[0];
    scene.model.script(&json!([{"fault": "status", "status": 503}, quoting]))?;
    let (status, text) = scene.ask(writer, CHAT, &chat(false)).await?;
    let sent = scene.model.requests().pop().context("a request")?["headers"]["authorization"].clone();
    ensure!(status == 502 && sent == format!("Bearer {OF_FALLBACK}"), "{sent} {text}");
    for words in [
        "config list",
        "model",
        "model --json",
        "model --list",
        "sessions list --json",
        "sessions show plans",
        "sessions export -o -",
        "sessions search key",
        "turn --json",
        "gateway status --json",
        "logs -n 500",
        "doctor --json",
        "doctor",
        "prompt-size",
        "profile show coder",
        "profile show writer",
        "config get model",
    ] {
        for agent in ["default", "coder", "writer"] {
            scene.command(&format!("-p {agent} {words}")).await?;
        }
    }
    for words in [
        "dump",
        "status",
        "status --json",
        "gateway list --json",
        "logs --boot",
        "health --json",
        "boot --json",
    ] {
        scene.command(words).await?;
    }
    let export = scene.container.exec_sh("hermes profile export coder -o - | gunzip").await?.success();
    scene.canaries.check("the export of coder", export.stdout_bytes())?;
    scene.canaries.check("the container's log", scene.container.log().await?)?;
    let records = scene.container.exec_sh("cat /opt/data/records/* | grep -c '\"request\"'").await?.success();
    ensure!(records.text().parse::<u32>()? > 10, "{}", records.text());
    scene.canaries.check_command_lines(&scene.container).await?;
    scene.canaries.check_files(&scene.container).await
}

/// Returns the beginning of an endless answer, up to its first data.
async fn first_event(port: u16, request: &Request) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&request.to_bytes("localhost")).await?;
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    let read = async {
        while !seen.contains("\ndata:") {
            let count = stream.read(&mut buffer).await?;
            ensure!(count > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.context("no data within 10 s")??;
    Ok(seen)
}

#[docker_test]
async fn the_dashboard_serves_and_stores_no_secret() -> Result<()> {
    let mut scene = Scene::start().await?;
    scene.container.wait_until("the dashboard is bound", slot_ready("dashboard"), secs(10)).await?;
    // The log of each gateway gets a failed turn.
    for agent in &scene.agents {
        scene.model.script(&json!([indiscreet(agent.model_key)[0]]))?;
        scene.ask(agent, CHAT, &chat(false)).await?;
    }
    let log_in = async |password: &str| {
        let form = Request::post("/login").form(&[("username", "hermes"), ("password", password)]);
        anyhow::Ok(scene.container.http(DASHBOARD, &form).await?)
    };
    let refused = log_in(&format!("{OF_DASHBOARD}x")).await?;
    scene.canaries.check("the refused login", format!("{:?} {}", refused.headers, refused.text()))?;
    let entered = log_in(OF_DASHBOARD).await?;
    let cookie =
        entered.header("set-cookie").and_then(|cookie| cookie.split(';').next()).context("no cookie")?;
    let cookie = cookie.to_owned();
    let (_, session) = cookie.split_once('=').context("a cookie")?;
    scene.canaries.add(session, &[]);

    let get = |path: &str| Request::get(path).header("Cookie", &cookie);
    let described = scene.container.http(DASHBOARD, &get("/api/openapi.json")).await?.text();
    let described: Value = serde_json::from_str(&described)?;
    let paths = described["paths"].as_object().context("paths")?.iter();
    let paths = paths.filter(|(_, methods)| methods.get("get").is_some()).map(|(path, _)| path.as_str());
    let pages = [
        "/",
        "/login",
        "/boots",
        "/doctor",
        "/profiles/{name}",
        "/profiles/{name}/configuration",
        "/profiles/{name}/conversation",
        "/profiles/{name}/turns/1",
        "/profiles/{name}/usage",
        "/profiles/{name}/delete",
        "/nowhere",
    ];
    let port = scene.container.published_port(DASHBOARD).await?;
    let mut count = 0;
    for path in paths.chain(pages) {
        let names = ["default", "coder", "writer"].iter().take(if path.contains("{name}") { 3 } else { 1 });
        for path in names.map(|name| path.replace("{name}", name)) {
            // A path with another parameter is about nothing that exists.
            let text = if path.ends_with("/events") && !path.contains('{') {
                first_event(port, &get(&path)).await?
            } else {
                let answer = scene.container.http(DASHBOARD, &get(&path)).await?;
                // A page may want a parameter, or lead elsewhere. The login holds in any case.
                ensure!(![401, 500].contains(&answer.status), "{path}: {}", answer.status);
                format!("{:?}\n{}", answer.headers, answer.text())
            };
            scene.canaries.check(&path, text)?;
            count += 1;
        }
    }
    ensure!(count > 25, "only {count} paths");
    let all = format!("/api/events?logs={}", "default,coder,writer");
    scene.canaries.check(&all, first_event(port, &get(&all)).await?)?;
    scene.canaries.check("the container's log", scene.container.log().await?)?;
    scene.canaries.check_files(&scene.container).await
}

#[docker_test]
async fn an_error_of_a_setting_quotes_no_secret() -> Result<()> {
    let wrong = [
        (
            "broken-yaml",
            "config.yaml",
            "Ha5/broken+yaml=Rt7w",
            "model: {default: m, api_key: SECRET\nother: [\n",
        ),
        (
            "wrong-type",
            "config.yaml",
            "Hb5/wrongs+type=Rt7w",
            "version: 1\nmodel: {default: m, api_key: [SECRET]}\n",
        ),
        (
            "url",
            "config.yaml",
            "Hc5-url+and+user=Rt7w",
            "version: 1\nmodel: {base_url: 'http://me:SECRET@h/v1'}\n",
        ),
        ("proxy", ".env", "Hd5/bad+a+proxy=Rt7w", "HTTP_PROXY=ftp://me:SECRET@h\n"),
        ("two-lines", ".env", "He5/two+a+lines=Rt7w", "OPENAI_API_KEY=\"SECRET\\nsecond\"\n"),
        ("no-sign", ".env", "Hf5/no+sign+one=Rt7w", "OPENAI_API_KEY SECRET\n"),
        ("no-quote", ".env", "Hg5/no+quotes+=Rt7w", "OPENAI_API_KEY=\"SECRET\n"),
    ];
    let model = StandIn::start().await?;
    let mut canaries = Canaries::default();
    let mut builder = of(&model);
    for (profile, file, secret, content) in wrong {
        builder = builder.profile(profile).profile_file(profile, file, &content.replace("SECRET", secret));
        canaries.add(secret, &[&format!("/opt/data/profiles/{profile}/{file}")]);
    }
    let container = builder.start_ready().await?;
    for (profile, ..) in wrong {
        for words in ["chat -q hi", "gateway start", "config list", "model", "logs"] {
            let output =
                hermes(&container, &format!("-p {profile} {words}")).deadline(secs(40)).await?.either_way();
            canaries
                .check(&format!("{profile}: {words}"), format!("{}\n{}", output.stdout(), output.stderr()))?;
        }
    }
    for words in ["dump", "doctor", "doctor --json", "status --json"] {
        let output = hermes(&container, words).await?.either_way();
        canaries.check(words, format!("{}\n{}", output.stdout(), output.stderr()))?;
    }
    canaries.check("the container's log", container.log().await?)?;
    canaries.check_files(&container).await
}

#[docker_test]
async fn the_password_of_a_proxy_is_in_no_error() -> Result<()> {
    const PASSWORD: &str = "Ik8-proxys-password-Zm3";
    let model = StandIn::start().await?;
    let proxy = model.url().replace("http://", &format!("http://me:{PASSWORD}@")).replace("/v1", "");
    let content = format!("HTTP_PROXY={proxy}\nprovider.record=records\n");
    let settings = "provider: {record: records}\nmodel: {base_url: 'http://models.example/v1'}\n";
    let container = of(&model)
        .profile("coder")
        .profile_file("coder", ".env", &content)
        .profile_file("coder", "config.yaml", settings)
        .start_ready()
        .await?;
    let mut canaries = Canaries::default();
    canaries.add(PASSWORD, &["/opt/data/profiles/coder/.env"]);
    for words in
        ["chat --json -q hi", "config list", "doctor --json", "model --list", "gateway start", "logs"]
    {
        let output = hermes(&container, &format!("-p coder {words}")).deadline(secs(40)).await?.either_way();
        canaries.check(words, format!("{}\n{}", output.stdout(), output.stderr()))?;
    }
    // The server that stands for the proxy refuses the path, which is a whole URL.
    let request = model.requests().into_iter().next().context("the proxy got a request")?;
    ensure!(request["path"].as_str().is_some_and(|path| path.contains("models.example")), "{request:#}");
    let sent = request["headers"]["proxy-authorization"].as_str().unwrap_or_default();
    ensure!(canaries.check("the header", sent).is_err(), "the search does not find the password in {sent}");
    canaries.check_files(&container).await
}

#[docker_test]
async fn the_account_reads_no_memory_of_a_gateway_or_chat() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"fault": "stall"}]))?;
    let container = of(&model).profile("coder").start_ready().await?;
    hermes(&container, "gateway start --all").await?.success();
    let pids = [ready_pid(&container, "default").await?, ready_pid(&container, "coder").await?];
    // Another process of the account shows that the commands can read.
    let slot = container.slot("main-hermes").await?.and_then(|slot| slot.pid).context("main-hermes runs")?;
    container
        .exec(["cat", &format!("/proc/{slot}/environ")])
        .await?
        .success()
        .stdout_matches(contains("PATH="));
    for pid in pids {
        for read in [
            "head -c 1 /proc/PID/mem",
            "head -c 1 /proc/PID/environ",
            "ls /proc/PID/fd",
            "ls /proc/PID/map_files",
        ] {
            let read = container.exec_sh(&read.replace("PID", &pid.to_string())).await?.failure();
            read.stdout_is("").stderr_matches(contains("Permission denied"));
        }
    }
    let asking = "hermes chat -q two & asking=$!; \
                  until hermes sessions list --json | grep -q '\"busy\":true'; do :; done; \
                  cat /proc/$asking/environ; head -c 1 /proc/$asking/mem; kill -9 $asking; wait; true";
    let read = container.exec_sh(asking).deadline(secs(30)).await?.success();
    ensure!(
        read.stdout().is_empty() && read.stderr().matches("Permission denied").count() == 2,
        "{}",
        read.stderr()
    );
    Ok(())
}
