//! A terminal reaches the program directly: its size, its keys, its signals, its job control.
//! Without `-t` no stream is a terminal.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Container, ContainerBuilder, docker_test, secs};
use predicates::prelude::*;
use predicates::str::contains;

/// A prompt that occurs in no message. Its appearance shows that the shell waits for a line.
const PROMPT: &str = "READY> ";

/// Returns `docker run -it IMAGE bash` with that prompt and without start-up files.
fn interactive_bash() -> ContainerBuilder {
    Container::builder().env("PS1", PROMPT).cmd(["bash", "--norc", "--noprofile", "-i"])
}

/// Prints which streams are a terminal, and if the program has a controlling terminal.
const STREAMS: &str = "for fd in 0 1 2; do test -t $fd && echo \"$fd yes\" || echo \"$fd no\"; done; \
    (: </dev/tty) 2>/dev/null && echo 'tty yes' || echo 'tty no'";

#[docker_test]
async fn all_streams_are_the_terminal_and_dev_tty_opens() -> Result<()> {
    let (container, mut terminal) =
        Container::builder().cmd(["sh", "-c", STREAMS]).open_terminal(80, 24).await?;
    terminal.wait_for("tty yes", secs(20)).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    ensure!(terminal.screen().trim_end() == "0 yes\n1 yes\n2 yes\ntty yes", "{terminal:?}");
    // No other process wrote to the terminal.
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    ensure!(raw == "0 yes\r\n1 yes\r\n2 yes\r\ntty yes\r\n", "{raw:?}");
    drop(container);
    Ok(())
}

#[docker_test]
async fn without_a_terminal_no_stream_is_one() -> Result<()> {
    let no_terminal = "0 no\n1 no\n2 no\ntty no";
    Container::builder().run(["sh", "-c", STREAMS]).await?.success().stdout_is(no_terminal);
    // The same holds with -i alone.
    let with_stdin = Container::builder().stdin("").run(["sh", "-c", STREAMS]).await?.success();
    with_stdin.stdout_is(no_terminal);
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let processes = container.processes().await?;
    ensure!(processes.iter().all(|process| process.tty == 0), "{}", process_table(&processes));
    Ok(())
}

#[docker_test]
async fn a_running_gateway_does_not_read_the_terminal() -> Result<()> {
    let script = "until [ -s /opt/data/logs/gateways/default/current ]; do sleep 0.01; done
        echo begins; read line; echo \"read $line\"; cat; echo \"cat: $?\"";
    let (_container, mut terminal) = Container::builder()
        .env("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")
        .cmd(["sh", "-c", script])
        .open_terminal(100, 24)
        .await?;
    terminal.wait_for("begins", secs(20)).await?;
    terminal.type_line("one").await?;
    terminal.wait_for("read one", secs(10)).await?;
    // The first is the echo of the terminal, the second the output of `cat`.
    terminal.type_line("two").await?;
    let twice = |screen: &str| screen.matches("two").count() == 2;
    terminal.wait_screen("two, twice", twice, secs(10)).await?;
    terminal.control('d').await?;
    terminal.wait_for("cat: 0", secs(10)).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    Ok(())
}

#[docker_test]
#[case::small(80, 24)]
#[case::large(217, 61)]
async fn the_program_gets_the_size_of_the_terminal(#[case] columns: u16, #[case] rows: u16) -> Result<()> {
    // The engine sets the size shortly after the start. `read` waits for that.
    let script = "read go; tput cols; tput lines; stty size";
    let (_container, mut terminal) = Container::builder()
        .env("TERM", "xterm")
        .cmd(["sh", "-c", script])
        .open_terminal(columns, rows)
        .await?;
    terminal.type_line("go").await?;
    let expected = format!("{columns}\n{rows}\n{rows} {columns}");
    terminal.wait_screen(&expected, |screen| screen.contains(&expected), secs(20)).await?;
    Ok(())
}

#[docker_test]
async fn a_resize_reaches_the_running_program() -> Result<()> {
    // Bash loses a second SIGWINCH while the trap of the first one runs. So the loop also reads the size.
    let script = "trap 'echo WINCH' WINCH; echo waiting; while :; do now=$(stty size); \
        [ \"$now\" = \"$was\" ] || echo \"size $now\"; was=$now; read -t 0.1 line && echo \"got $line\"; done";
    let (container, mut terminal) =
        Container::builder().cmd(["bash", "-c", script]).open_terminal(80, 24).await?;
    terminal.wait_for("size 24 80", secs(20)).await?;
    terminal.resize(101, 33).await?;
    terminal.wait_for("WINCH", secs(10)).await?;
    terminal.wait_for("size 33 101", secs(10)).await?;
    // The terminal shrinks, and typing still works.
    terminal.resize(60, 20).await?;
    terminal.wait_for("size 20 60", secs(10)).await?;
    terminal.type_line("text").await?;
    terminal.wait_for("got text", secs(10)).await?;
    container.stop().await?;
    Ok(())
}

#[docker_test]
async fn control_c_ends_the_program_with_sigint() -> Result<()> {
    let (container, mut terminal) =
        Container::builder().cmd(["sh", "-c", "echo started; exec sleep 1000"]).open_terminal(80, 24).await?;
    terminal.wait_for("started", secs(20)).await?;
    terminal.control('c').await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 130, "{terminal:?}");
    ensure!(container.wait_exit(secs(10)).await? == 130);
    Ok(())
}

#[docker_test]
async fn control_c_reaches_only_the_foreground_group() -> Result<()> {
    // A program that handles SIGINT continues, and so does the container.
    let script = "trap 'echo minded' INT; echo started; (trap - INT; exec sleep 1000); echo child ended $?; \
        read line; echo \"then $line\"; exit 5";
    let (container, mut terminal) =
        Container::builder().cmd(["bash", "-c", script]).open_terminal(80, 24).await?;
    terminal.wait_for("started", secs(20)).await?;
    let sleeping = async |container: &Container| {
        let processes = container.processes().await?;
        let there = processes.iter().any(|process| process.argv == ["sleep", "1000"]);
        Ok(hermes_harness::Look::holds(there, || process_table(&processes)))
    };
    container.wait_until("sleep 1000", sleeping, secs(10)).await?;
    terminal.control('c').await?;
    terminal.wait_for("child ended 130", secs(10)).await?;
    terminal.wait_for("minded", secs(10)).await?;
    let (trees, processes) = (container.processes_named("s6-svscan").await?, container.processes().await?);
    ensure!(trees.len() == 2, "Ctrl-C hit the trees:\n{}", process_table(&processes));
    terminal.type_line("on").await?;
    terminal.wait_for("then on", secs(10)).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 5, "{terminal:?}");
    Ok(())
}

#[docker_test]
async fn control_backslash_ends_the_program_with_sigquit() -> Result<()> {
    let (_container, mut terminal) =
        Container::builder().cmd(["sh", "-c", "echo started; exec sleep 1000"]).open_terminal(80, 24).await?;
    terminal.wait_for("started", secs(20)).await?;
    terminal.control('\\').await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 131, "{terminal:?}");
    Ok(())
}

#[docker_test]
async fn the_program_is_the_foreground_of_the_terminal() -> Result<()> {
    let (container, mut terminal) = interactive_bash().open_terminal(80, 24).await?;
    terminal.wait_for(PROMPT.trim_end(), secs(20)).await?;
    let processes = container.processes().await?;
    let table = process_table(&processes);
    let bash = processes.iter().find(|process| process.comm == "bash").context(table.clone())?;
    ensure!(bash.is_in_foreground() && bash.user == "hermes", "{bash:?}\n{table}");
    ensure!(bash.pgid.unsigned_abs() == bash.pid, "no group of its own: {bash:?}\n{table}");
    Ok(())
}

#[docker_test]
async fn an_interactive_bash_has_job_control_without_warnings() -> Result<()> {
    // A user types this, with the default prompt of Debian.
    let (container, mut terminal) =
        Container::builder().hostname("box").cmd(["bash"]).open_terminal(100, 40).await?;
    let first = terminal.wait_screen("a prompt", |screen| screen.trim_end().ends_with('$'), secs(20)).await?;
    // The unwanted lines are: "cannot set terminal process group", "no job control in this shell", "I have no name!".
    ensure!(first.trim_end() == "hermes@box:~$", "it says more than its prompt:\n{first}");
    terminal.type_line("echo flags $-").await?;
    terminal
        .wait_screen(
            "m among the flags",
            |screen| screen.lines().any(|line| line.starts_with("flags ") && line.contains('m')),
            secs(10),
        )
        .await?;

    terminal.type_line("sleep 1000").await?;
    let foreground = async |container: &Container| {
        let processes = container.processes().await?;
        let there =
            processes.iter().any(|process| process.argv == ["sleep", "1000"] && process.is_in_foreground());
        Ok(hermes_harness::Look::holds(there, || process_table(&processes)))
    };
    container.wait_until("sleep in the foreground", foreground, secs(10)).await?;
    terminal.control('z').await?;
    terminal.wait_for("Stopped", secs(10)).await?;
    terminal.type_line("bg").await?;
    terminal.wait_for("sleep 1000 &", secs(10)).await?;
    terminal.type_line("jobs").await?;
    terminal.wait_for("Running", secs(10)).await?;
    terminal.type_line("fg").await?;
    container.wait_until("sleep in the foreground again", foreground, secs(10)).await?;
    terminal.control('c').await?;
    terminal.type_line("echo code $?").await?;
    terminal.wait_for("code 130", secs(10)).await?;
    terminal.type_line("exit 9").await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 9, "{terminal:?}");
    ensure!(container.wait_exit(secs(10)).await? == 9);
    Ok(())
}

#[docker_test]
async fn a_stopped_program_does_not_hang_the_container() -> Result<()> {
    let (container, mut terminal) =
        Container::builder().cmd(["sh", "-c", "echo started; exec sleep 1000"]).open_terminal(80, 24).await?;
    terminal.wait_for("started", secs(20)).await?;
    terminal.control('z').await?;
    // No shell can resume the program. The container still accepts `docker exec` and a stop.
    container.exec(["true"]).await?.success();
    let started = Instant::now();
    container.stop().await?;
    let took = started.elapsed();
    ensure!(took < secs(8), "the stop took {took:?}: the engine had to kill it");
    ensure!(container.state().await?.exit_code != 137, "{:?}", container.state().await?);
    Ok(())
}

#[docker_test]
async fn an_interactive_bash_is_stopped_at_once() -> Result<()> {
    // Bash at its prompt ignores SIGTERM, and SIGHUP ends it before the end of the grace time. The long grace time
    // shows the difference on a slow machine too.
    let builder = interactive_bash().env("S6_SERVICES_GRACETIME", "40000");
    let (container, mut terminal) = builder.open_terminal(80, 24).await?;
    terminal.wait_for(PROMPT.trim_end(), secs(20)).await?;
    let started = Instant::now();
    container.stop_within(secs(60)).await?;
    let took = started.elapsed();
    ensure!(took < secs(10), "the stop took {took:?}");
    Ok(())
}

#[docker_test]
async fn control_d_ends_the_shell_and_the_container() -> Result<()> {
    let (container, mut terminal) = interactive_bash().open_terminal(80, 24).await?;
    terminal.wait_for(PROMPT.trim_end(), secs(20)).await?;
    terminal.control('d').await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    ensure!(container.wait_exit(secs(10)).await? == 0);
    Ok(())
}

#[docker_test]
async fn the_device_files_of_the_streams_open_on_a_terminal() -> Result<()> {
    let script = "echo one >/dev/stdout; echo two >/dev/stderr; echo three >/dev/tty; echo four >/dev/fd/1; \
        read line </dev/stdin; echo \"got $line\"";
    let (_container, mut terminal) =
        Container::builder().cmd(["sh", "-c", script]).open_terminal(80, 24).await?;
    terminal.wait_for("four", secs(20)).await?;
    terminal.type_line("five").await?;
    terminal.wait_for("got five", secs(10)).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    let screen = terminal.screen();
    ensure!(screen.trim_end() == "one\ntwo\nthree\nfour\nfive\ngot five", "{screen}");
    Ok(())
}

#[docker_test]
async fn raw_mode_gives_the_program_every_key() -> Result<()> {
    // Editors and full-screen programs use raw mode: single keys, and Ctrl-C and Ctrl-Z as characters.
    let script = "stty raw -echo; echo started; head -c 6 | od -An -tx1 -v; stty sane";
    let (_container, mut terminal) =
        Container::builder().cmd(["sh", "-c", script]).open_terminal(80, 24).await?;
    terminal.wait_for("started", secs(20)).await?;
    terminal.type_text("\u{3}\u{1a}\u{1b}[A\u{4}").await?;
    terminal.wait_for("03 1a 1b 5b 41 04", secs(10)).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 0, "{terminal:?}");
    Ok(())
}

#[docker_test]
async fn the_container_keeps_the_exit_code_with_a_terminal() -> Result<()> {
    let output = Container::builder().tty().run(["sh", "-c", "exit 42"]).await?.code(42);
    ensure!(output.stdout().is_empty(), "{}", output.report("nothing on the terminal"));
    let version = Container::builder().tty().run(["--version"]).await?.success();
    version.stdout_matches(predicate::str::starts_with("hermes ").and(contains("\r\n").count(1)));
    Ok(())
}

#[docker_test]
async fn docker_exec_gives_a_working_terminal() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let mut terminal = container
        .exec(["bash", "--norc", "--noprofile", "-i"])
        .env("PS1", PROMPT)
        .env("TERM", "xterm")
        .open_terminal(90, 30)
        .await?;
    terminal.wait_for(PROMPT.trim_end(), secs(10)).await?;
    terminal.type_line("id -un; tput cols; tput lines").await?;
    terminal.wait_for("hermes\n90\n30", secs(10)).await?;
    terminal.type_line("exit 3").await?;
    ensure!(terminal.wait_exit(secs(10)).await? == 3, "{terminal:?}");
    Ok(())
}
