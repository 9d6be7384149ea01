//! An agent that works: commands and files in the sandbox, through the engine, with a scripted model.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hermes_harness::{Container, ContainerBuilder, Look, StandIn, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{ACCOUNT, hermes};

/// A program of the image that fetches a URL through the proxy of the sandbox. The image has no curl and no git.
pub(crate) const FETCH: &str = r#"
use IO::Socket::INET;
my ($proxy, $port) = $ENV{http_proxy} =~ m{@([^:]+):(\d+)} or ();
my ($auth) = $ENV{http_proxy} =~ m{//([^@]+)@};
my $target = $ARGV[0];
($proxy, $port) = $target =~ m{//([^:/]+):(\d+)} unless $proxy;
my $socket = IO::Socket::INET->new(PeerAddr => $proxy, PeerPort => $port, Timeout => 5) or die "socket: $!\n";
sub encoded { my $bits = unpack("B*", $_[0]); $bits .= "0" x (-length($bits) % 6);
  my @set = ("A".."Z", "a".."z", 0..9, "+", "/");
  my $text = join("", map { $set[oct("0b$_")] } $bits =~ /(.{6})/g); $text . "=" x (-length($text) % 4) }
my ($host) = $target =~ m{//([^/]+)};
print $socket "GET $target HTTP/1.1\r\nHost: $host\r\n" . ($auth ? "Proxy-Authorization: Basic " . encoded($auth) . "\r\n" : "")
  . "Connection: close\r\n\r\n";
local $/; my $answer = <$socket>; my ($head, $body) = split(/\r\n\r\n/, $answer, 2);
die "$head\n$body" unless $head =~ m{^HTTP/1.1 200}; print $body;
"#;

/// Returns a container of `model` that waits for commands, with this configuration.
fn idle(model: &StandIn, config: &str) -> ContainerBuilder {
    model.idle().owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config.as_bytes())
}

/// Returns the step of a script that calls a tool.
fn call(name: &str, arguments: Value) -> Value {
    json!({"tool_calls": [{"id": format!("call_{name}"), "name": name, "arguments": arguments}]})
}

/// Serves `body` to each request, until the test ends. Returns the address at the gateway of the default network.
fn serve(model: &StandIn, body: Vec<u8>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("0.0.0.0:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut head = [0; 4096];
            let _ = connection.read(&mut head);
            let status =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = connection.write_all(status.as_bytes()).and_then(|()| connection.write_all(&body));
        }
    });
    let url = model.url();
    let host = url.trim_start_matches("http://").split(':').next().context("a host")?;
    Ok(format!("{host}:{port}").parse()?)
}

/// Returns the archive of a small project: a script, and a test that fails.
async fn project() -> Result<Vec<u8>> {
    let files = "mkdir -p /tmp/p/project && cd /tmp/p && printf 'echo $(($1 - $2))\\n' > project/add.sh && \
                 printf '[ \"$(sh add.sh 2 3)\" = 5 ] && echo passed || { echo failed; exit 1; }\\n' > project/test.sh && \
                 tar cf - project | base64 -w0";
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let encoded = container.exec_sh(files).await?.success().stdout();
    let bytes = STANDARD.decode(encoded.trim())?;
    ensure!(bytes.len() > 1000, "{encoded}");
    Ok(bytes)
}

/// The work of the transcript: fetch, look, edit, test, report.
fn work(fetch: &str) -> Value {
    json!([
        call("terminal", json!({"command": fetch})),
        call("search_files", json!({"pattern": "\\$1 - \\$2"})),
        call("patch", json!({"path": "project/add.sh", "old_string": "$1 - $2", "new_string": "$1 + $2"})),
        call("terminal", json!({"command": "sh test.sh", "workdir": "project"})),
        {"text": "The test passes now: add.sh subtracted."},
    ])
}

#[docker_test]
async fn an_agent_fetches_edits_and_tests_without_an_approval() -> Result<()> {
    let model = StandIn::start().await?;
    let server = serve(&model, project().await?)?;
    let config = format!("terminal:\n  allow_hosts: [\"{server}\"]\n");
    let container = idle(&model, &config).file("/usr/local/lib/fetch.pl", 0o644, FETCH).start_ready().await?;
    model.script(&work(&format!("perl /usr/local/lib/fetch.pl http://{server}/project.tar | tar xf -")))?;
    let asked = hermes(&container, "chat -q fix").await?.success();
    asked.stdout_is("The test passes now: add.sh subtracted.");
    let results = model.tool_results();
    ensure!(results[0].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[1].contains("project/add.sh"), "{results:#?}");
    ensure!(results[2].contains("+echo $(($1 + $2))"), "{results:#?}");
    ensure!(results[3].contains("passed") && results[3].contains("[exit code 0]"), "{results:#?}");
    let listed = hermes(&container, "approvals list --json").await?.success().stdout();
    ensure!(serde_json::from_str::<Value>(&listed)? == json!({"waiting": [], "allowed": []}), "{listed}");
    let kept = container.exec_sh("cat /opt/data/workspace/project/add.sh").await?.success().stdout();
    ensure!(kept == "echo $(($1 + $2))\n", "{kept}");
    Ok(())
}

#[docker_test]
async fn the_same_work_without_a_network_asks_once() -> Result<()> {
    let model = StandIn::start().await?;
    let server = serve(&model, project().await?)?;
    let container = idle(&model, "terminal:\n  network: off\n")
        .file("/usr/local/lib/fetch.pl", 0o644, FETCH)
        .start_ready()
        .await?;
    let fetch = format!("perl /usr/local/lib/fetch.pl http://{server}/project.tar > p.tar && tar xf p.tar");
    model.script(&work(&fetch))?;
    let ask = container.exec(["hermes", "chat", "-q", "fix it"]).deadline(secs(60));
    let approve = async {
        let waits = async |container: &Container| {
            let listed = hermes(container, "approvals list --json").await?.success().stdout();
            let listed: Value = serde_json::from_str(&listed)?;
            let id = listed["waiting"][0]["id"].as_str().map(str::to_owned);
            Ok(id.map_or_else(|| Look::NotYet(listed.to_string()), Look::Value))
        };
        let id: String = container.wait_until("a question waits", waits, secs(30)).await?;
        let listed = hermes(&container, "approvals list").await?.success().stdout();
        ensure!(listed.contains(&fetch), "{listed}");
        hermes(&container, &format!("approvals answer {id} once")).await?.success();
        Ok(())
    };
    let (asked, approved) = tokio::join!(async { ask.await }, approve);
    approved?;
    asked?.success().stdout_is("The test passes now: add.sh subtracted.");
    let results = model.tool_results();
    ensure!(results[0].contains("This ran outside of the sandbox"), "{results:#?}");
    ensure!(results[3].contains("passed"), "{results:#?}");
    Ok(())
}

#[docker_test]
async fn a_long_output_is_read_from_its_file() -> Result<()> {
    let model = StandIn::start().await?;
    let container = idle(&model, "").start_ready().await?;
    model.script(&json!([call("terminal", json!({"command": "seq 100000"})), {"text": "Long."}]))?;
    hermes(&container, "chat -q count").await?.success();
    let first = model.tool_results().remove(0);
    ensure!(first.len() < 20_000 && first.contains("The output has 100000 lines"), "{first}");
    let path = first.split("The whole output is in ").nth(1).and_then(|rest| rest.split(':').next());
    let path = path.context("the path of the file")?.to_owned();
    model.script(
        &json!([call("read_file", json!({"path": path, "offset": 54321, "limit": 1})), {"text": "Read."}]),
    )?;
    hermes(&container, "chat -c -q read").await?.success();
    let read = model.tool_results().pop().context("a result")?;
    ensure!(read.contains("54321|54321"), "{read}");
    Ok(())
}

#[docker_test]
async fn a_process_in_the_background_ends_with_its_agent() -> Result<()> {
    let model = StandIn::start().await?;
    let container = idle(&model, "").start_ready().await?;
    let server = "echo begun; setsid sleep 987654 & sleep 987654";
    model.script(&json!([
        call("terminal", json!({"command": server, "background": true})),
        call("process", json!({"action": "wait", "session_id": "proc_1", "timeout": 1})),
        {"text": "It runs."},
    ]))?;
    hermes(&container, "chat -q serve").await?.success();
    let results = model.tool_results();
    ensure!(results[0].contains("proc_1"), "{results:#?}");
    ensure!(results[1].contains("begun") && results[1].contains("[runs for"), "{results:#?}");
    let gone = async |container: &Container| {
        let found = container.exec_sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await?.stdout();
        Ok(Look::holds(!found.contains("sleep 987654"), || found))
    };
    container.wait_until("no process is left", gone, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn a_tool_that_spoils_its_directories_stops_no_later_call() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    let spoil =
        "rm -rf .home; mkfifo .home; ln -s /opt/data/SOUL.md AGENTS.md; chmod 000 $TMPDIR . && echo spoilt";
    model.script(&json!([
        call("terminal", json!({"command": spoil})),
        call("terminal", json!({"command": "echo fine > $TMPDIR/file && cat $TMPDIR/file"})),
        call("write_file", json!({"path": "file", "content": "text"})),
        {"text": "Done."},
    ]))?;
    hermes(&container, "chat -q spoil").await?.success();
    let results = model.tool_results();
    ensure!(results[0].contains("spoilt"), "{results:#?}");
    ensure!(results[1].contains("fine") && results[1].contains("[exit code 0]"), "{results:#?}");
    ensure!(results[2].contains("created file"), "{results:#?}");
    Ok(())
}

#[docker_test]
async fn tools_work_on_a_read_only_root() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().read_only().tmpfs("/run", "exec").start_ready().await?;
    let command = "echo fine > $TMPDIR/file && cat $TMPDIR/file";
    model.script(&json!([call("terminal", json!({"command": command})), {"text": "Done."}]))?;
    hermes(&container, "chat -q work").await?.success();
    let results = model.tool_results();
    ensure!(results[0].contains("fine") && results[0].contains("[exit code 0]"), "{results:#?}");
    Ok(())
}
