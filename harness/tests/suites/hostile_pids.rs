//! An agent takes every PID of the container. The stop stays orderly and quick, since it needs no new process.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};

use crate::support::driving::{create, hermes, ready_pid, wanted_and_said};
use crate::support::gateways::gateway_is;
use crate::support::own_services::{FINISH, OwnServices};

/// The limit of the container's PIDs.
const LIMIT: i64 = 60;

/// The longest time for a stop. Docker waits ten seconds.
const QUICK: Duration = Duration::from_secs(5);

/// Starts children until no PID is left, and makes a file then. Takes each PID that becomes free, at most 300.
const TAKE_ALL: &str = r#"perl -e '
    my ($children, $said) = (0, 0);
    while ($children < 300) {
        my $child = fork;
        if (!defined $child) {
            if (!$said) { open my $full, ">", "/tmp/full"; close $full; $said = 1; }
            select undef, undef, undef, 0.002;
        } elsif ($child) { $children++; } else { sleep 300; exit; }
    }' >/dev/null 2>&1 &"#;

fn builder() -> ContainerBuilder {
    Container::builder().pids_limit(LIMIT).cmd(["sleep", "infinity"])
}

/// Takes every PID as the account. Afterwards `docker exec` fails, since it needs a PID, too.
async fn take_all_pids(container: &Container) -> Result<()> {
    container.exec_sh(TAKE_ALL).await?.success();
    let full = async |container: &Container| {
        let said = container.copy_out("/tmp/full").await?.is_some();
        Ok(Look::holds(said, || "there are PIDs left".to_owned()))
    };
    Ok(container.wait_until("all PIDs are taken", full, secs(10)).await?)
}

/// Stops the container. Checks that it ends in time with the exit code of a stop, and returns its log.
async fn stop_quickly(container: &Container) -> Result<String> {
    let began = Instant::now();
    container.stop().await?;
    let took = began.elapsed();
    let (code, log) = (container.wait_exit(secs(1)).await?, container.log().await?);
    ensure!(code == 143, "exit code {code} after {took:?}, expected 143:\n{log}");
    ensure!(took < QUICK, "the stop took {took:?}:\n{log}");
    ensure!(!log.contains("unable to spawn .s6-svscan/"), "the signal needed a new process:\n{log}");
    Ok(log)
}

#[docker_test]
async fn a_stop_with_no_pid_left_is_orderly_and_quick() -> Result<()> {
    let container = builder().finish_script("50-tell", FINISH).start_ready().await?;
    create(&container, &["coder"]).await?;
    for profile in ["default", "coder"] {
        hermes(&container, &format!("-p {profile} gateway start")).await?.success();
        ready_pid(&container, profile).await?;
    }
    take_all_pids(&container).await?;
    let log = stop_quickly(&container).await?;
    for profile in ["default", "coder"] {
        let count = |said: &str| {
            log.lines()
                .filter(|line| line.starts_with(&format!("gateway-{profile}: ")) && line.contains(said))
                .count()
        };
        ensure!(count("is ready") == 1, "{profile} was not started once:\n{log}");
        ensure!(count("stopped") == 1, "{profile} was not stopped once, in order:\n{log}");
        let found = wanted_and_said(&container, profile).await?;
        ensure!(found.0 == "running", "{profile}: {found:?}");
    }
    ensure!(!log.contains("panicked"), "{log}");

    container.start().await?;
    container.ready().await?;
    for profile in ["default", "coder"] {
        let runs = gateway_is(profile, "running");
        container.wait_until(format!("the gateway of {profile} is ready"), runs, secs(20)).await?;
    }
    Ok(())
}

#[docker_test]
async fn a_command_gets_its_signal_with_no_pid_left() -> Result<()> {
    let command = ["perl", "-e", "$SIG{TERM} = sub { print qq(told\n); exit 7 }; sleep 1 while 1"];
    let container = Container::builder().pids_limit(LIMIT).cmd(command).start_ready().await?;
    take_all_pids(&container).await?;
    let began = Instant::now();
    container.stop().await?;
    let (code, log) = (container.wait_exit(secs(1)).await?, container.log().await?);
    ensure!(code == 7, "exit code {code}:\n{log}");
    ensure!(began.elapsed() < QUICK, "the stop took {:?}:\n{log}", began.elapsed());
    ensure!(log.contains("told"), "{log}");
    Ok(())
}
