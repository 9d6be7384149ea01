//! Gateways that end by themselves: they restart with a growing delay, and are given up in the end.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, slot_down};
use hermes_harness::{Container, Look, Looked, Output, docker_test, secs};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

use crate::support::gateways::{
    create_and_start, directory, gateway, gateway_is, gateway_other_than, gateways, hermes,
};

async fn start_with_profiles(profiles: &[&str]) -> Result<Container> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, profiles).await?;
    Ok(container)
}

/// Gives a profile the policy for its crashes.
async fn set_policy(container: &Container, profile: &str, policy: &str) -> Result<()> {
    let config = format!("gateway:\n  restart: {policy}\n");
    let write = format!("cat >'{}/config.yaml'", directory(profile));
    container.exec_sh(&write).stdin(config).await?.success();
    Ok(())
}

/// Kills a ready gateway, and returns its PID.
async fn crash(container: &Container, profile: &str) -> Result<u32> {
    let seen =
        container.wait_until(format!("{profile} runs"), gateway_is(profile, "running"), secs(10)).await?;
    let pid = seen.pid.context("it is up")?;
    container.kill_process(pid, "KILL").await?;
    Ok(pid)
}

/// Kills a gateway until it is given up.
async fn crash_until_given_up(container: &Container, profile: &str, crashes: u64) -> Result<()> {
    for crash_number in 1..=crashes {
        let pid = crash(container, profile).await?;
        if crash_number < crashes {
            container.wait_until("it is back", gateway_other_than(profile, pid), secs(10)).await?;
        }
    }
    container.wait_until("it is given up", gateway_is(profile, "given-up"), secs(10)).await?;
    Ok(())
}

/// Returns a probe: the gateway waits after a crash. Just before the wait, its slot is down.
fn is_delayed(profile: &str) -> impl AsyncFn(&Container) -> Looked<()> {
    let slot = format!("gateway-{profile}");
    async move |container: &Container| {
        let slot = container.slot(&slot).await?;
        let waits = slot.as_ref().is_some_and(|slot| slot.up && !slot.ready);
        Ok(Look::holds(waits, || format!("{slot:?}")))
    }
}

/// Returns the log of a gateway: times and lines.
async fn log_lines(container: &Container, profile: &str) -> Result<Vec<(SystemTime, String)>> {
    let path = format!("/opt/data/logs/gateways/{profile}/current");
    let text = String::from_utf8(container.read_file(&path).await?)?;
    let line = |line: &str| {
        let (time, what) = line.split_once("  ")?;
        Some((humantime::parse_rfc3339_weak(time).ok()?, what.to_owned()))
    };
    text.lines().map(|text| line(text).with_context(|| format!("no time in {text:?}"))).collect()
}

/// Returns the log of a gateway as soon as a line contains these words. The logger may lag a little.
async fn wait_for_log_line(
    container: &Container,
    profile: &str,
    words: &[&str],
) -> Result<Vec<(SystemTime, String)>> {
    let says = async |container: &Container| {
        let lines = log_lines(container, profile).await?;
        let said = lines.iter().any(|(_, text)| words.iter().all(|word| text.contains(word)));
        let seen = format!("{lines:#?}");
        Ok(Look::from_option(said.then_some(lines), || seen))
    };
    Ok(container.wait_until(format!("{words:?} in the log of {profile}"), says, secs(10)).await?)
}

/// Returns the time from the last line with `first` to the next line with `then`, by the log's own times.
/// The time that this test needs to look does not count.
async fn time_between(container: &Container, profile: &str, first: &str, then: &str) -> Result<Duration> {
    let both = async |container: &Container| {
        let lines = log_lines(container, profile).await?;
        let begin = lines.iter().rposition(|(_, text)| text.contains(first));
        let found = begin.and_then(|begin| {
            let (end, _) = lines[begin..].iter().find(|(_, text)| text.contains(then))?;
            end.duration_since(lines[begin].0).ok()
        });
        Ok(Look::from_option(found, || format!("{lines:#?}")))
    };
    let what = format!("{first:?}, then {then:?} in the log of {profile}");
    Ok(container.wait_until(what, both, secs(10)).await?)
}

#[docker_test]
async fn a_killed_gateway_restarts_after_a_growing_delay() -> Result<()> {
    let container = start_with_profiles(&["coder", "other"]).await?;
    let other = gateway(&container, "other").await?;
    let port = gateway(&container, "coder").await?.port.context("it has a port")?;
    let pid = crash(&container, "coder").await?;
    let back = container.wait_until("it is back", gateway_other_than("coder", pid), secs(10)).await?;
    ensure!((back.state.as_str(), back.restarts) == ("running", 1), "{back:?}");
    let crashed = "crashed (SIGKILL), 1 of 10 times within 10m: starting it again at once";
    let took = time_between(&container, "coder", crashed, "is ready").await?;
    // s6 keeps one second between two starts. The machine causes the rest.
    ensure!(took < secs(5), "took {took:?}");
    ensure!(container.http_get_inside(port, "/health", &[]).await?.status == 200);

    // The second restart has a delay, and the third a longer one.
    for (number, at_least) in [(2, 1), (3, 2)] {
        let pid = crash(&container, "coder").await?;
        let back = container.wait_until("it is back", gateway_other_than("coder", pid), secs(10)).await?;
        ensure!(back.restarts == number, "{back:?}");
        let again =
            format!("crashed (SIGKILL), {number} of 10 times within 10m: starting it again in {at_least}s");
        let took = time_between(&container, "coder", &again, "is ready").await?;
        ensure!(
            took >= secs(at_least) - Duration::from_millis(50) && took < secs(at_least + 5),
            "{again}: {took:?}"
        );
    }
    let other_now = gateway(&container, "other").await?;
    ensure!((other_now.pid, other_now.restarts) == (other.pid, 0), "{other_now:?}");
    // A restart by the operator is not a crash, and it forgets the earlier crashes.
    hermes(&container, "coder", &["gateway", "restart"]).await?.success();
    let fresh = gateway(&container, "coder").await?;
    ensure!((fresh.state.as_str(), fresh.restarts) == ("running", 0), "{fresh:?}");
    ensure!(container.zombies().await?.is_empty());
    Ok(())
}

/// Crashes a gateway until its restart delay is 64 seconds. This is time for a few looks on a slow machine,
/// and longer than any order that does not wait for the delay.
async fn crash_until_long_delay(container: &Container, profile: &str) -> Result<()> {
    const CRASHES: u64 = 8;
    // One command does it all, because an exec takes longer than a crash.
    const CRASH: &str = r#"slot=/run/service/gateway-$1
        for crash in $(seq "$2"); do
            pid=$(/command/s6-svstat -o pid "$slot") && kill -KILL "$pid" || exit
            until seen=$(/command/s6-svstat -o ready,pid "$slot"); [ "${seen% *}" = true ] && [ "${seen#* }" != "$pid" ]
            do sleep 0.05; done
        done"#;
    set_policy(container, profile, "{max_crashes: 9, window: 600, max_delay: 0}").await?;
    let all_but_one = (CRASHES - 1).to_string();
    let crashes = container.exec(["sh", "-c", CRASH, "sh", profile, &all_but_one]);
    crashes.deadline(secs(60)).await?.success();
    set_policy(container, profile, "{max_crashes: 9, window: 600, max_delay: 100}").await?;
    crash(container, profile).await?;
    container.wait_until("it waits", is_delayed(profile), secs(10)).await?;
    let seen = gateway(container, profile).await?;
    let facts = (seen.state.as_str(), seen.restarts, seen.desired_state.as_deref());
    ensure!(facts == ("crashed", CRASHES, Some("running")), "{seen:?}");
    Ok(())
}

/// Returns the time that an order reports, as in `gateway 'x' is stopped (0.3 s)`. It excludes the time of the engine.
fn reported_seconds(order: &Output) -> Result<f64> {
    let text = order.text();
    let time = text.rsplit_once('(').and_then(|(_, time)| time.strip_suffix(" s)")?.parse().ok());
    time.with_context(|| order.report("a time at the end"))
}

#[docker_test]
async fn a_stop_during_the_back_off_is_immediate() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    crash_until_long_delay(&container, "coder").await?;
    let stop = hermes(&container, "coder", &["gateway", "stop"]).await?.success();
    ensure!(reported_seconds(&stop)? < 4.0, "{}", stop.report("less than four seconds"));
    let down = gateway(&container, "coder").await?;
    ensure!((down.state.as_str(), down.pid, down.problem.as_deref()) == ("stopped", None, None), "{down:?}");
    let slot = container.slot("gateway-coder").await?.context("it has a slot")?;
    ensure!(!slot.up && !slot.wanted_up, "{slot}");
    // The next start forgets the earlier crashes.
    let start = hermes(&container, "coder", &["gateway", "start"]).await?.success();
    ensure!(reported_seconds(&start)? < 10.0, "{}", start.report("less than ten seconds"));
    ensure!(gateway(&container, "coder").await?.restarts == 0);
    Ok(())
}

#[docker_test]
async fn a_start_during_the_back_off_forgets_the_crashes() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    crash_until_long_delay(&container, "coder").await?;
    let start = hermes(&container, "coder", &["gateway", "start"]).await?.success();
    ensure!(reported_seconds(&start)? < 10.0, "{}", start.report("less than ten seconds"));
    let fresh = gateway(&container, "coder").await?;
    ensure!((fresh.state.as_str(), fresh.restarts) == ("running", 0), "{fresh:?}");
    Ok(())
}

#[docker_test]
async fn repeated_crashes_end_in_given_up_until_the_next_start() -> Result<()> {
    let container = start_with_profiles(&["coder", "other"]).await?;
    set_policy(&container, "coder", "{max_crashes: 3, window: 60, max_delay: 1}").await?;
    crash_until_given_up(&container, "coder", 3).await?;
    let reason = "it crashed 3 times within 1m, at last with SIGKILL";
    let seen = gateway(&container, "coder").await?;
    ensure!((seen.problem.as_deref(), seen.restarts, seen.pid) == (Some(reason), 2, None), "{seen:?}");
    ensure!(seen.desired_state.as_deref() == Some("running"), "the intent is the operator's: {seen:?}");
    let list = container.exec(["hermes", "gateway", "list"]).await?.success();
    list.stdout_matches(contains("given-up").and(contains(format!("coder: {reason}"))));
    let slot = container.wait_until("it is down", slot_down("gateway-coder"), secs(10)).await?;
    ensure!(!slot.wanted_up, "{slot}");
    let told = format!("gateway-coder: gateway 'coder' is given up: {reason}");
    container.wait_until("it is told", log_says(&told), secs(10)).await?;
    let lines = wait_for_log_line(&container, "coder", &["given up", reason]).await?;
    // The log has only a few lines per crash.
    ensure!(lines.len() <= 12, "{lines:#?}");
    ensure!(gateway(&container, "other").await?.state == "running");

    // A start by the operator gives a new chance with a clean record.
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    let fresh = gateway(&container, "coder").await?;
    ensure!(
        (fresh.state.as_str(), fresh.restarts, fresh.problem.as_deref()) == ("running", 0, None),
        "{fresh:?}"
    );
    // A restart of the container does the same.
    crash_until_given_up(&container, "coder", 3).await?;
    container.restart().await?;
    container.ready().await?;
    let fresh = container.wait_until("it is back", gateway_is("coder", "running"), secs(10)).await?;
    ensure!((fresh.restarts, fresh.problem.as_deref()) == (0, None), "{fresh:?}");
    Ok(())
}

#[docker_test]
async fn health_reports_a_given_up_gateway() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    set_policy(&container, "coder", "{max_crashes: 1, window: 60, max_delay: 1}").await?;
    container.exec(["hermes", "health"]).await?.success();
    crash_until_given_up(&container, "coder", 1).await?;
    let ill = container.exec(["hermes", "health"]).await?.code(1);
    ill.stdout_matches(contains("coder"));
    // A new start makes it healthy.
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

#[docker_test]
async fn a_given_up_gateway_can_be_stopped() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    set_policy(&container, "coder", "{max_crashes: 1, window: 60, max_delay: 1}").await?;
    crash_until_given_up(&container, "coder", 1).await?;
    hermes(&container, "coder", &["gateway", "stop"]).await?.success();
    let stopped = gateway(&container, "coder").await?;
    ensure!(
        (stopped.state.as_str(), stopped.desired_state.as_deref()) == ("stopped", Some("stopped")),
        "{stopped:?}"
    );
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

#[docker_test]
async fn health_reports_a_gateway_in_back_off() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    crash_until_long_delay(&container, "coder").await?;
    let ill = container.exec(["hermes", "health"]).await?.code(1);
    ill.stdout_matches(contains("coder"));
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

#[docker_test]
async fn a_broken_configuration_is_tried_once_per_boot() -> Result<()> {
    let container = start_with_profiles(&["coder", "other"]).await?;
    // The gateway runs, but would not start again.
    let broken = "printf 'gateway: [\\n' >/opt/data/profiles/coder/config.yaml";
    container.exec_sh(broken).await?.success();
    crash(&container, "coder").await?;
    for chance in ["after the crash", "after the restart"] {
        let given_up = gateway_is("coder", "given-up");
        let seen = container.wait_until(chance, given_up, secs(10)).await?;
        let problem = seen.problem.as_deref().unwrap_or_default();
        ensure!(problem.contains("config.yaml") && problem.contains("line"), "{chance}: {seen:?}");
        ensure!(seen.desired_state.as_deref() == Some("running"), "{chance}: {seen:?}");
        let slot = container.slot("gateway-coder").await?.context("it has a slot")?;
        ensure!((slot.up, slot.wanted_up, slot.exit_code) == (false, false, Some(78)), "{chance}: {slot}");
        let expected = if chance == "after the crash" { 1 } else { 2 };
        let told = async |container: &Container| {
            let lines = log_lines(container, "coder").await?;
            let tries = lines.iter().filter(|(_, text)| text.contains("the gateway does not run")).count();
            Ok(match tries {
                tries if tries < expected => Look::NotYet(format!("{lines:#?}")),
                tries if tries > expected => Look::Never(format!("{tries} tries: {lines:#?}")),
                _ => Look::Value(()),
            })
        };
        container.wait_until(format!("{expected} tries {chance}"), told, secs(10)).await?;
        if chance == "after the crash" {
            container.restart().await?;
            container.ready().await?;
        }
    }
    container.wait_until("the other is up", gateway_is("other", "running"), secs(10)).await?;
    container.exec_sh("rm /opt/data/profiles/coder/config.yaml").await?.success();
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    let corrected = gateway(&container, "coder").await?;
    ensure!((corrected.state.as_str(), corrected.problem.as_deref()) == ("running", None), "{corrected:?}");
    Ok(())
}

#[docker_test]
async fn a_gateway_restarts_after_any_signal() -> Result<()> {
    let container = start_with_profiles(&["coder"]).await?;
    set_policy(&container, "coder", "{max_crashes: 9, window: 600, max_delay: 0}").await?;
    for (number, signal) in (1..).zip(["ABRT", "ILL", "FPE"]) {
        let pid = gateway(&container, "coder").await?.pid.context("it is up")?;
        container.kill_process(pid, signal).await?;
        let back = container.wait_until("it is back", gateway_other_than("coder", pid), secs(10)).await?;
        ensure!(back.restarts == number, "after SIG{signal}: {back:?}");
        wait_for_log_line(&container, "coder", &[&format!("crashed (SIG{signal})")]).await?;
    }
    // A foreign SIGTERM ends the gateway cleanly. Its desired state is running, so it restarts.
    let pid = gateway(&container, "coder").await?.pid.context("it is up")?;
    container.kill_process(pid, "TERM").await?;
    let back = container.wait_until("it is back", gateway_other_than("coder", pid), secs(10)).await?;
    ensure!(back.restarts == 3, "{back:?}");
    Ok(())
}

#[docker_test]
async fn all_gateways_that_crash_at_once_come_back() -> Result<()> {
    let container = start_with_profiles(&["one", "two", "three", "four", "five"]).await?;
    let before = gateways(&container).await?;
    let pids: Vec<_> = before.iter().filter_map(|gateway| Some(gateway.pid?.to_string())).collect();
    ensure!(pids.len() == 5, "{before:?}");
    container.exec_sh(&format!("kill -KILL {}", pids.join(" "))).await?.success();
    let back = async |container: &Container| {
        let now = gateways(container).await?;
        let well = now.iter().filter(|gateway| gateway.ready && gateway.restarts == 1).count();
        Ok(Look::holds(well == 5, || format!("{now:?}")))
    };
    container.wait_until("all are back", back, secs(10)).await?;
    Ok(())
}
