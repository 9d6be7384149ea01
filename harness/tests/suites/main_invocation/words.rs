//! The meaning of a word, a flag, or no argument after the image.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Process, process_table, slot_up};
use hermes_harness::{Container, Look, Outcome, docker_test, secs};
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

/// Runs `docker run IMAGE ARGUMENTS…` to its end, without other options.
pub(super) async fn run(arguments: &[&str]) -> Result<Outcome> {
    Ok(Container::builder().run(arguments.iter().copied()).await?)
}

#[docker_test]
async fn without_a_command_it_lists_services_and_runs_until_stopped() -> Result<()> {
    let container = Container::builder().cmd(Vec::<String>::new()).start_ready().await?;
    let said = async |container: &Container| {
        let (stdout, _) = container.logs().await?;
        let whole = stdout.contains("main-hermes") && stdout.contains("docker exec");
        Ok(Look::holds(whole, || format!("its log:\n{stdout}")))
    };
    container.wait_until("what is supervised and where to look", said, secs(10)).await?;
    let processes = container.processes().await?;
    let stays = processes.iter().find(|process| process.comm == "hermes");
    let stays = stays.with_context(|| format!("no process hermes:\n{}", process_table(&processes)))?;
    ensure!(stays.user == "hermes", "{} runs it\n{}", stays.user, process_table(&processes));
    ensure!(container.state().await?.running, "it ended by itself");

    let started = Instant::now();
    container.stop().await?;
    let took = started.elapsed();
    let state = container.state().await?;
    ensure!(state.exit_code == 0, "a server that is asked to stop and does ends well, not with {state:?}");
    ensure!(took < secs(5), "idle, yet the stop took {took:?}");
    Ok(())
}

#[docker_test]
async fn a_word_without_a_program_is_a_subcommand_of_hermes() -> Result<()> {
    let json = run(&["version", "--json"]).await?.success().stdout();
    let json: serde_json::Value = serde_json::from_str(&json).with_context(|| json.clone())?;
    ensure!(json["version"].is_string() && json["install_method"] == "docker", "{json}");

    let wrong = run(&["no-such-word", "-x"]).await?.code(2);
    wrong.stderr_matches(contains("no-such-word").and(starts_with("error: "))).stdout_is("");
    run(&[""]).await?.code(2);
    Ok(())
}

#[docker_test]
async fn the_version_flag_prints_the_version() -> Result<()> {
    let version = run(&["--version"]).await?.success();
    version.stdout_matches(predicate::str::is_match(r"^hermes \d+\.\d+\.\d+[^\n]*\n$")?);
    Ok(())
}

#[docker_test]
async fn the_help_of_chat_names_each_way_to_ask() -> Result<()> {
    let help = run(&["chat", "--help"]).await?.success();
    let first = "Talk to the agent, or ask it one question\n\nUsage: hermes chat [OPTIONS]\n";
    help.stdout_matches(starts_with(first)).stderr_matches(predicate::str::is_empty());
    for way in
        ["-q, --query <TEXT>", "--resume <ID>", "-c, --continue", "--image <FILE>", "git diff | hermes chat"]
    {
        help.stdout_matches(contains(way));
    }
    // It needs neither a model nor a profile.
    run(&["-p", "nobody", "chat", "-h"]).await?.success().stdout_matches(contains("Exit codes: 0 answered"));
    Ok(())
}

/// A shell, `s6-svscan` or execline would accept these flags.
#[docker_test]
#[case::of_a_shell(&["-c", "echo taken"])]
#[case::of_s6_svscan(&["-t", "5"])]
#[case::of_no_program(&["--no-such-flag"])]
async fn arguments_with_a_leading_dash_are_flags_of_hermes(#[case] flags: &[&str]) -> Result<()> {
    let refused = run(flags).await?.code(2);
    refused.stdout_is("").stderr_matches(contains(flags[0]));
    Ok(())
}

#[docker_test]
async fn a_program_runs_without_a_process_between_it_and_init() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let one_program = async |container: &Container| {
        let processes = container.processes().await?;
        let parent = |pid: u32| processes.iter().find(|process| process.pid == pid);
        // The slot main-hermes may sleep too. The parent of that process is s6-supervise.
        let found = processes.iter().find(|process| {
            process.argv == ["sleep", "infinity"]
                && parent(process.ppid).is_some_and(|parent| parent.comm != "s6-supervise")
        });
        Ok(Look::from_option(found.cloned(), || process_table(&processes)))
    };
    let program = container.wait_until("sleep infinity", one_program, secs(10)).await?;
    let processes = container.processes().await?;
    let table = process_table(&processes);
    ensure!((program.uid, program.gid) == (10000, 10000), "not hermes:\n{table}");
    ensure!(program.pgid.unsigned_abs() == program.pid, "no process group of its own:\n{table}");
    // The services of the account run below s6-supervise.
    let is_service = |process: &Process| {
        let parent = processes.iter().find(|parent| parent.pid == process.ppid);
        parent.is_some_and(|parent| parent.comm == "s6-supervise")
    };
    let between = processes
        .iter()
        .find(|process| ["sh", "dash", "bash", "hermes"].contains(&&*process.comm) && !is_service(process));
    ensure!(between.is_none(), "something stands between:\n{table}");
    container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn the_command_may_be_hermes_or_a_shell() -> Result<()> {
    run(&["hermes", "--version"]).await?.success().stdout_matches(starts_with("hermes "));
    run(&["bash", "-c", "id -un; echo $0", "name"]).await?.success().stdout_is("hermes\nname");
    Ok(())
}

#[docker_test]
async fn the_command_runs_in_the_working_directory() -> Result<()> {
    run(&["pwd"]).await?.success().stdout_is("/opt/data");
    let spaced = Container::builder().workdir("/srv/two words").run(["/bin/pwd"]).await?.success();
    spaced.stdout_is("/srv/two words");
    let relative = Container::builder().workdir("/usr/bin").run(["./pwd"]).await?.success();
    relative.stdout_is("/usr/bin");
    Ok(())
}

#[docker_test]
async fn the_container_ends_with_its_command_despite_background_processes() -> Result<()> {
    let script = "sleep 1001 & setsid sleep 1002 & (trap '' HUP; exec sleep 1003) & exit 7";
    // The grace times exceed the limit below. So the test fails if the stop waits for processes that have ended.
    let builder =
        Container::builder().env("S6_SERVICES_GRACETIME", "40000").env("S6_KILL_GRACETIME", "40000");
    let ended = builder.run(["sh", "-c", script]).await?.code(7);
    ensure!(ended.took() < secs(15), "{}", ended.report("an end soon after its command's"));
    Ok(())
}
