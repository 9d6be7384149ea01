//! Connections to servers of the container, of this machine, and of private networks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{ContainerBuilder, StandIn, docker_test};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::scene::{ATTACKER, Attempt, LOOSE, PORTS, READER, Scene, Surface};

/// A server on this machine that counts its connections. It ends when this is dropped.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server. It answers the path of a request with a status line, headers and a body.
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await?;
        let port = listener.local_addr()?.port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut request = [0; 4096];
                // A client that ends early needs no answer.
                let Ok(length) = client.read(&mut request).await else { continue };
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let _ = client.write_all(answer(path).as_bytes()).await;
            }
        });
        Ok(Self { port, connections, task })
    }

    async fn with_page() -> Result<Self> {
        let page = "<p>a page of the network</p>";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
        Self::start(move |_| format!("{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len())).await
    }

    /// Redirects the path `/TARGET` to `http://TARGET`.
    async fn with_redirects() -> Result<Self> {
        let head = "HTTP/1.1 302 Found\r\nconnection: close\r\ncontent-length: 0";
        Self::start(move |path| format!("{head}\r\nlocation: http:/{path}\r\n\r\n")).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns the address of this machine on the default network.
async fn machine() -> Result<String> {
    let url = StandIn::start().await?.url();
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(':').next()).context("a host")?;
    Ok(host.to_owned())
}

/// Gives the name `intern.test` to this machine.
fn with_name(machine: &str) -> impl FnOnce(ContainerBuilder) -> ContainerBuilder {
    let host = format!("intern.test:{machine}");
    |builder| builder.tune(|_, settings| settings.extra_hosts = Some(vec![host]))
}

/// Connections without the proxy.
pub(super) fn direct(machine: &str, port: u16) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let to = |host: &str, port: u16| {
        Attempt::new(format!("connect to {host}:{port}"), format!("exec 9<>/dev/tcp/{host}/{port}"))
    };
    for port in PORTS {
        attempts.push(to("127.0.0.1", port));
    }
    attempts.push(to("$(cat /etc/hostname)", PORTS[3]));
    attempts.push(to("127.9.8.7", PORTS[3]));
    attempts.push(to("0.0.0.0", PORTS[3]));
    attempts.push(to("localhost", PORTS[3]));
    attempts.push(to(machine, port));
    attempts.push(to("intern.test", port));
    attempts.push(to("169.254.169.254", 80).without_control());
    attempts.push(to("10.0.0.1", 80).without_control());
    attempts.push(to("1.1.1.1", 443).without_control());
    for (name, address) in [
        ("mapped", "::ffff:127.0.0.1"),
        ("mapped metadata", "::ffff:169.254.169.254"),
        ("IPv6 loopback", "::1"),
    ] {
        let code = format!(
            "socket(my $s, 10, 1, 0) or die $!; connect($s, Socket::pack_sockaddr_in6({}, Socket::inet_pton(10, '{address}'))) or die $!",
            PORTS[3]
        );
        let attempt = Attempt::perl(format!("connect to {name}"), &code);
        // The dashboard listens on IPv4.
        attempts.push(if name == "mapped" { attempt } else { attempt.without_control() });
    }
    let host = machine.split('.').map(str::to_owned).collect::<Vec<_>>().join(", ");
    let fast_open = format!(
        "socket(my $s, 2, 1, 0) or die $!; send($s, 'x', 0x20000000, pack_sockaddr_in({port}, pack('C4', {host}))) or die $!"
    );
    attempts.push(Attempt::perl("send with MSG_FASTOPEN", &fast_open));
    for socket in [
        "/opt/data/gateway.sock",
        "/opt/data/profiles/coder/gateway.sock",
        "/opt/data/profiles/writer/gateway.sock",
        "/run/s6/log-socket",
    ] {
        let code =
            format!("socket(my $s, 1, 1, 0) or die $!; connect($s, pack_sockaddr_un('{socket}')) or die $!");
        let attempt = Attempt::perl(format!("connect to {socket}"), &code);
        attempts.push(if socket.starts_with("/run") { attempt.without_control() } else { attempt });
        let code = format!(
            "socketpair(my $s, my $t, 1, 2, 0) or die $!; send($s, 'x', 0, pack_sockaddr_un('{socket}')) or die $!"
        );
        attempts.push(Attempt::perl(format!("send to {socket} from a pair"), &code).without_control());
    }
    attempts
}

/// Prints the answer of the proxy to a request for `$1`, with the method `$2`.
pub(super) const BY_PROXY: &str = r#"by_proxy() {
    local place=${HTTP_PROXY#http://}; local user=${place%@*} server=${place#*@}; server=${server%/}
    exec 9<>/dev/tcp/${server%:*}/${server#*:} || return
    printf '%s %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic %s\r\nConnection: close\r\n\r\n' "$2" "$1" "$(printf %s "$user" | base64 -w0)" >&9
    head -c 2000 <&9 | tr '\r\n' '  '; echo; exec 9>&-; }
"#;

/// Returns the URLs of forbidden servers, without the scheme.
fn forbidden(machine: &str, port: u16) -> Vec<String> {
    let mut all: Vec<String> = PORTS.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    for host in [
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
    ] {
        all.push(format!("{host}:{}", PORTS[3]));
    }
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "10.0.0.1",
        "192.168.0.1",
        "100.100.100.200",
        "[fd00:ec2::254]",
    ] {
        all.push(format!("{host}:80"));
    }
    all.extend([format!("{machine}:{port}"), format!("intern.test:{port}")]);
    all
}

#[docker_test]
async fn no_command_connects_to_private_servers() -> Result<()> {
    let machine = machine().await?;
    let server = Server::with_page().await?;
    let opened = Server::with_page().await?;
    let allowed = format!("{machine}:{}", opened.port);
    let scene = Scene::start_with(&allowed, with_name(&machine)).await?;
    let attempts = direct(&machine, server.port);
    let targets = forbidden(&machine, server.port);
    let mut script = BY_PROXY.to_owned();
    for target in &targets {
        script.push_str(&format!("echo '{target} GET' $(by_proxy http://{target}/ GET); echo '{target} CONNECT' $(by_proxy {target} CONNECT)\n"));
    }
    for surface in [Surface::Chat, Surface::Gateway] {
        scene.must_fail(surface, &attempts).await?;
        // The last command succeeds, so no person is asked.
        let result = scene.command(surface, ATTACKER, &script).await?;
        for target in &targets {
            for method in ["GET", "CONNECT"] {
                let line = result.lines().find(|line| line.starts_with(&format!("{target} {method} ")));
                let line = line.with_context(|| format!("no answer for {target}:\n{result}"))?;
                ensure!(line.contains("HTTP/1.1 403") && line.contains("refused the connection"), "{line}");
            }
        }
        ensure!(result.contains("[The proxy refused a connection"), "{result}");
    }
    ensure!(server.connections() == 0, "{} connections", server.connections());
    // The proxy connects to the server that the operator opened.
    let control = format!("{BY_PROXY} by_proxy http://{allowed}/ GET");
    let result = scene.command(Surface::Chat, READER, &control).await?;
    ensure!(result.contains("a page of the network"), "{result}");
    ensure!(opened.connections() == 1, "{} connections", opened.connections());
    scene.must_succeed_outside(&attempts).await?;
    ensure!(server.connections() > 0, "the controls connect");
    Ok(())
}

#[docker_test]
async fn no_page_of_a_private_server_is_read() -> Result<()> {
    let machine = machine().await?;
    let server = Server::with_page().await?;
    let opened = Server::with_page().await?;
    let allowed = format!("{machine}:{}", opened.port);
    let scene = Scene::start_with(&allowed, with_name(&machine)).await?;
    let targets = forbidden(&machine, server.port);
    for surface in [Surface::Chat, Surface::Gateway] {
        for urls in targets.chunks(5) {
            let urls: Vec<_> = urls.iter().map(|target| format!("http://{target}/")).collect();
            let result = scene.call(surface, ATTACKER, "web_extract", json!({ "urls": urls })).await?;
            ensure!(result.matches("refused the connection").count() == urls.len(), "{urls:?}\n{result}");
        }
    }
    ensure!(server.connections() == 0, "{} connections", server.connections());
    let urls = json!({ "urls": [format!("http://{allowed}/")] });
    let result = scene.call(Surface::Chat, READER, "web_extract", urls).await?;
    ensure!(result.contains("a page of the network"), "{result}");
    Ok(())
}

#[docker_test]
async fn no_redirect_leads_to_a_private_server() -> Result<()> {
    let machine = machine().await?;
    let (server, opened) = (Server::with_page().await?, Server::with_redirects().await?);
    let allowed = format!("{machine}:{}", opened.port);
    let scene = Scene::start_with(&allowed, with_name(&machine)).await?;
    let targets =
        ["127.0.0.1:9301/health", "169.254.169.254/latest/", "2130706433:9301/", "[::ffff:127.0.0.1]:9301/"];
    let private = format!("intern.test:{}/", server.port);
    let urls = targets.into_iter().chain([&*private]).map(|target| format!("http://{allowed}/{target}"));
    let urls: Vec<_> = urls.collect();
    let result = scene.call(Surface::Chat, READER, "web_extract", json!({ "urls": urls })).await?;
    ensure!(result.matches("refused the connection").count() == urls.len(), "{result}");
    ensure!(opened.connections() == urls.len(), "{} connections", opened.connections());
    ensure!(server.connections() == 0, "{} connections", server.connections());
    // A redirect to the server itself leads there.
    let urls = json!({ "urls": [format!("http://{allowed}/{allowed}/{allowed}/loop")] });
    let result = scene.call(Surface::Chat, READER, "web_extract", urls).await?;
    ensure!(opened.connections() > 6, "{} connections:\n{result}", opened.connections());
    Ok(())
}

#[docker_test]
async fn a_call_outside_of_the_sandbox_reaches_no_unix_socket() -> Result<()> {
    let scene = Scene::start().await?;
    let sockets: Vec<_> =
        direct("127.0.0.1", 1).into_iter().filter(|attempt| attempt.name.contains(".sock")).collect();
    ensure!(sockets.len() == 6, "{sockets:?}");
    scene.must_fail_for(Surface::Chat, LOOSE, &sockets).await
}
