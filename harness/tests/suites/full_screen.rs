//! `hermes --tui` on a real terminal: the conversation, panels, other sizes, a suspension, and each end.

mod picture;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use hermes_harness::{Container, Look, StandIn, Terminal, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::{ACCOUNT, hermes};

const READY: &str = "Enter sends";

/// Sequences that give a terminal its own state back: the mouse, pastes, the main screen, the cursor.
const GIVEN_BACK: [&str; 4] = ["\u{1b}[?1000l", "\u{1b}[?2004l", "\u{1b}[?1049l", "\u{1b}[?25h"];

/// Begins a screen in a container that runs, and waits for its first frame.
async fn begin(container: &Container, columns: u16, rows: u16) -> Result<Terminal> {
    let request = container.exec(["hermes", "--tui"]).env("TERM", "xterm-256color");
    let mut terminal = request.open_terminal(columns, rows).await?;
    terminal.wait_for(READY, secs(20)).await?;
    Ok(terminal)
}

/// Returns the PID of the screen.
async fn screen_pid(container: &Container) -> Result<u32> {
    let processes = container.processes().await?;
    let screen = processes.iter().find(|process| process.argv.iter().any(|word| word == "--tui"));
    Ok(screen.context("the screen runs")?.pid)
}

/// Checks that the program gave the terminal back.
fn is_given_back(terminal: &Terminal) -> Result<()> {
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    for sequence in GIVEN_BACK {
        let (set, reset) = (sequence.replace('l', "h"), sequence);
        let set = if reset.ends_with('h') { "\u{1b}[?25l".to_owned() } else { set };
        ensure!(raw.rfind(reset) > raw.rfind(&set), "{reset:?} does not follow {set:?}: {terminal:?}");
    }
    ensure!(!terminal.look(|screen| screen.alternate_screen()), "{terminal:?}");
    Ok(())
}

fn folder() -> PathBuf {
    let asked = std::env::var_os("HERMES_PICTURES").map(PathBuf::from);
    asked.unwrap_or_else(|| hermes_harness::PRODUCT.test_directory().join("pictures"))
}

/// Scripts a model that looks into the workspace and answers with Markdown.
async fn scripted() -> Result<StandIn> {
    let model = StandIn::start().await?;
    let call = json!([{"id": "c1", "name": "terminal", "arguments": {"command": "ls"}}]);
    let answer = "## Two files\n\nThe workspace has **two** files:\n\n| file | lines |\n| --- | ---: |\n| `notes.md` | 12 \
                  |\n| `todo.md` | 3 |\n\n```sh\nwc -l notes.md todo.md\n```\n";
    model.script(&json!([
        {"tool_calls": call},
        {"text": answer, "chunk_bytes": 8, "delay_ms": 15},
        {"text": "You are welcome."},
    ]))?;
    Ok(model)
}

/// Writes the picture of a terminal for the documents.
fn draw(terminal: &Terminal, name: &str) -> Result<()> {
    let folder = folder();
    std::fs::create_dir_all(&folder)?;
    Ok(terminal.look(|screen| std::fs::write(folder.join(name), picture::svg(screen)))?)
}

#[docker_test]
async fn the_same_conversation_in_lines_has_a_picture() -> Result<()> {
    let model = scripted().await?;
    let container = model.idle().start_ready().await?;
    let request = container.exec(["hermes", "chat"]).env("TERM", "xterm-256color");
    let mut terminal = request.open_terminal(80, 20).await?;
    terminal.wait_screen("the prompt", |screen| screen.trim_end().ends_with('›'), secs(20)).await?;
    terminal.type_line("What is in the workspace?").await?;
    terminal.wait_for("✓ terminal ls", secs(20)).await?;
    terminal.wait_for("wc -l notes.md todo.md", secs(20)).await?;
    terminal.wait_screen("the next prompt", |screen| screen.trim_end().ends_with('›'), secs(20)).await?;
    draw(&terminal, "chat.svg")
}

#[docker_test]
async fn a_person_talks_on_the_full_screen() -> Result<()> {
    let model = scripted().await?;
    let files = "cd /opt/data/workspace; seq 12 >notes.md; seq 3 >todo.md";
    let builder = model.model_of(Container::builder()).cmd(["--tui"]).env("TERM", "xterm-256color");
    let (container, mut terminal) = builder.open_terminal(80, 24).await?;
    terminal.wait_for(READY, secs(30)).await?;
    container.exec_sh(files).await?.success();
    terminal.type_line("What is in the workspace?").await?;
    terminal.wait_for("✓ terminal ls", secs(20)).await?;
    terminal.wait_for("wc -l notes.md todo.md", secs(20)).await?;
    terminal.wait_for(READY, secs(10)).await?;
    terminal.control('t').await?;
    terminal.wait_for("│ notes.md", secs(10)).await?;
    terminal.control('t').await?;
    terminal.type_line("Thank you").await?;
    terminal.wait_for("You are welcome.", secs(10)).await?;
    terminal.wait_for(READY, secs(10)).await?;
    draw(&terminal, "full-screen.svg")?;
    terminal.resize(50, 16).await?;
    terminal.wait_screen("a screen of 50 columns", |screen| fits(screen, 50), secs(10)).await?;
    terminal.resize(120, 30).await?;
    // The key F3.
    terminal.type_text("\u{1b}OR").await?;
    let agents = terminal.wait_for("default  stopped", secs(10)).await?;
    ensure!(agents.contains("You are welcome."), "the panel stands beside the conversation:\n{agents}");
    terminal.type_text("s").await?;
    terminal.wait_for("default  running", secs(30)).await?;
    terminal.type_text("\u{1b}").await?;
    terminal.wait_screen("no panel", |screen| !screen.contains("Agents"), secs(10)).await?;
    std::fs::write(folder().join("full-screen.cast"), terminal.recording())?;
    terminal.control('d').await?;
    terminal.wait_for("continue with: hermes chat --resume", secs(10)).await?;
    is_given_back(&terminal)?;
    Ok(())
}

/// Returns `true` if all lines of the screen have at most `columns` columns, and the frame has this width.
fn fits(screen: &str, columns: usize) -> bool {
    let widths = || screen.lines().map(|line| line.chars().count());
    widths().max() == Some(columns) && screen.contains("You are welcome.")
}

#[docker_test]
async fn an_approval_on_the_full_screen_runs_the_command() -> Result<()> {
    let model = StandIn::start().await?;
    let call = json!([{"id": "c1", "name": "terminal", "arguments": {"command": "echo asked >proof"}}]);
    model.script(&json!([{"tool_calls": call}, {"text": "Done."}]))?;
    let config = "command_allowlist: []\napprovals:\n  mode: ask\n";
    let builder = model.model_of(Container::builder()).cmd(["sleep", "infinity"]);
    let container = builder.owned_file("/opt/data/config.yaml", 0o600, ACCOUNT, config).start_ready().await?;
    let mut terminal = begin(&container, 80, 24).await?;
    terminal.type_line("ask me").await?;
    terminal.wait_for("terminal asks to run", secs(20)).await?;
    // A person who types sees the dialog come: these keys answer nothing.
    terminal.type_text("and so on\r").await?;
    let proof = container.exec_sh("cat /opt/data/workspace/proof").await?.either_way();
    ensure!(proof.stdout().is_empty(), "it ran without an answer");
    choose_once(&mut terminal).await?;
    terminal.type_text("\r").await?;
    terminal.wait_for("approved once", secs(10)).await?;
    terminal.wait_for("Done.", secs(10)).await?;
    container.exec_sh("cat /opt/data/workspace/proof").await?.success().stdout_is("asked");
    Ok(())
}

/// Presses `o` until the dialog takes it: it takes no key until a moment has passed without one.
async fn choose_once(terminal: &mut Terminal) -> Result<()> {
    for _ in 0..10 {
        terminal.type_text("o").await?;
        if terminal.wait_for("Enter confirms", secs(2)).await.is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("the dialog takes no answer: {terminal:?}")
}

#[docker_test]
async fn a_suspended_screen_gives_the_terminal_back_and_comes_again() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80, 24).await?;
    terminal.type_text("a draft").await?;
    terminal.wait_for("› a draft", secs(10)).await?;
    let pid = screen_pid(&container).await?;
    terminal.control('z').await?;
    let state = async |container: &Container| {
        let stat = container.exec_sh(&format!("cut -d ' ' -f 3 /proc/{pid}/stat")).await?.success().text();
        Ok(Look::holds(stat == "T", || stat))
    };
    container.wait_until("the process is stopped", state, secs(10)).await?;
    let left = |screen: &str| !screen.contains("a draft");
    terminal.wait_screen("the own screen of the terminal", left, secs(10)).await?;
    is_given_back(&terminal)?;
    container.kill_process(pid, "CONT").await?;
    terminal.wait_for("› a draft", secs(10)).await?;
    terminal.type_text("!").await?;
    terminal.wait_for("› a draft!", secs(10)).await?;
    Ok(())
}

#[docker_test]
#[case("TERM", 143)]
#[case("HUP", 129)]
#[case("INT", 130)]
#[case("QUIT", 131)]
async fn a_signal_ends_the_screen_and_keeps_the_answer(
    #[case] signal: &str,
    #[case] code: i64,
) -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"text": "word ".repeat(2000), "chunk_bytes": 5, "delay_ms": 20}]))?;
    let container = model.idle().start_ready().await?;
    let mut terminal = begin(&container, 80, 24).await?;
    terminal.type_line("talk").await?;
    terminal.wait_for("word word word", secs(10)).await?;
    container.kill_process(screen_pid(&container).await?, signal).await?;
    ensure!(terminal.wait_exit(secs(10)).await? == code, "{terminal:?}");
    is_given_back(&terminal)?;
    let sessions = hermes(&container, "sessions list --json").await?.success().stdout();
    let sessions: Value = serde_json::from_str(&sessions)?;
    let id = sessions["sessions"][0]["id"].as_str().or(sessions[0]["id"].as_str());
    let id = id.with_context(|| sessions.to_string())?;
    let stored = hermes(&container, &format!("sessions show {id}")).await?.success().stdout();
    ensure!(stored.contains("word word word"), "{stored}");
    Ok(())
}

#[docker_test]
async fn a_stop_of_the_container_gives_the_terminal_back() -> Result<()> {
    let model = StandIn::start().await?;
    let builder = model.model_of(Container::builder()).cmd(["--tui"]).env("TERM", "xterm-256color");
    let (container, mut terminal) = builder.open_terminal(80, 24).await?;
    terminal.wait_for(READY, secs(30)).await?;
    container.stop().await?;
    terminal.wait_exit(secs(20)).await?;
    is_given_back(&terminal)
}

#[docker_test]
async fn a_screen_needs_a_terminal_that_can_show_it() -> Result<()> {
    let model = StandIn::start().await?;
    let container = model.idle().start_ready().await?;
    let refused = hermes(&container, "--tui").await?.either_way();
    ensure!(refused.exit_code() == 69, "{}", refused.report("no screen without a terminal"));
    ensure!(refused.stderr().contains("the full screen needs a terminal"), "{}", refused.stderr());
    let request = container.exec(["hermes", "--tui"]).env("TERM", "dumb");
    let mut terminal = request.open_terminal(80, 24).await?;
    terminal.wait_for("hermes --tui --plain", secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn plain_lines_suit_a_screen_reader() -> Result<()> {
    let model = StandIn::start().await?;
    model.script(&json!([{"text": "It is **so**.\n\n- one\n- two\n"}]))?;
    let container = model.idle().start_ready().await?;
    let request = container.exec(["hermes", "--tui", "--plain"]).env("TERM", "xterm-256color");
    let mut terminal = request.open_terminal(80, 24).await?;
    terminal.wait_screen("the prompt", |screen| screen.trim_end().ends_with('›'), secs(20)).await?;
    let before = terminal.raw().len();
    terminal.type_line("tell").await?;
    terminal.wait_for("• two", secs(10)).await?;
    let raw = terminal.raw().split_off(before);
    let answer = String::from_utf8_lossy(&raw).into_owned();
    let answer = answer.split_once("It is").map_or("", |(_, rest)| rest);
    let answer = answer.split_once("two").map_or("", |(answer, _)| answer);
    ensure!(!answer.is_empty() && !answer.contains('\u{1b}'), "{answer:?}");
    Ok(())
}
