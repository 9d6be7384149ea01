//! Requests to stop: a signal, `docker stop`, or root in the container.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, docker_test, secs};
use predicates::str::contains;

use super::{TELLS_SIGNALS, WELL_INSIDE_DOCKERS_TEN_SECONDS, assert_order, timed_stop};
use crate::support::driving::is_healthy;
use crate::support::own_services::{DEAF, FINISH, FINISHED, OwnServices, POLITE};

#[docker_test]
#[case::sigterm("SIGTERM")]
#[case::sigint("SIGINT")]
#[case::sighup("SIGHUP")]
#[case::sigquit("SIGQUIT")]
async fn each_stop_signal_ends_the_command_and_runs_cont_finish(#[case] signal: &str) -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    let started = Instant::now();
    container.kill(signal).await?;
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 143, "{signal}: exit code {code}, expected 143");
    ensure!(started.elapsed() < WELL_INSIDE_DOCKERS_TEN_SECONDS, "{signal}: took {:?}", started.elapsed());
    let log = container.log().await?;
    ensure!(log.contains(FINISHED), "{signal}: cont-finish.d did not run:\n{log}");
    Ok(())
}

#[docker_test]
#[case::sigterm("SIGTERM")]
#[case::sigint("SIGINT")]
#[case::sighup("SIGHUP")]
#[case::sigquit("SIGQUIT")]
async fn each_stop_signal_reaches_the_command_as_one_sigterm(#[case] signal: &str) -> Result<()> {
    let container = Container::builder().cmd(["bash", "-c", TELLS_SIGNALS]).start_ready().await?;
    container.wait_until("its traps are set", log_says("trapped"), secs(10)).await?;
    container.kill(signal).await?;
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 7, "{signal}: exit code {code}, expected the command's own 7");
    let (stdout, _) = container.logs().await?;
    ensure!(stdout == "trapped\ngot TERM\n", "{signal}: the command saw\n{stdout}");
    Ok(())
}

#[docker_test]
async fn other_signals_do_not_stop_the_container() -> Result<()> {
    let container = Container::builder().cmd(["bash", "-c", TELLS_SIGNALS]).start_ready().await?;
    container.wait_until("its traps are set", log_says("trapped"), secs(10)).await?;
    for signal in ["SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGPIPE", "SIGCHLD", "SIGALRM"] {
        container.kill(signal).await?;
    }
    // This check needs a round trip through the container. Any effect of the signals happens before its end.
    container.ready().await?;
    is_healthy(&container).await?;
    timed_stop(&container).await?;
    let (stdout, _) = container.logs().await?;
    ensure!(stdout == "trapped\ngot TERM\n", "the command saw\n{stdout}");
    Ok(())
}

#[docker_test]
async fn a_second_sigterm_does_not_shorten_the_stop() -> Result<()> {
    // The trap runs until the test has sent the other signals, for any time.
    let command = "sleep infinity & child=$!
        trap 'echo told; trap \"echo again\" TERM; until [ -e /tmp/go ]; do sleep 0.1; done; kill $child; exit 5' TERM
        echo trapped; wait";
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let builder = builder.env("S6_SERVICES_GRACETIME", "60000");
    let container = builder.cmd(["bash", "-c", command]).start_ready().await?;
    container.wait_until("its trap is set", log_says("trapped"), secs(10)).await?;
    container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
    container.kill("SIGTERM").await?;
    container.wait_until("the command was told", log_says("told"), secs(10)).await?;
    container.kill("SIGTERM").await?;
    container.kill("SIGINT").await?;
    container.exec(["touch", "/tmp/go"]).await?.success();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 5, "exit code {code}, expected the command's own 5:\n{log}");
    ensure!(log.contains("polite: SIGTERM"), "the service was not told:\n{log}");
    ensure!(log.contains(FINISHED), "cont-finish.d did not run:\n{log}");
    Ok(())
}

#[docker_test]
async fn a_deaf_command_is_killed_after_its_grace_time() -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH);
    let container =
        builder.cmd(["sh", "-c", "trap '' TERM; echo deaf; sleep infinity"]).start_ready().await?;
    container.wait_until("it is deaf", log_says("deaf"), secs(10)).await?;
    let took = timed_stop(&container).await?;
    ensure!(container.wait_exit(secs(10)).await? == 137, "exit code {}", container.state().await?.exit_code);
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}");
    ensure!(took > secs(2), "killed after {took:?}: it had no grace time");
    let log = container.log().await?;
    ensure!(log.contains(FINISHED), "cont-finish.d did not run:\n{log}");
    Ok(())
}

#[docker_test]
async fn a_deaf_service_is_killed_and_the_others_stop_orderly() -> Result<()> {
    let builder = Container::builder()
        .finish_script("50-tell", FINISH)
        .user_service("deaf", DEAF)
        .user_service("polite", POLITE);
    let container = builder.cmd(["bash", "-c", TELLS_SIGNALS]).start_ready().await?;
    for text in ["trapped", "deaf: up", "polite: up"] {
        container.wait_until("its traps are set", log_says(text), secs(10)).await?;
    }
    let took = timed_stop(&container).await?;
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 7, "exit code {code}, expected the command's own 7:\n{log}");
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}:\n{log}");
    for said in ["got TERM", "polite: SIGTERM", "deaf: SIGTERM, so what"] {
        assert_order(&log, said, FINISHED)?;
    }
    Ok(())
}

#[docker_test]
async fn the_grace_times_of_the_environment_apply() -> Result<()> {
    let deaf_orphan = "(trap '' TERM; echo orphan; exec sleep infinity) & trap '' TERM; sleep infinity";
    let deaf = async |grace: &str| -> Result<Container> {
        let builder = Container::builder()
            .env("S6_SERVICES_GRACETIME", grace)
            .env("S6_KILL_GRACETIME", grace)
            .finish_script("50-tell", FINISH)
            .user_service("deaf", DEAF);
        let container = builder.cmd(["setsid", "-w", "sh", "-c", deaf_orphan]).start_ready().await?;
        for text in ["orphan", "deaf: up"] {
            container.wait_until("it is deaf", log_says(text), secs(10)).await?;
        }
        Ok(container)
    };
    // A deaf command takes one grace time, and a deaf orphan takes one more. Both containers stop at the same time, so
    // a slow machine slows both.
    let (short, long) = (deaf("300").await?, deaf("6000").await?);
    let stop = async |container: &Container| -> Result<Duration> {
        let started = Instant::now();
        container.stop_within(secs(60)).await?;
        let took = started.elapsed();
        let log = container.log().await?;
        ensure!(log.contains(FINISHED), "cont-finish.d did not run:\n{log}");
        Ok(took)
    };
    let (short, long) = tokio::try_join!(stop(&short), stop(&long))?;
    ensure!(long > secs(11), "took {long:?}, expected little more than 12 s");
    // The default of three seconds would give six.
    ensure!(short + secs(8) < long, "took {short:?}, expected little more than 600 ms");
    Ok(())
}

#[docker_test]
async fn long_grace_times_do_not_delay_an_idle_stop() -> Result<()> {
    // If the stop waited for any of them, Docker would have to kill the container. The benchmark measures the rest of
    // a stop.
    let times = ["S6_SERVICES_GRACETIME", "S6_KILL_GRACETIME", "HERMES_FINISH_GRACETIME"];
    let builder = times.iter().fold(Container::builder(), |builder, name| builder.env(name, "60000"));
    let builder = builder.finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    container.wait_until("the service's trap is set", log_says("polite: up"), secs(10)).await?;
    container.stop_within(secs(4)).await?;
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 143, "exit code {code}, expected 143 (137: Docker had to kill it):\n{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)
}

#[docker_test]
async fn a_container_starts_after_docker_killed_it_during_a_stop() -> Result<()> {
    let builder = Container::builder().user_service("deaf", DEAF);
    let container =
        builder.cmd(["sh", "-c", "trap '' TERM; echo deaf; sleep infinity"]).start_ready().await?;
    container.wait_until("it is deaf", log_says("deaf\n"), secs(10)).await?;
    container.stop_within(secs(1)).await?;
    ensure!(container.wait_exit(secs(10)).await? == 137, "exit code {}", container.state().await?.exit_code);
    container.start().await?;
    container.ready().await?;
    is_healthy(&container).await?;
    Ok(())
}

#[docker_test]
#[case::slow_script("#!/bin/sh\necho 'script: begins'\nsleep 60\necho 'script: goes on'\n")]
#[case::deaf_script("#!/bin/sh\ntrap '' TERM\necho 'script: begins'\nsleep 60\necho 'script: goes on'\n")]
async fn a_stop_ends_a_boot_at_once(#[case] script: &str) -> Result<()> {
    let builder = Container::builder()
        .init_script("10-wait", script)
        .init_script("20-never", "#!/bin/sh\necho 'never: begins'\n")
        .finish_script("50-tell", FINISH)
        .user_service("polite", POLITE);
    let container = builder.cmd(["echo", "the command runs"]).start().await?;
    let begins = "script: begins";
    container.wait_until("the script runs", log_says(begins), secs(20)).await?;
    let took = timed_stop(&container).await?;
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 143, "exit code {code}, expected 143:\n{log}");
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}:\n{log}");
    for text in ["goes on", "never: begins", "the command runs", "polite: up"] {
        ensure!(!log.contains(text), "{text:?} after the stop:\n{log}");
    }
    assert_order(&log, begins, FINISHED)
}

#[docker_test]
async fn a_stop_does_not_wait_for_an_unready_service() -> Result<()> {
    let builder = Container::builder()
        .env("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0")
        .user_service("never-ready", POLITE)
        .file("/etc/s6-overlay/s6-rc.d/never-ready/notification-fd", 0o644, "3\n")
        .finish_script("50-tell", FINISH);
    let container = builder.cmd(["echo", "the command runs"]).start().await?;
    container.wait_until("the service is up", log_says("polite: up"), secs(20)).await?;
    let took = timed_stop(&container).await?;
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 143, "exit code {code}, expected 143:\n{log}");
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}:\n{log}");
    ensure!(!log.contains("the command runs"), "{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)
}

#[docker_test]
async fn cont_finish_runs_as_root_after_all_services_are_down() -> Result<()> {
    let slow_to_stop = "#!/bin/sh\n\
        sleep infinity & child=$!\n\
        trap 'kill $child; sleep 0.7; echo \"service: down\"; exit 0' TERM\n\
        echo 'service: up'\nwait\n";
    let looks = "#!/bin/sh\n\
        printf 'finish as %s with %s\\n' \"$(id -un)\" \"$(grep -l '^Uid:.10000' /proc/[0-9]*/status | wc -l)\"\n";
    let builder = Container::builder()
        .user_service("slow", slow_to_stop)
        .system_service("slow-system", &slow_to_stop.replace("service:", "system service:"))
        .finish_script("10-look", looks)
        .finish_script("20-fails", "#!/bin/sh\nexit 3\n")
        .finish_script("30-last", "#!/bin/sh\necho 'last finish'\n");
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    for text in ["\nservice: up", "system service: up"] {
        let text = text.trim_start();
        container.wait_until("the services are up", log_says(text), secs(10)).await?;
    }
    container.stop().await?;
    let log = container.log().await?;
    let finish = "finish as root with 0";
    assert_order(&log, "\nservice: down", finish)?;
    assert_order(&log, "system service: down", finish)?;
    assert_order(&log, finish, "last finish")?;
    ensure!(log.contains("20-fails exited 3"), "a finish script that fails is not named:\n{log}");
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    Ok(())
}

#[docker_test]
async fn a_finish_script_that_hangs_does_not_hold_the_stop() -> Result<()> {
    let builder =
        Container::builder().finish_script("50-hangs", "#!/bin/sh\necho hangs\nexec sleep infinity\n");
    let container = builder.cmd(["sleep", "infinity"]).start_ready().await?;
    let took = timed_stop(&container).await?;
    ensure!(container.wait_exit(secs(10)).await? == 143, "exit code {}", container.state().await?.exit_code);
    ensure!(took < WELL_INSIDE_DOCKERS_TEN_SECONDS, "took {took:?}");
    Ok(())
}

#[docker_test]
async fn only_root_can_halt_the_container_from_inside() -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container = builder.cmd(["bash", "-c", TELLS_SIGNALS]).start_ready().await?;
    for text in ["trapped", "polite: up"] {
        container.wait_until("its traps are set", log_says(text), secs(10)).await?;
    }
    let refused = container.exec(["/run/s6/basedir/bin/halt"]).await?.failure();
    refused.stderr_matches(contains("only root"));
    container.exec(["hermes", "health"]).await?.success();
    // Only root may do this.
    container.exec(["/run/s6/basedir/bin/halt"]).as_root().await?.either_way();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 7, "exit code {code}, expected the command's own 7:\n{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)
}

#[docker_test]
async fn the_end_of_the_root_tree_stops_the_container_orderly() -> Result<()> {
    let builder = Container::builder().finish_script("50-tell", FINISH).user_service("polite", POLITE);
    let container = builder.cmd(["bash", "-c", TELLS_SIGNALS]).start_ready().await?;
    for text in ["trapped", "polite: up"] {
        container.wait_until("its traps are set", log_says(text), secs(10)).await?;
    }
    // This tree belongs to root. `hermes` cannot read it.
    container.exec(["/command/s6-svscanctl", "-t", "/run/s6/scandir"]).await?.failure();
    container.exec(["/command/s6-svscanctl", "-t", "/run/s6/scandir"]).as_root().await?.either_way();
    let code = container.wait_exit(secs(10)).await?;
    let log = container.log().await?;
    ensure!(code == 7, "exit code {code}, expected the command's own 7:\n{log}");
    assert_order(&log, "polite: SIGTERM", FINISHED)?;
    assert_order(&log, "got TERM", FINISHED)
}
