//! The harness on the real image: the properties that the other suites rely on.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use bollard::Docker;
use hermes_harness::probe::{slot_pid_other_than, slot_up};
use hermes_harness::{
    Container, Error, ImageBuilder, Look, Volume, boot_of, docker_exec, docker_exec_sh, docker_test, secs,
    wait_until,
};
use predicates::str::contains;

async fn up() -> Result<Container> {
    Ok(Container::builder().cmd(["sleep", "infinity"]).start_ready().await?)
}

async fn exists(docker: &Docker, id: &str) -> bool {
    docker.inspect_container(id, None).await.is_ok()
}

#[docker_test]
async fn a_command_runs_as_hermes_by_default() -> Result<()> {
    let container = up().await?;
    container.exec(["id", "-u"]).await?.success().stdout_is("10000");
    docker_exec(&container, ["id", "-un"]).await?.success().stdout_is("hermes");
    docker_exec_sh(&container, "id -u; id -g").await?.success().stdout_is("10000\n10000");
    container.exec(["id", "-u"]).as_root().await?.success().stdout_is("0");
    container.exec(["id", "-u"]).user("1234:5").await?.success().stdout_is("1234");
    Ok(())
}

#[docker_test]
async fn a_command_gets_its_input_and_loses_no_output() -> Result<()> {
    let container = up().await?;
    let output = container
        .exec(["sh", "-c", "pwd; printf '%s\\n' \"$ODD\"; wc -c; echo err >&2; exit 42"])
        .env("ODD", "a\n'b' \"c\" $d")
        .workdir("/usr/share")
        .stdin(vec![b'x'; 300_000])
        .await?
        .code(42);
    output.stdout_is("/usr/share\na\n'b' \"c\" $d\n300000").stderr_matches(contains("err"));
    let bytes = container.exec(["head", "-c", "1000000", "/dev/zero"]).await?.success();
    ensure!(bytes.stdout_bytes().len() == 1_000_000);
    Ok(())
}

#[docker_test]
async fn a_deadline_error_has_the_output_of_the_command() -> Result<()> {
    let container = up().await?;
    let error = container
        .exec_sh("echo so far; exec sleep 60")
        .deadline(secs(10))
        .await
        .map(|outcome| outcome.either_way())
        .expect_err("sleep takes longer");
    ensure!(matches!(error, Error::Deadline { .. }), "{error}");
    ensure!(error.to_string().contains("    | so far"), "{error}");
    Ok(())
}

#[docker_test]
async fn a_dropped_container_is_removed_at_once() -> Result<()> {
    let container = up().await?;
    let volume = Volume::new().await?;
    let second = Container::builder().volume(&volume, "/data").cmd(["sleep", "infinity"]).start().await?;
    let (docker, id, second_id) =
        (container.docker().clone(), container.id().to_owned(), second.id().to_owned());
    let volume_name = volume.name().to_owned();
    ensure!(exists(&docker, &id).await && exists(&docker, &second_id).await);
    drop(container);
    ensure!(!exists(&docker, &id).await, "the first is still there");
    // The volume stays until its last container is removed.
    drop(volume);
    ensure!(docker.inspect_volume(&volume_name).await.is_ok(), "the volume went before its container");
    drop(second);
    ensure!(!exists(&docker, &second_id).await, "the second is still there");
    ensure!(docker.inspect_volume(&volume_name).await.is_err(), "the volume is still there");
    Ok(())
}

#[docker_test]
async fn ready_means_this_boot_at_each_restart() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start().await?;
    let mut before = boot_of(&container).await?.supervisor;
    for _ in 0..2 {
        container.restart_within(secs(5)).await?;
        let supervisor = boot_of(&container).await?.supervisor;
        ensure!(supervisor.start_ticks > before.start_ticks, "{supervisor:?} after {before:?}");
        before = supervisor;
    }
    Ok(())
}

#[docker_test]
async fn ready_fails_at_once_when_the_container_dies() -> Result<()> {
    let container =
        Container::builder().entrypoint(["sh", "-c", "echo last words; sleep 0.2; exit 7"]).start().await?;
    let started = std::time::Instant::now();
    let error = container.ready().await.expect_err("it dies");
    ensure!(started.elapsed() < secs(10), "{:?}", started.elapsed());
    let Error::Died { exit_code, log, .. } = error else { anyhow::bail!("{error}") };
    ensure!(exit_code == 7 && log == "last words", "{exit_code} {log:?}");
    Ok(())
}

#[docker_test]
async fn a_run_to_the_end_keeps_code_and_streams_apart() -> Result<()> {
    let run = Container::builder().run(["sh", "-c", "echo out; echo err >&2; exit 3"]).await?.code(3);
    run.stdout_matches(contains("out\n")).stderr_matches(contains("err\n"));
    let shown = Container::builder().tty().run(["sh", "-c", "test -t 1 && echo a terminal"]).await?.success();
    shown.stdout_matches(contains("a terminal\r\n"));
    let fed = Container::builder().stdin("a\nb\n").run(["wc", "-l"]).await?.success();
    fed.stdout_matches(contains("2"));
    Ok(())
}

#[docker_test]
async fn a_failed_wait_reports_the_last_observation() -> Result<()> {
    let container = up().await?;
    let error = container
        .wait_until("slot no-such-slot up", slot_up("no-such-slot"), secs(10))
        .await
        .expect_err("there is none");
    ensure!(
        error.to_string().ends_with("last seen: nothing supervises /run/service/no-such-slot"),
        "{error}"
    );

    let never = wait_until("it", async || Ok(Look::<()>::Never("because".to_owned())), secs(60)).await;
    ensure!(never.expect_err("never").to_string() == "it: will never be: because");

    container.kill("KILL").await?;
    let died =
        container.wait_until("anything", slot_up("no-such-slot"), secs(60)).await.expect_err("it is dead");
    ensure!(matches!(died, Error::Died { exit_code: 137, .. }), "{died}");
    Ok(())
}

#[docker_test]
async fn processes_are_seen_with_their_owners() -> Result<()> {
    let container = up().await?;
    let processes = container.processes().await?;
    ensure!(processes.iter().any(|process| process.pid == 1 && process.user == "root"), "{processes:?}");
    let sleeping = container.processes_named("sleep").await?;
    ensure!(
        sleeping.iter().any(|process| process.user == "hermes" && process.argv == ["sleep", "infinity"]),
        "{sleeping:?}"
    );
    ensure!(container.zombies().await?.is_empty());
    Ok(())
}

#[docker_test]
async fn files_are_seen_written_and_copied_out() -> Result<()> {
    let container = up().await?;
    container.write_file("/etc/a-file", "hello\n").await?;
    let facts = container.file("/etc/a-file").await?.expect("it was written");
    ensure!((facts.mode, facts.uid, facts.kind.as_str()) == (0o644, 0, "regular file"), "{facts:?}");
    ensure!(container.read_file("/etc/a-file").await? == b"hello\n");
    ensure!(container.file("/etc/no-such-file").await?.is_none());
    container.kill("KILL").await?;
    container.wait_exit(secs(10)).await?;
    ensure!(container.copy_out("/etc/a-file").await?.as_deref() == Some(&b"hello\n"[..]));
    ensure!(container.copy_out("/etc/no-such-file").await?.is_none());
    Ok(())
}

#[docker_test]
async fn a_derived_image_is_removed_with_its_last_container() -> Result<()> {
    let image = ImageBuilder::new()
        .owned_file("/opt/given", 0o640, (10000, 0), "content")
        .env("GIVEN", "\"quoted\" $HOME \\ 'x'")
        .build()
        .await?;
    let container = image.container().cmd(["sleep", "infinity"]).start_ready().await?;
    let (docker, id) = (container.docker().clone(), image.id().to_owned());
    drop(image);
    let facts = container.file("/opt/given").await?.expect("it was given");
    ensure!((facts.mode, facts.uid, facts.gid) == (0o640, 10000, 0), "{facts:?}");
    container.exec_sh("echo \"$GIVEN\"").await?.success().stdout_is("\"quoted\" $HOME \\ 'x'");
    ensure!(docker.inspect_image(&id).await.is_ok());
    drop(container);
    ensure!(docker.inspect_image(&id).await.is_err(), "image {id} is still there");
    Ok(())
}

#[docker_test]
async fn a_container_gets_files_before_it_starts() -> Result<()> {
    let container = Container::builder()
        .owned_file("/etc/given", 0o640, (10000, 0), "content")
        .file("/etc/cont-init.d/10-look", 0o755, "#!/bin/sh\nstat -c %a:%u /etc/given >/seen-at-boot\n")
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    ensure!(container.read_file("/seen-at-boot").await? == b"640:10000\n");
    Ok(())
}

#[docker_test]
async fn a_slot_shows_the_new_process_after_a_kill() -> Result<()> {
    let container = up().await?;
    let slots = container.slots("/run/service").await?;
    ensure!(slots.iter().any(|slot| slot.name() == "main-hermes"), "{slots:?}");
    let before = container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    let pid = before.pid.expect("it is up");
    container.kill_process(pid, "KILL").await?;
    let after =
        container.wait_until("main-hermes back", slot_pid_other_than("main-hermes", pid), secs(10)).await?;
    ensure!(after.up && after.wanted_up, "{after}");
    ensure!(container.slot("no-such-slot").await?.is_none());
    Ok(())
}

#[docker_test]
async fn ports_and_answers_are_seen_from_inside_and_outside() -> Result<()> {
    const SERVER: &str = r#"use IO::Socket::INET;
        my $listener = IO::Socket::INET->new(Listen => 5, LocalPort => 8123, ReuseAddr => 1) or die $!;
        while (my $client = $listener->accept) {
            my $first = <$client>;
            while (<$client>) { last if /^\r\n$/ }
            print $client "HTTP/1.0 200 OK\r\nX-Who: perl\r\n\r\nyou said $first";
            close $client;
        }"#;
    let container = Container::builder().publish(8123).cmd(["perl", "-e", SERVER]).start_ready().await?;
    let listening = async |container: &Container| {
        Ok(Look::holds(container.listens_on(8123).await?, || "nothing on port 8123".to_owned()))
    };
    container.wait_until("port 8123", listening, secs(10)).await?;
    let ports = container.listening_ports().await?;
    ensure!(ports.iter().any(|port| port.port == 8123 && port.uid == 10000), "{ports:?}");
    let inside = container.http_get_inside(8123, "/in", &[]).await?;
    ensure!(inside.status == 200 && inside.text() == "you said GET /in HTTP/1.0\r\n", "{inside:?}");
    let outside = container.http_get(8123, "/out", &[("A", "b")]).await?;
    ensure!(outside.header("x-who") == Some("perl") && outside.text().contains("/out"), "{outside:?}");
    Ok(())
}

#[docker_test]
async fn a_terminal_can_be_typed_into_read_and_resized() -> Result<()> {
    let builder = Container::builder().cmd(["bash", "--norc"]).env("PS1", "ready> ");
    let (_container, mut terminal) = builder.open_terminal(100, 30).await?;
    terminal.wait_for("ready>", secs(10)).await?;
    terminal.type_line("echo $(tput cols) by $(tput lines)").await?;
    terminal.wait_for("100 by 30", secs(10)).await?;
    terminal.resize(132, 43).await?;
    terminal.type_line("echo $(tput cols) by $(tput lines)").await?;
    terminal.wait_for("132 by 43", secs(10)).await?;
    let error = terminal.wait_for("never shown", Duration::from_millis(200)).await.expect_err("it is not");
    ensure!(error.to_string().contains("132 by 43"), "the screen is not in: {error}");
    terminal.type_line("exit 5").await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 5);
    Ok(())
}

#[docker_test]
async fn a_command_in_a_running_container_gets_a_terminal_too() -> Result<()> {
    let container = up().await?;
    let mut terminal = container.exec(["bash", "--norc"]).env("PS1", "ready> ").open_terminal(90, 20).await?;
    terminal.wait_for("ready>", secs(10)).await?;
    terminal.type_line("stty size; id -un").await?;
    terminal.wait_for("20 90\nhermes", secs(10)).await?;
    // The quotes distinguish the output from the echo of the typed line. After its output, the program is in the
    // foreground, where Ctrl-C reaches it.
    terminal.type_line("sh -c \"echo be''gun; exec sleep 60\"").await?;
    terminal.wait_for("\nbegun", secs(10)).await?;
    terminal.control('c').await?;
    terminal.wait_for("^C\nready>", secs(10)).await?;
    terminal.type_line("exit 6").await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 6);
    Ok(())
}

#[docker_test]
async fn a_small_volume_can_be_filled() -> Result<()> {
    let volume = Volume::small(1 << 20).await?;
    let container =
        Container::builder().volume(&volume, "/small").cmd(["sleep", "infinity"]).start_ready().await?;
    container.fill("/small").await?;
    container.exec(["sh", "-c", "echo x >/small/one-more"]).as_root().await?.failure();
    Ok(())
}

#[docker_test]
async fn a_container_can_be_paused_and_cut_off() -> Result<()> {
    let container = up().await?;
    // The runtime reports both events to the engine with a delay. The first report may come after the second call.
    let is_paused = |wanted: bool| {
        async move |container: &Container| {
            let state = container.state().await?;
            Ok(Look::holds(state.paused == wanted, || format!("{state:?}")))
        }
    };
    container.pause().await?;
    container.wait_until("it is paused", is_paused(true), secs(5)).await?;
    container.unpause().await?;
    container.wait_until("it goes on", is_paused(false), secs(5)).await?;
    container.disconnect_network().await?;
    container.exec_sh("cat /proc/net/dev").await?.success();
    let networks = container.inspect().await?.network_settings.and_then(|settings| settings.networks);
    ensure!(networks.unwrap_or_default().is_empty());
    Ok(())
}

#[docker_test]
#[case::named("four", 4)]
#[case("seven!!", 7)]
#[case::of_a_constant(LONG, LONG.len())]
async fn cases_run_with_their_values(#[case] text: &str, #[case] length: usize) -> Result<()> {
    ensure!(text.len() == length, "{text} with {length}");
    Ok(())
}

const LONG: &str = "a value may be a constant";

#[docker_test]
async fn the_list_names_each_case() -> Result<()> {
    let binary = std::env::current_exe()?;
    let list = tokio::process::Command::new(binary).args(["--list", "--format", "terse"]).output().await?;
    let list = String::from_utf8(list.stdout)?;
    let listed: Vec<&str> =
        list.lines().filter(|line| line.contains("::cases_run_with_their_values")).collect();
    let expected = ["case_2", "named", "of_a_constant"]
        .map(|case| format!("harness_itself::cases_run_with_their_values::{case}: test"));
    ensure!(listed == expected, "listed: {listed:?}");
    Ok(())
}

/// The test that holds the key `harness_itself`.
static HOLDER: Mutex<Option<u32>> = Mutex::new(None);

#[docker_test]
#[serial(harness_itself)]
#[case::first(1)]
#[case::second(2)]
#[case::third(3)]
async fn tests_that_share_a_key_take_turns(#[case] turn: u32) -> Result<()> {
    let before = HOLDER.lock().expect("no test panics with it").replace(turn);
    ensure!(before.is_none(), "{before:?} runs at the same time as {turn}");
    // The start of a container takes about as long as a test that uses a shared object.
    let _container = Container::builder().entrypoint(["sleep", "infinity"]).start().await?;
    let after = HOLDER.lock().expect("no test panics with it").take();
    ensure!(after == Some(turn), "{after:?} ran at the same time as {turn}");
    Ok(())
}
