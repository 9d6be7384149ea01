//! A platform owns PID 1: `docker run --init`, a shared process namespace, or a shell that starts `/init`. `/init`
//! still supervises everything and touches no other process. Also: `/init` in a container that runs already.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, log_says, process_table, slot_pid_other_than, slot_up};
use hermes_harness::{Container, ContainerBuilder, Look, boot_of, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty};

use crate::support::driving::is_healthy;
use crate::support::own_services::{FINISH, FINISHED, OwnServices, POLITE};

/// A command that ends with its own code at SIGTERM.
const TRAPS: &str =
    "trap 'echo got TERM; kill $child; exit 7' TERM; sleep infinity & child=$!; echo trapped; wait";

/// Returns a container with a service in each tree, a finish script, and [`TRAPS`] as its command.
fn supervised() -> ContainerBuilder {
    Container::builder()
        .user_service("polite", POLITE)
        .system_service("system-polite", POLITE)
        .finish_script("50-tell", FINISH)
        .cmd(["bash", "-c", TRAPS])
}

/// Checks that both trees run and that `hermes` reports a healthy container.
async fn assert_supervised(container: &Container) -> Result<()> {
    let boot = boot_of(container).await?;
    let processes = container.processes().await?;
    let table = process_table(&processes);
    let supervisor = processes.iter().find(|process| process.pid == boot.supervisor.pid);
    let supervisor = supervisor.with_context(|| format!("no supervisor:\n{table}"))?;
    ensure!(supervisor.pid != 1 && supervisor.comm == "s6-svscan", "the supervisor is {supervisor:?}");
    for name in ["main-hermes", "polite", "/run/s6/scandir/system-polite"] {
        container.wait_until(format!("{name} is up"), slot_up(name), secs(10)).await?;
    }
    is_healthy(container).await?;
    container.exec(["hermes"]).await?.success().stdout_matches(contains("Supervised by s6"));
    container.wait_until("the command's trap is set", log_says("trapped"), secs(10)).await?;
    Ok(())
}

/// Checks that a killed service of either tree restarts.
async fn assert_services_restart(container: &Container) -> Result<()> {
    let mut killed = Vec::new();
    for name in ["polite", "/run/s6/scandir/system-polite"] {
        let pid = container.slot(name).await?.and_then(|slot| slot.pid).context("an up slot has a PID")?;
        container.kill_process(pid, "KILL").await?;
        killed.push((name, pid));
    }
    for (name, pid) in killed {
        container.wait_until(format!("{name} is back"), slot_pid_other_than(name, pid), secs(10)).await?;
    }
    Ok(())
}

/// Checks that the container stopped in order.
async fn assert_orderly_stop(container: &Container) -> Result<()> {
    let code = container.wait_exit(secs(10)).await?;
    let (stdout, stderr) = container.logs().await?;
    ensure!(code == 7, "exit code {code}, expected the command's own 7:\n{stdout}{stderr}");
    let finished = stdout.rfind(FINISHED);
    for said in ["got TERM", "polite: SIGTERM"] {
        ensure!(stdout.rfind(said) < finished && stdout.contains(said), "no orderly stop:\n{stdout}{stderr}");
    }
    Ok(())
}

#[docker_test]
async fn under_docker_init_everything_is_supervised_and_stops_in_order() -> Result<()> {
    let container = supervised().init().start_ready().await?;
    assert_supervised(&container).await?;
    assert_services_restart(&container).await?;
    container.stop().await?;
    assert_orderly_stop(&container).await?;
    container.start().await?;
    assert_supervised(&container).await?;
    container.restart().await?;
    container.ready().await?;
    container.kill("SIGHUP").await?;
    container.wait_exit(secs(10)).await?;
    Ok(())
}

/// A read-only root, and the capabilities that a boot as root needs.
fn few_capabilities() -> ContainerBuilder {
    let few = ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"];
    let few = few.iter().fold(Container::builder().cap_drop("ALL"), |builder, one| builder.cap_add(one));
    few.read_only().tmpfs("/run", "")
}

#[docker_test]
#[case::user_10000(Container::builder().user("10000:10000"), &[10000])]
#[case::user_12345_read_only(Container::builder().user("12345:0").read_only().tmpfs("/run", ""), &[12345])]
#[case::few_capabilities_read_only(few_capabilities(), &[0, 10000])]
#[case::no_new_privileges(Container::builder().security_opt("no-new-privileges"), &[0, 10000])]
async fn docker_init_works_with_any_user_and_few_privileges(
    #[case] builder: ContainerBuilder,
    #[case] trees: &[u32],
) -> Result<()> {
    let container = builder.init().cmd(["bash", "-c", TRAPS]).start_ready().await?;
    let processes = container.processes().await?;
    let table = process_table(&processes);
    let users: BTreeSet<u32> =
        processes.iter().filter(|process| process.comm == "s6-svscan").map(|process| process.uid).collect();
    ensure!(users.iter().eq(trees), "trees of {users:?}\n{table}");
    ensure!(processes[0].pid == 1 && processes[0].comm != "s6-svscan", "{table}");
    container.wait_until("the command's trap is set", log_says("trapped"), secs(10)).await?;
    container.stop().await?;
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 7, "exit code {code}:\n{}", container.log().await?);
    Ok(())
}

#[docker_test]
#[case::success("exit 0", 0)]
#[case::failure("exit 42", 42)]
#[case::largest("exit 255", 255)]
#[case::killed("kill -KILL $$", 137)]
async fn under_docker_init_the_container_keeps_the_commands_exit_code(
    #[case] end: &str,
    #[case] expected: i64,
) -> Result<()> {
    let outcome = Container::builder().init().run(["sh", "-c", &format!("echo said; {end}")]).await?;
    outcome.code(expected).stdout_is("said");
    Ok(())
}

/// Starts a process of the neighbour. It runs as `hermes` too, so a careless `kill -1` would reach it.
async fn decoy(neighbour: &Container) -> Result<u32> {
    let script = "setsid sleep 4242 >/dev/null 2>&1 </dev/null & echo $!";
    Ok(neighbour.exec_sh(script).await?.success().text().parse()?)
}

/// Returns the processes without their states, since a sleeping process may be awake for a moment.
fn names(processes: &[Process]) -> Vec<(u32, &str)> {
    processes.iter().map(|process| (process.pid, process.comm.as_str())).collect()
}

#[docker_test]
async fn a_shared_process_namespace_keeps_the_processes_of_the_neighbour() -> Result<()> {
    let neighbour = Container::builder().entrypoint(["sleep", "infinity"]).init().start().await?;
    decoy(&neighbour).await?;
    let before = neighbour.processes().await?;
    let mode = format!("container:{}", neighbour.id());
    let container = supervised().pid_mode(&mode).start_ready().await?;
    assert_supervised(&container).await?;
    assert_services_restart(&container).await?;
    container.stop().await?;
    assert_orderly_stop(&container).await?;
    let after = neighbour.processes().await?;
    let table = process_table(&after);
    ensure!(names(&before) == names(&after), "before\n{}after the stop\n{table}", process_table(&before));

    // A second container leaves an orphan that must be killed. Only processes of that container may end.
    let deaf = "setsid sh -c 'trap \"\" TERM; echo deaf; exec sleep infinity' & until [ -e /tmp/go ]; do sleep 0.05; done; exit 9";
    let builder =
        Container::builder().env("S6_KILL_GRACETIME", "200").pid_mode(&mode).cmd(["sh", "-c", deaf]);
    let container = builder.start_ready().await?;
    container.wait_until("the orphan is deaf", log_says("deaf"), secs(10)).await?;
    container.exec(["touch", "/tmp/go"]).await?.success();
    ensure!(container.wait_exit(secs(10)).await? == 9, "exit code {}", container.state().await?.exit_code);
    let gone = async |neighbour: &Container| {
        let now = neighbour.processes().await?;
        Ok(Look::holds(names(&before) == names(&now), || process_table(&now)))
    };
    neighbour.wait_until("only the neighbour's processes are left", gone, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn two_containers_of_the_image_can_share_a_process_namespace() -> Result<()> {
    let first = supervised().start_ready().await?;
    first.wait_until("the command's trap is set", log_says("trapped"), secs(10)).await?;
    let second = supervised().pid_mode(format!("container:{}", first.id())).start_ready().await?;
    assert_supervised(&second).await?;
    let main = first.slot("main-hermes").await?.context("main-hermes is supervised")?;
    second.restart().await?;
    assert_supervised(&second).await?;
    second.stop().await?;
    let still = first.slot("main-hermes").await?.context("main-hermes is still supervised")?;
    ensure!(main.pid == still.pid, "before {main}, after the second's stop {still}");
    first.exec(["hermes", "health"]).await?.success();
    first.stop().await?;
    assert_orderly_stop(&first).await
}

#[docker_test]
async fn init_below_another_init_ends_only_its_own_processes() -> Result<()> {
    // Fly does this: its PID 1 starts the entry point of the image, and continues after its end.
    let platform = "sleep 4242 & /init /opt/hermes/docker/main-wrapper.sh \"$@\" & init=$!
        trap 'kill $init' TERM; until wait $init; code=$?; [ $code -lt 128 ] || [ ! -e /proc/$init ]; do :; done
        echo \"the platform saw $code\"; exec sleep infinity";
    let builder = supervised().entrypoint(["bash", "-c", platform, "platform", "bash", "-c", TRAPS]);
    let container = builder.cmd(Vec::<String>::new()).start_ready().await?;
    assert_supervised(&container).await?;
    let supervisor = boot_of(&container).await?.supervisor.pid;
    // The signal goes to the supervisor, which is not the main process of this container.
    container.kill_process(supervisor, "TERM").await?;
    container.wait_until("/init has ended", log_says("the platform saw 7"), secs(10)).await?;
    // The shell prints the line before it becomes the `sleep`.
    let only_the_platforms = async |container: &Container| {
        let left = container.processes().await?;
        let mut commands: Vec<_> = left.iter().map(|process| process.argv.join(" ")).collect();
        commands.sort();
        Ok(Look::holds(commands == ["sleep 4242", "sleep infinity"], || process_table(&left)))
    };
    container.wait_until("the platform's own are left alone", only_the_platforms, secs(10)).await?;
    let (stdout, _) = container.logs().await?;
    ensure!(stdout.contains(FINISHED) && stdout.contains("got TERM"), "no orderly stop:\n{stdout}");
    Ok(())
}

#[docker_test]
#[case::as_pid_1(Container::builder())]
#[case::below_docker_init(Container::builder().init())]
async fn init_in_a_running_container_only_runs_the_command(#[case] builder: ContainerBuilder) -> Result<()> {
    let builder = builder.env("SOME_VARIABLE", "a b").cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    let before = container.read_file("/run/s6/boot.json").await?;
    let script = "id -u; pwd; printf '%s\\n' \"$SOME_VARIABLE\" \"$@\"; exit 42";
    let words = ["/init", "sh", "-c", script, "sh", "--version", "", "two words"];
    let output = container.exec(words).workdir("/usr").await?.code(42);
    output.stdout_is("10000\n/usr\na b\n--version\n\ntwo words").stderr_matches(is_empty());
    let output = container.exec(words).workdir("/usr").as_root().await?.code(42);
    output.stdout_is("0\n/usr\na b\n--version\n\ntwo words").stderr_matches(is_empty());
    container.exec(["/init", "no-such-program"]).await?.code(127);
    container.exec(["/init", "/etc/passwd"]).await?.code(126);
    container.exec(["/init", "sh", "-c", "kill -TERM $$"]).await?.code(143);
    for as_root in [false, true] {
        let request = container.exec(["/init"]);
        let request = if as_root { request.as_root() } else { request };
        request.await?.failure().stderr_matches(contains("already runs").and(contains("hint:")));
    }
    // The running boot keeps its record.
    let after = container.read_file("/run/s6/boot.json").await?;
    ensure!(before == after, "a nested /init wrote a boot record");
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}
