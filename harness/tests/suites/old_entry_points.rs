//! Entry points of earlier images: `/usr/bin/tini` and `/opt/hermes/docker/entrypoint.sh`, alone and chained. Old
//! compose files and scripts name them.

use std::time::Instant;

use anyhow::{Result, ensure};
use hermes_harness::probe::slot_up;
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

const TINI: &str = "/usr/bin/tini";
const ENTRYPOINT: &str = "/opt/hermes/docker/entrypoint.sh";
/// The entry point of older compose files.
const CHAINED: [&str; 4] = [TINI, "-g", "--", ENTRYPOINT];

fn with_entrypoint(words: &[&str]) -> ContainerBuilder {
    Container::builder().entrypoint(words.iter().copied())
}

/// Waits until the log lists the services, as the image does without a command.
async fn wait_for_service_list(container: &Container) -> Result<()> {
    let said = async |container: &Container| {
        let log = container.log().await?;
        Ok(Look::holds(log.contains("main-hermes"), || format!("its log:\n{log}")))
    };
    Ok(container.wait_until("what is supervised", said, secs(10)).await?)
}

#[docker_test]
#[case::no_flag(&[])]
#[case::separator(&["--"])]
#[case::separate_flags(&["-g", "-s", "-v", "-w"])]
#[case::combined_flags(&["-vvv", "-gs", "--"])]
#[case::separate_values(&["-p", "SIGKILL", "-e", "143"])]
#[case::attached_values(&["-pSIGKILL", "-e143", "--"])]
#[case::combined_flags_with_separate_values(&["-gvp", "SIGTERM", "-swe", "143"])]
#[case::combined_flags_with_an_attached_value(&["-swe143", "--"])]
async fn tini_drops_its_own_flags_and_runs_the_command(#[case] flags: &[&str]) -> Result<()> {
    // Flags after the program belong to the program.
    let command = ["sh", "-c", "printf '%s|' \"$@\"; exit 3", "sh", "-g", "--", "-p", ""];
    let output = with_entrypoint(&[&[TINI], flags].concat()).run(command).await?.either_way();
    let report = output.report(&format!("tini {flags:?} to run the command as it is"));
    ensure!((output.exit_code(), output.text().as_str()) == (3, "-g|--|-p||"), "{report}");
    Ok(())
}

#[docker_test]
async fn tini_starts_the_whole_container() -> Result<()> {
    let container = with_entrypoint(&[TINI, "-g", "--"])
        .cmd(["sleep", "infinity"])
        .env("odd.name", "x")
        .start_ready()
        .await?;
    container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    let processes = container.processes().await?;
    ensure!(processes[0].pid == 1 && processes[0].comm == "s6-svscan", "{:?}", processes[0]);
    let command = processes.iter().find(|process| process.argv == ["sleep", "infinity"]);
    ensure!(command.is_some_and(|command| command.user == "hermes"), "{command:?}");
    let environment = with_entrypoint(&[TINI, "--"]).env("odd.name", "x y").run(["env"]).await?.success();
    environment.stdout_matches(contains("\nodd.name=x y\n").and(contains("\nHOME=/opt/data\n")));
    Ok(())
}

#[docker_test]
async fn tini_passes_exit_codes_and_signals_on() -> Result<()> {
    with_entrypoint(&[TINI, "--"]).run(["sh", "-c", "exit 255"]).await?.code(255);
    with_entrypoint(&[TINI, "--"]).run(["sh", "-c", "kill -KILL $$"]).await?.code(137);

    let container = with_entrypoint(&[TINI, "-g", "--"]).cmd(["sleep", "infinity"]).start_ready().await?;
    let started = Instant::now();
    container.stop().await?;
    let took = started.elapsed();
    ensure!(took < secs(5), "idle, yet the stop took {took:?}");
    ensure!(container.state().await?.exit_code == 143, "{:?}", container.state().await?);
    Ok(())
}

#[docker_test]
async fn tini_passes_words_to_hermes() -> Result<()> {
    with_entrypoint(&[TINI, "--"]).run(["--version"]).await?.success().stdout_matches(starts_with("hermes "));
    with_entrypoint(&[TINI, "-g"])
        .run(["no-such-word"])
        .await?
        .code(2)
        .stderr_matches(contains("no-such-word"));
    let idle = with_entrypoint(&[TINI, "-g", "--"]).cmd(Vec::<String>::new()).start_ready().await?;
    wait_for_service_list(&idle).await?;
    ensure!(idle.state().await?.running, "it ended by itself");
    Ok(())
}

#[docker_test]
async fn entrypoint_sh_works_with_a_deprecation_message() -> Result<()> {
    let output = with_entrypoint(&[ENTRYPOINT]).run(["sh", "-c", "id -un; exit 5"]).await?.code(5);
    output.stdout_is("hermes").stderr_matches(contains("deprecated").count(1));
    ensure!(output.stderr().lines().count() == 1, "{}", output.report("one line on stderr"));
    let version = with_entrypoint(&[ENTRYPOINT]).run(["--version"]).await?.success();
    version.stdout_matches(starts_with("hermes "));
    let command =
        ["sh", "-c", "tr '\\0' '|' </proc/self/environ; printf '%s|' \"$@\"", "sh", "", "a b", "-x"];
    let odd = with_entrypoint(&[ENTRYPOINT]).env("odd", "a\nb").run(command).await?.success();
    odd.stdout_matches(contains("|odd=a\nb|").and(predicate::str::ends_with("||a b|-x|")));
    Ok(())
}

#[docker_test]
async fn entrypoint_sh_alone_stays_up_and_can_be_stopped() -> Result<()> {
    let container = with_entrypoint(&[ENTRYPOINT]).cmd(Vec::<String>::new()).start_ready().await?;
    wait_for_service_list(&container).await?;
    container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    let started = Instant::now();
    container.stop().await?;
    let took = started.elapsed();
    ensure!(took < secs(5), "idle, yet the stop took {took:?}");
    Ok(())
}

#[docker_test]
async fn old_entry_points_run_commands_in_a_running_container() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let before = container.read_file("/run/s6/boot.json").await?;
    for user in ["root", "hermes"] {
        let output = container.exec([ENTRYPOINT, "sh", "-c", "id -un; exit 6"]).user(user).await?.code(6);
        output.stdout_is("hermes").stderr_matches(contains("deprecated"));
        let output =
            container.exec([TINI, "-s", "--", "sh", "-c", "id -un; exit 7"]).user(user).await?.code(7);
        output.stdout_is("hermes");
        let output =
            container.exec([&CHAINED[..], &["sh", "-c", "id -un; exit 8"]].concat()).user(user).await?;
        output.code(8).stdout_is("hermes");
    }
    ensure!(container.read_file("/run/s6/boot.json").await? == before, "it booted again");
    let trees = container.processes_named("s6-svscan").await?;
    ensure!(trees.len() == 2, "{trees:?}");
    ensure!(container.state().await?.running, "the container ended");
    Ok(())
}

#[docker_test]
async fn chained_old_entry_points_work() -> Result<()> {
    let chained = || with_entrypoint(&CHAINED);
    let output = chained().run(["sh", "-c", "id -un; echo $HOME; exit 4"]).await?.code(4);
    output.stdout_is("hermes\n/opt/data").stderr_matches(contains("deprecated").count(1));
    chained().run(["--version"]).await?.success().stdout_matches(starts_with("hermes "));
    chained().run(["sh", "-c", "kill -TERM $$"]).await?.code(143);
    let odd = chained().env("odd.name", "x").run(["env"]).await?.success();
    odd.stdout_matches(contains("\nodd.name=x\n"));

    let idle = chained().cmd(Vec::<String>::new()).start_ready().await?;
    wait_for_service_list(&idle).await?;
    let started = Instant::now();
    idle.stop().await?;
    let took = started.elapsed();
    ensure!(took < secs(5), "idle, yet the stop took {took:?}");
    Ok(())
}

#[docker_test]
#[case::tini_as_root(&[TINI, "-g", "--"], None, "10000")]
#[case::tini_as_user_10000(&[TINI, "-g", "--"], Some("10000:10000"), "10000")]
#[case::tini_as_user_12345(&[TINI, "-g", "--"], Some("12345:0"), "12345")]
#[case::entrypoint_as_root(&[ENTRYPOINT], None, "10000")]
#[case::entrypoint_as_user_10000(&[ENTRYPOINT], Some("10000:10000"), "10000")]
#[case::entrypoint_as_user_12345(&[ENTRYPOINT], Some("12345:0"), "12345")]
#[case::chained_as_root(&CHAINED, None, "10000")]
#[case::chained_as_user_10000(&CHAINED, Some("10000:10000"), "10000")]
#[case::chained_as_user_12345(&CHAINED, Some("12345:0"), "12345")]
async fn old_entry_points_work_with_a_read_only_root(
    #[case] words: &[&str],
    #[case] user: Option<&str>,
    #[case] uid: &str,
) -> Result<()> {
    let builder = with_entrypoint(words).read_only().tmpfs("/run", "").security_opt("no-new-privileges");
    let builder = if let Some(user) = user { builder.user(user) } else { builder };
    builder.run(["sh", "-c", "id -u; exit 5"]).await?.code(5).stdout_is(uid);
    Ok(())
}
