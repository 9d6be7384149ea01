//! Attacks on the container's log. Services cannot change the streams of the container's command. A slow log reader
//! costs no memory and no disk, and the log counts each dropped line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use hermes_harness::probe::{Process, log_says, process_table, slot_pid_other_than};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs, wait_until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};

use crate::support::driving::{create, hermes, look, ready_pid, up_with};

/// A syslog server that accepts connections, and reads from them only after a notification.
struct Sink {
    address: String,
    read: Arc<Notify>,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Sink {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("tcp://{}", listener.local_addr()?);
        let sink = Self { address, read: Arc::default(), got: Arc::default() };
        let (read, got) = (sink.read.clone(), sink.got.clone());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            read.notified().await;
            let mut buffer = vec![0; 65536];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok::<(), std::io::Error>(());
                }
                got.lock().await.extend_from_slice(&buffer[..count]);
            }
        });
        Ok(sink)
    }

    fn logs_of(&self, builder: ContainerBuilder) -> ContainerBuilder {
        builder.log_driver("syslog", &[("syslog-address", &self.address)])
    }

    /// Returns the received lines without the prefix of syslog.
    async fn lines(&self) -> Vec<String> {
        let got = String::from_utf8_lossy(&self.got.lock().await).into_owned();
        got.lines().filter_map(|line| Some(line.split_once("]: ")?.1.to_owned())).collect()
    }
}

/// Returns the process of the logger of a profile's gateway.
async fn logger(container: &Container, profile: &str) -> Result<u32> {
    let slot = container.slot(&format!("/run/service/gateway-{profile}/log")).await?;
    slot.and_then(|slot| slot.pid).context("the logger is up")
}

/// Writes numbered lines to a gateway's logger, as fast as it reads them.
async fn print(container: &Container, profile: &str, lines: usize) -> Result<()> {
    let pid = logger(container, profile).await?;
    let script = format!("seq -f '{profile} says line %08.0f, and nothing else' {lines} >/proc/{pid}/fd/0");
    container.exec_sh(&script).deadline(secs(60)).await?.success();
    Ok(())
}

fn line(profile: &str, number: usize) -> String {
    format!("gateway-{profile}: {profile} says line {number:08}, and nothing else")
}

/// Returns the number of dropped lines that a marker reports.
fn dropped(line: &str) -> Option<usize> {
    let (number, rest) = line.strip_prefix("hermes: ")?.split_once(' ')?;
    rest.ends_with("dropped: the container's log reader is too slow").then(|| number.parse().ok())?
}

/// Checks that the lines of a profile are whole and in order. Returns their number.
fn count_of_whole_lines<'l>(profile: &str, lines: impl Iterator<Item = &'l str>) -> Result<usize> {
    let (mut count, mut last) = (0, 0);
    for each in lines.filter(|line| line.contains("says line") && line.contains(profile)) {
        let number = each.split(' ').nth(4).and_then(|word| word.trim_end_matches(',').parse().ok());
        let number: usize = number.with_context(|| format!("not a whole line: {each:?}"))?;
        ensure!(each == line(profile, number), "not a whole line: {each:?}");
        ensure!(number > last, "{number} comes after {last}");
        (count, last) = (count + 1, number);
    }
    Ok(count)
}

/// Returns the peak memory of a process in KiB.
async fn peak_memory(container: &Container, pid: u32) -> Result<u64> {
    let status = look(container, &format!("cat /proc/{pid}/status")).await?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

async fn forwarder(container: &Container) -> Result<Process> {
    let found = container.processes_named("log-forwarder").await?;
    match &found[..] {
        [one] => Ok(one.clone()),
        _ => bail!("not exactly one forwarder:\n{}", process_table(&found)),
    }
}

#[docker_test]
async fn a_stalled_log_reader_costs_only_lines_that_are_counted() -> Result<()> {
    const LINES: usize = 1_200_000;
    let sink = Sink::start().await?;
    let container = sink.logs_of(Container::builder().cmd(["sleep", "infinity"])).start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    let gateway = ready_pid(&container, "default").await?;
    print(&container, "default", LINES).await?;

    let (logger, forwarder) = (logger(&container, "default").await?, forwarder(&container).await?.pid);
    for (name, pid, limit) in [("logger", logger, 8 << 10), ("forwarder", forwarder, 16 << 10)] {
        let peak = peak_memory(&container, pid).await?;
        ensure!(peak < limit, "the {name} took {peak} KiB");
    }
    let sizes = look(&container, "stat -c %s /opt/data/logs/gateways/default/*").await?;
    let sizes: Vec<u64> = sizes.lines().map(|size| Ok(size.parse()?)).collect::<Result<_>>()?;
    ensure!(sizes.iter().all(|&size| size < 1_100_000), "file sizes {sizes:?}");
    ensure!(sizes.iter().sum::<u64>() < 11_500_000, "file sizes {sizes:?}");
    ensure!(ready_pid(&container, "default").await? == gateway, "another gateway");

    // The reader recovers: it gets the kept lines, the number of dropped lines, and the new lines.
    sink.read.notify_one();
    let counted = async |_: &Container| {
        let lines = sink.lines().await;
        let said: usize = lines.iter().filter_map(|line| dropped(line)).sum();
        let seen = count_of_whole_lines("default", lines.iter().map(String::as_str)).unwrap_or(0);
        Ok(Look::holds(said > 0 && said + seen >= LINES, || format!("{seen} lines and {said} dropped")))
    };
    container.wait_until("every line is there or counted", counted, secs(30)).await?;
    hermes(&container, "gateway stop").await?.success();
    let last = async |_: &Container| {
        let lines = sink.lines().await;
        let last = lines.last().cloned().unwrap_or_default();
        Ok(Look::holds(last == "gateway-default: stopped", || format!("last of {}: {last}", lines.len())))
    };
    container.wait_until("the last words of the gateway", last, secs(10)).await?;
    let lines = sink.lines().await;
    let said: usize = lines.iter().filter_map(|line| dropped(line)).sum();
    let seen = count_of_whole_lines("default", lines.iter().map(String::as_str))?;
    // The first line of the gateway itself may be among the dropped lines.
    ensure!((LINES..=LINES + 1).contains(&(seen + said)), "{seen} lines and {said} dropped");
    Ok(())
}

#[docker_test]
async fn a_stalled_log_reader_delays_no_stop() -> Result<()> {
    let sink = Sink::start().await?;
    let container = sink.logs_of(Container::builder().cmd(["sleep", "infinity"])).start_ready().await?;
    hermes(&container, "gateway start").await?.success();
    print(&container, "default", 600_000).await?;
    let pid = container.inspect().await?.state.and_then(|state| state.pid).context("it runs")?;
    container.kill("TERM").await?;
    // The engine reports the end only after its own logger has written all lines, and here it cannot write.
    let gone = async || {
        let runs = Path::new(&format!("/proc/{pid}")).exists();
        Ok(Look::holds(!runs, || format!("{pid} runs")))
    };
    wait_until("the container's first process is gone", gone, secs(4)).await?;
    sink.read.notify_one();
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 143, "exit code {code}");
    Ok(())
}

#[docker_test]
async fn lines_of_busy_gateways_stay_whole_and_in_order() -> Result<()> {
    const LINES: usize = 150_000;
    let profiles = ["default", "one", "two"];
    // The option keeps the whole log, regardless of the engine's settings.
    let builder = Container::builder().cmd(["sleep", "infinity"]);
    let container = builder.log_driver("json-file", &[("max-size", "1g")]).start_ready().await?;
    create(&container, &profiles[1..]).await?;
    hermes(&container, "gateway start --all").await?.success();
    let [first, second, third] = profiles;
    tokio::try_join!(
        print(&container, first, LINES),
        print(&container, second, LINES),
        print(&container, third, LINES)
    )?;
    container.stop().await?;
    let (stdout, _) = container.logs().await?;
    let said: usize = stdout.lines().filter_map(dropped).sum();
    let mut seen = 0;
    for profile in profiles {
        seen += count_of_whole_lines(profile, stdout.lines())?;
        ensure!(stdout.contains(&format!("gateway-{profile}: stopped\n")), "the last words of {profile}");
    }
    ensure!(seen + said >= LINES * 3, "{seen} lines and {said} dropped of {}", LINES * 3);
    ensure!(seen + said <= LINES * 3 + 12, "{seen} lines and {said} dropped of {}", LINES * 3);
    Ok(())
}

/// A service of the account that makes each of its streams non-blocking.
const MEDDLER: &str = r#"mkdir -p /run/service/meddler && cat >/run/service/meddler/run <<'END'
#!/usr/bin/perl
use Fcntl;
for my $number (0 .. 9) {
    open(my $stream, "+<&=", $number) or open($stream, ">&=", $number) or next;
    my $flags = fcntl($stream, F_GETFL, 0) or next;
    fcntl($stream, F_SETFL, $flags | O_NONBLOCK);
}
open(my $done, ">", "/tmp/meddled");
close($done);
sleep 1000;
END
chmod 755 /run/service/meddler/run && /command/s6-svscanctl -a /run/service"#;

fn interactive_sleep() -> ContainerBuilder {
    Container::builder().interactive().cmd(["sleep", "4711"])
}

#[docker_test]
#[case::pipes(interactive_sleep())]
#[case::terminal(interactive_sleep().tty())]
#[case::pipes_without_root(interactive_sleep().user("10000:10000"))]
#[case::terminal_without_root(interactive_sleep().user("10000:10000").tty())]
async fn a_service_cannot_make_the_commands_streams_non_blocking(
    #[case] builder: ContainerBuilder,
) -> Result<()> {
    let container = builder.start_ready().await?;
    container.exec_sh(MEDDLER).await?.success();
    let meddled = async |container: &Container| {
        let there = container.file("/tmp/meddled").await?.is_some();
        Ok(Look::holds(there, || "not yet".to_owned()))
    };
    container.wait_until("the service has done it", meddled, secs(10)).await?;
    let processes = container.processes().await?;
    let command = processes.iter().find(|process| process.argv == ["sleep", "4711"]);
    let command = command.with_context(|| process_table(&processes))?.pid;
    for stream in 0..3 {
        let script = format!("grep flags: /proc/{command}/fdinfo/{stream}");
        let flags = container.exec_sh(&script).await?.success().text();
        let flags = flags.split_whitespace().last().context("flags")?;
        let flags = u32::from_str_radix(flags, 8)?;
        ensure!(flags & 0o4000 == 0, "stream {stream} has the flags {flags:o}");
    }
    Ok(())
}

#[docker_test]
async fn hermes_cannot_end_the_forwarder_and_killed_ones_return() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    hermes(&container, "-p coder gateway start").await?.success();
    let first_logger = logger(&container, "coder").await?;
    let before = forwarder(&container).await?;
    ensure!(before.uid == 0, "{}", process_table(&[before]));
    let pid = before.pid;
    container.exec_sh(&format!("kill -KILL {pid}")).await?.failure();
    container.kill_process(pid, "KILL").await?;
    let another = async |container: &Container| {
        let found = container.processes_named("log-forwarder").await?;
        let back = matches!(&found[..], [one] if one.pid != pid);
        Ok(Look::holds(back, || process_table(&found)))
    };
    container.wait_until("another forwarder", another, secs(10)).await?;
    // The lines of older loggers reach the log again, as those of new loggers do.
    let slot = "/run/service/gateway-coder/log";
    container.wait_until("another logger", slot_pid_other_than(slot, first_logger), secs(10)).await?;
    print(&container, "coder", 10).await?;
    container.wait_until("lines of the old gateway", log_says(&line("coder", 10)), secs(10)).await?;
    hermes(&container, "gateway start").await?.success();
    let said = log_says("gateway-default: gateway 'default' is ready");
    container.wait_until("the first line of the new gateway", said, secs(10)).await?;
    container.stop().await?;
    let log = container.log().await?;
    for profile in ["coder", "default"] {
        ensure!(
            log.contains(&format!("gateway-{profile}: stopped\n")),
            "the last line of {profile} in {log}"
        );
    }
    Ok(())
}
