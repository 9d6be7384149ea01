//! The output of a gateway: the container's log has it with the slot's name, and a file of limited size has it with the
//! time.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, slot_pid_other_than, slot_ready};
use hermes_harness::{Container, Look, docker_test, secs};

use crate::support::driving::{hermes, look, ready_pid, up_with};

/// Returns the log directory of a profile's gateway.
fn log_directory(profile: &str) -> String {
    format!("/opt/data/logs/gateways/{profile}")
}

async fn current_log(container: &Container, profile: &str) -> Result<String> {
    let bytes = container.read_file(&format!("{}/current", log_directory(profile))).await?;
    Ok(String::from_utf8(bytes)?)
}

/// Checks that a line begins with a time in UTC (`2026-11-24 12:13:46.394391143  line`), and returns the rest.
fn without_time(line: &str) -> Result<&str> {
    let (time, rest) = line.split_once("  ").with_context(|| format!("no time: {line:?}"))?;
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ensure!(shape == "0000-00-00 00:00:00.000000000", "{line:?}");
    Ok(rest)
}

/// Returns the process of the logger of a profile's gateway.
async fn logger(container: &Container, profile: &str) -> Result<u32> {
    let slot = container.slot(&format!("/run/service/gateway-{profile}/log")).await?;
    slot.and_then(|slot| slot.pid).context("the logger is up")
}

/// Writes the output of a shell script to the gateway's logger.
async fn print(container: &Container, profile: &str, script: &str) -> Result<()> {
    let pid = logger(container, profile).await?;
    container.exec_sh(&format!("{{ {script}; }} >/proc/{pid}/fd/0")).deadline(secs(60)).await?.success();
    Ok(())
}

/// Waits until the file `current` has this line.
async fn wait_for_line(container: &Container, profile: &str, line: &str) -> Result<()> {
    let has = async |container: &Container| {
        let log = current_log(container, profile).await?;
        let found = log.lines().any(|each| without_time(each).is_ok_and(|each| each == line));
        Ok(Look::holds(found, || log.chars().rev().take(500).collect::<Vec<_>>().iter().rev().collect()))
    };
    Ok(container.wait_until(format!("{line:?} in the log of {profile}"), has, secs(10)).await?)
}

#[docker_test]
async fn gateway_lines_reach_the_container_log_and_the_file() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for words in ["gateway start", "-p coder gateway start", "-p coder gateway stop"] {
        hermes(&container, words).await?.success();
    }
    for (profile, last) in [("default", "gateway 'default' is ready: "), ("coder", "stopped")] {
        container.wait_until(last, log_says(&format!("gateway-{profile}: {last}")), secs(10)).await?;
        let log = current_log(&container, profile).await?;
        let own = log.lines().map(without_time).collect::<Result<Vec<_>>>()?;
        ensure!(own.first().is_some_and(|line| line.starts_with(&format!("gateway '{profile}' is ready: "))));
        ensure!(own.last().is_some_and(|line| line.starts_with(last)), "{own:?}");
        // Stdout has the same lines in the same order, and no others under this name.
        let (stdout, _) = container.logs().await?;
        let prefix = format!("gateway-{profile}: ");
        let shown: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
        ensure!(shown == own, "in docker logs {shown:?}, in current {own:?}");
    }
    let now: u64 = look(&container, "date +%s").await?.parse()?;
    let line = current_log(&container, "coder").await?;
    let time = line.get(..19).context("a time")?;
    let logged: u64 = look(&container, &format!("date -u -d '{time}' +%s")).await?.parse()?;
    ensure!(logged <= now && now - logged < 120, "{time} is not the time that it was");

    let facts =
        container.file(&format!("{}/current", log_directory("coder"))).await?.context("it is there")?;
    ensure!(facts.owner == "hermes", "{facts:?}");

    // The next start appends to the same file: a start does not rotate the log.
    let before = current_log(&container, "default").await?;
    container.restart().await?;
    container.ready().await?;
    container.wait_until("it is ready again", slot_ready("gateway-default"), secs(10)).await?;
    let again = async |container: &Container| {
        let now = current_log(container, "default").await?;
        let goes_on = now.starts_with(&before) && now.matches("is ready: ").count() == 2;
        Ok(Look::holds(goes_on, || now.clone()))
    };
    container.wait_until("its log goes on", again, secs(10)).await?;
    let files = look(&container, &format!("ls -x {}", log_directory("default"))).await?;
    ensure!(files.split_ascii_whitespace().eq(["current", "lock", "state"]), "{files}");
    Ok(())
}

#[docker_test]
async fn failures_are_in_the_log() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    container.exec_sh("echo 'gateway: [' >/opt/data/profiles/coder/config.yaml").await?.success();
    hermes(&container, "-p coder gateway start").await?.failure();
    wait_for_line(&container, "coder", "caused by: failed to parse /opt/data/profiles/coder/config.yaml")
        .await?;
    let said = "gateway-coder: gateway 'coder' is given up: it cannot run with its configuration";
    container.wait_until("what became of it", log_says(said), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn a_log_keeps_ten_old_files_of_a_megabyte() -> Result<()> {
    const LINES: usize = 150_000;
    let container = up_with(&[]).await?;
    hermes(&container, "gateway start").await?.success();
    // The script writes 15 MB in portions: the logger does not divide one portion.
    let script = format!(
        "seq -f '%07.0f of many lines of a gateway that has nothing to say and says it' {LINES} |
            while dd bs=65536 count=1 iflag=fullblock of=/tmp/portion 2>/dev/null && [ -s /tmp/portion ]; do
                cat /tmp/portion; sleep 0.01
            done"
    );
    print(&container, "default", &script).await?;
    let last = format!("{LINES:07} of many lines of a gateway that has nothing to say and says it");
    wait_for_line_in_any_file(&container, &last).await?;

    let sizes =
        look(&container, &format!("stat -c '%s %n' {}/@* {0}/current", log_directory("default"))).await?;
    let sizes: Vec<u64> = sizes
        .lines()
        .map(|line| Ok(line.split(' ').next().context("a size")?.parse()?))
        .collect::<Result<_>>()?;
    ensure!(sizes.len() == 11, "{} files: {sizes:?}", sizes.len());
    ensure!(sizes[..10].iter().all(|size| (990_000..1_500_000).contains(size)), "{sizes:?}");
    ensure!(sizes[10] < 1_500_000, "current: {sizes:?}");
    // The log lost its oldest lines, and has no gap.
    let numbers = format!(
        "cd {} && cat @* current | cut -c 32-38 | grep -E '^[0-9]{{7}}$' | sed 's/^0*//' >/tmp/numbers
         head -n 1 /tmp/numbers; tail -n 1 /tmp/numbers; wc -l </tmp/numbers",
        log_directory("default")
    );
    let numbers = look(&container, &numbers).await?;
    let numbers: Vec<usize> = numbers.lines().map(|line| Ok(line.trim().parse()?)).collect::<Result<_>>()?;
    let [first, last, count] = numbers[..] else { anyhow::bail!("{numbers:?}") };
    ensure!(first > 1 && last == LINES && count == last - first + 1, "{first} to {last}, {count} lines");
    ready_pid(&container, "default").await?;
    Ok(())
}

async fn wait_for_line_in_any_file(container: &Container, line: &str) -> Result<()> {
    let has = async |container: &Container| {
        let found = container.exec(["grep", "-rqF", line, &log_directory("default")]).await?.either_way();
        Ok(Look::holds(found.exit_code() == 0, || "not there".to_owned()))
    };
    Ok(container.wait_until(format!("{line:?} in a log"), has, secs(20)).await?)
}

#[docker_test]
async fn a_killed_logger_returns_without_a_gateway_restart() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    hermes(&container, "-p coder gateway start").await?.success();
    let gateway = ready_pid(&container, "coder").await?;
    // A kill loses the lines that the logger has not written, so the first line has to be written before.
    container
        .wait_until("the first line", log_says("gateway-coder: gateway 'coder' is ready"), secs(10))
        .await?;
    let killed = logger(&container, "coder").await?;
    container.kill_process(killed, "KILL").await?;
    let slot = "/run/service/gateway-coder/log";
    container.wait_until("the logger is back", slot_pid_other_than(slot, killed), secs(10)).await?;
    ensure!(ready_pid(&container, "coder").await? == gateway, "another gateway");
    hermes(&container, "-p coder gateway stop").await?.success();
    wait_for_line(&container, "coder", "stopped").await?;
    // The new logger renames the file that the killed logger left.
    let all = look(&container, &format!("cd {} && cat @*.u current", log_directory("coder"))).await?;
    let own = all.lines().map(without_time).collect::<Result<Vec<_>>>()?;
    let [ready, draining, stopped] = own[..] else { anyhow::bail!("{own:?}") };
    ensure!(
        ready.contains("is ready") && draining.starts_with("draining") && stopped == "stopped",
        "{own:?}"
    );
    Ok(())
}

/// Checks that a gateway without a log file serves, and that the container's log has all of its lines.
async fn check_gateway_without_log(container: &Container, why: &str) -> Result<()> {
    hermes(container, "-p coder gateway start").await?.success();
    let gateway = ready_pid(container, "coder").await?;
    let (prefixed, deadline) = ("gateway-coder: gateway 'coder' is ready", secs(10));
    container.wait_until("the first line", log_says(prefixed), deadline).await?;
    container.wait_until("why it is not kept", log_says(why), deadline).await?;
    // The output is larger than a pipe.
    print(container, "coder", "seq -f 'line %.0f of many that nobody keeps' 5000").await?;
    container.wait_until("the last", log_says("gateway-coder: line 5000 of many"), deadline).await?;
    ensure!(ready_pid(container, "coder").await? == gateway, "another gateway");
    hermes(container, "-p coder gateway stop").await?.success();
    Ok(())
}

#[docker_test]
async fn a_gateway_runs_with_a_file_as_log_directory() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    let script = format!("mkdir -p /opt/data/logs/gateways && echo mine >{}", log_directory("coder"));
    container.exec_sh(&script).await?.success();
    check_gateway_without_log(&container, "/opt/data/logs/gateways/coder").await?;
    ensure!(
        look(&container, &format!("cat {}", log_directory("coder"))).await? == "mine",
        "the file was changed"
    );
    Ok(())
}

#[docker_test]
async fn a_gateway_runs_with_an_unwritable_log_directory() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    // The directory belongs to root: hermes could write to its own directory.
    let script = format!("mkdir -p {0} && chown root:root {0} && chmod 555 {0}", log_directory("coder"));
    container.exec_sh(&script).as_root().await?.success();
    check_gateway_without_log(&container, "/opt/data/logs/gateways/coder").await
}
