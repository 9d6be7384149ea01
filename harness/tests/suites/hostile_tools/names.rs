//! Names whose addresses change between two look-ups, with a real name server in the container.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, docker_test, secs};
use serde_json::json;

use super::network::BY_PROXY;
use super::scene::{ATTACKER, PORTS, READER, Scene, Surface};

/// The name server of the container: DNS over UDP (RFC 1035). The first label of a name is its rule: the addresses of its look-ups,
/// one after the other, in hexadecimal. Each answer may be kept for 0 s. It writes the names that it was asked for to `/tmp/asked`.
const NAME_SERVER: &str = r#"
use strict; use Socket;
socket(my $s, 2, 2, 0) or die $!; bind($s, pack_sockaddr_in(53, inet_aton('127.0.0.1'))) or die $!;
open(my $log, '>>', '/tmp/asked') or die $!; $log->autoflush(1) if $log->can('autoflush'); select($log); $| = 1; print "ready\n";
my %asked;
while (my $from = recv($s, my $question, 512, 0)) {
  my ($at, @labels) = (12);
  while (my $length = ord substr($question, $at, 1)) { push @labels, substr($question, $at + 1, $length); $at += $length + 1 }
  my $kind = unpack 'n', substr($question, $at + 1, 2);
  my ($answers, $count) = ('', 0);
  my @all = split /-/, lc $labels[0];
  my $size = $kind == 1 ? 8 : $kind == 28 ? 32 : 0;
  my @fits = grep { length == $size } @all;
  if (@fits) {
    my $address = pack 'H*', $fits[$asked{"@labels $kind"}++ % @fits];
    ($answers, $count) = (pack('nnnNn', 0xc00c, $kind, 1, 0, length $address) . $address, 1);
  }
  print "$kind @labels\n";
  send($s, substr($question, 0, 2) . pack('nnnnn', 0x8580, 1, $count, 0, 0) . substr($question, 12, $at + 5 - 12) . $answers, 0, $from);
}
"#;

/// 192.31.196.1: an address of the public internet (RFC 7535) at which no server waits for this test.
const PUBLIC: &str = "c01fc401";
const LOOPBACK: &str = "7f000001";
const METADATA: &str = "a9fea9fe";
const MAPPED_LOOPBACK: &str = "00000000000000000000ffff7f000001";
const MAPPED_METADATA: &str = "00000000000000000000ffffa9fea9fe";
const IPV6_LOOPBACK: &str = "00000000000000000000000000000001";

/// The gateway's answer to a name that is not its own.
const REACHED: &str = "host_not_allowed";

async fn scene() -> Result<Scene> {
    // The tools of the reader may connect to the gateway: the control.
    let scene = Scene::start_with(&format!("127.0.0.1:{}", PORTS[1]), |builder| {
        builder.file("/usr/local/lib/names.pl", 0o644, NAME_SERVER).tune(|_, settings| {
            settings.dns = Some(vec!["127.0.0.1".to_owned()]);
            settings.dns_search = Some(vec![".".to_owned()]);
        })
    })
    .await?;
    scene
        .container
        .exec_sh("setsid perl /usr/local/lib/names.pl >/dev/null 2>&1 &")
        .as_root()
        .await?
        .success();
    let waits = async |container: &Container| {
        let asked = container.exec(["cat", "/tmp/asked"]).await?.either_way();
        Ok(Look::holds(asked.stdout().contains("ready"), || asked.stderr()))
    };
    scene.container.wait_until("the name server waits", waits, secs(20)).await?;
    Ok(scene)
}

/// Returns the number of look-ups of IPv4 addresses of this name.
async fn look_ups(scene: &Scene, name: &str) -> Result<usize> {
    let asked = scene.container.exec(["cat", "/tmp/asked"]).await?.success().stdout();
    let label = name.split('.').next().unwrap_or_default();
    Ok(asked.lines().filter(|line| line.starts_with("1 ") && line.contains(label)).count())
}

#[docker_test]
async fn a_name_that_turns_private_reaches_no_server() -> Result<()> {
    let scene = scene().await?;
    // The odd look-ups find the internet, the even ones this container. A second look-up for the connection would lead there.
    for (private, surface) in [(LOOPBACK, Surface::Gateway), (METADATA, Surface::Chat)] {
        let name = format!("{PUBLIC}-{private}.test");
        let url = format!("{name}:{}/health", PORTS[1]);
        let script = format!("{BY_PROXY}by_proxy http://{url} GET; by_proxy http://{url} GET");
        let result = scene.command(surface, ATTACKER, &script).await?;
        let answers: Vec<_> = result.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        ensure!(answers.len() == 2, "{result}");
        ensure!(!answers[0].contains("200 OK") && !answers[0].contains("refused the connection"), "{result}");
        ensure!(answers[1].starts_with("HTTP/1.1 403"), "{result}");
        ensure!(!result.contains(REACHED), "{result}");
        ensure!(look_ups(&scene, &name).await? == 2, "each request looks the name up once");
        let page = || json!({ "urls": [format!("http://{url}")] });
        let first = scene.call(surface, ATTACKER, "web_extract", page()).await?;
        ensure!(!first.contains("refused the connection") && !first.contains(REACHED), "{first}");
        let second = scene.call(surface, ATTACKER, "web_extract", page()).await?;
        ensure!(second.contains("refused the connection"), "{second}");
    }
    Ok(())
}

#[docker_test]
async fn a_name_of_a_private_address_reaches_no_server() -> Result<()> {
    let scene = scene().await?;
    for private in [LOOPBACK, METADATA, MAPPED_LOOPBACK, MAPPED_METADATA, IPV6_LOOPBACK] {
        let url = format!("{private}.test:{}/health", PORTS[1]);
        let script =
            format!("{BY_PROXY}by_proxy http://{url} GET; by_proxy {private}.test:{} CONNECT", PORTS[1]);
        let result = scene.command(Surface::Gateway, ATTACKER, &script).await?;
        ensure!(result.matches("HTTP/1.1 403").count() == 2, "{private}: {result}");
        let page = json!({ "urls": [format!("http://{url}")] });
        let result = scene.call(Surface::Gateway, ATTACKER, "web_extract", page).await?;
        ensure!(result.contains("refused the connection"), "{private}: {result}");
    }
    // The name server works: a name leads to the address that the operator opened.
    let url = format!("http://{LOOPBACK}.test:{}/health", PORTS[1]);
    let result = scene.command(Surface::Chat, READER, &format!("{BY_PROXY}by_proxy {url} GET")).await?;
    ensure!(result.contains(REACHED), "{result}");
    Ok(())
}
