//! The end of a browser: on drop, with a failed test, and with a killed process. No process and no file remains.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use hermes_harness::evidence::evidence_directory;
use hermes_harness::suite::rehearse;
use hermes_harness::{Browser, Look, connect, docker_test, image_under_test, secs, wait_until};
use tokio::sync::oneshot;

use super::{GOOD, Server, open_page};

/// Returns the living processes of a browser: those with its folder in their environment, and their process groups.
/// Some processes write their title over their environment, so the groups are needed.
fn processes_of(folder: &Path) -> Vec<Process> {
    let marker = format!("TMPDIR={}", folder.display());
    let all: Vec<Process> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Process::read(&entry.path()))
        .collect();
    let marked = |process: &&Process| {
        let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    let groups: Vec<u32> = all.iter().filter(marked).map(|process| process.group).collect();
    all.into_iter().filter(|process| groups.contains(&process.group)).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    group: u32,
    /// The start time in ticks. It distinguishes the process from a later one with the same PID.
    started: u64,
    command: String,
}

impl Process {
    /// Reads a living process. Dead ones wait in `/proc` until PID 1 reaps them.
    fn read(directory: &Path) -> Option<Self> {
        let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let command = std::fs::read(directory.join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        (!["Z", "X"].contains(fields.first()?)).then_some(())?;
        Some(Self {
            pid: directory.file_name()?.to_str()?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            command: command.chars().take(80).collect(),
        })
    }

    fn is_alive(&self) -> bool {
        Self::read(&PathBuf::from(format!("/proc/{}", self.pid)))
            .is_some_and(|now| now.started == self.started)
    }
}

/// The folder and the processes of a browser, recorded while it runs.
struct Traces {
    folder: PathBuf,
    processes: Vec<Process>,
}

impl Traces {
    fn of(folder: &Path) -> Result<Self> {
        let processes = processes_of(folder);
        for name in ["chromedriver", "--type=renderer", "--type=gpu-process"] {
            ensure!(processes.iter().any(|one| one.command.contains(name)), "no {name} in {processes:#?}");
        }
        Ok(Self { folder: folder.to_owned(), processes })
    }

    fn check_all_gone(&self) -> Result<()> {
        let mut left: Vec<&Process> = self.processes.iter().filter(|process| process.is_alive()).collect();
        let new = processes_of(&self.folder);
        left.extend(&new);
        ensure!(left.is_empty(), "left: {left:#?}");
        ensure!(!self.folder.exists(), "{} is still there", self.folder.display());
        Ok(())
    }
}

/// Runs a test inside this one, and returns its failure.
async fn run_rehearsal<F>(
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Result<std::result::Result<(), String>>
where
    F: Future<Output = Result<()>> + 'static,
{
    let name = name.to_owned();
    Ok(tokio::task::spawn_blocking(move || rehearse(&name, secs(60), test)).await?)
}

#[docker_test]
async fn a_dropped_browser_is_gone_with_the_next_step() -> Result<()> {
    let (_server, browser) = open_page(GOOD).await?;
    let traces = Traces::of(browser.folder())?;
    let started = Instant::now();
    drop(browser);
    tokio::task::yield_now().await;
    traces.check_all_gone()?;
    ensure!(started.elapsed() < secs(5), "{:?}", started.elapsed());
    Ok(())
}

#[docker_test]
async fn a_failed_test_leaves_its_page_and_no_browser() -> Result<()> {
    let name = format!("rehearsal::browser-{}", std::process::id());
    let (tell, told) = oneshot::channel();
    let failure = run_rehearsal(&name, move || async move {
        let (_server, browser) = open_page(GOOD).await?;
        let _ = tell.send(Traces::of(browser.folder())?);
        browser.screenshot("before").await?;
        browser.execute("console.error('its last words')").await?;
        browser.click("#add").await?;
        panic!("the reason")
    });
    let failure = failure.await?.expect_err("it fails");
    told.await?.check_all_gone()?;
    ensure!(failure.starts_with("the reason") && failure.contains("\n\nevidence: "), "{failure}");
    let folder = evidence_directory(&name);
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap_or_default();
    let text = |file: &str| String::from_utf8_lossy(&read(file)).into_owned();
    ensure!(text("browser.txt").contains("titled \"Agents\""), "{}", text("browser.txt"));
    ensure!(text("browser.console").contains("its last words"), "{}", text("browser.console"));
    ensure!(text("browser.html").contains("<li>added </li>"), "{}", text("browser.html"));
    for picture in ["browser.png", "before.png"] {
        ensure!(read(picture).starts_with(b"\x89PNG"), "{picture}: {:?}", text("browser.png.txt"));
    }
    run_rehearsal(&name, || async { Ok(()) }).await?.map_err(anyhow::Error::msg)?;
    ensure!(!folder.exists(), "the evidence outlived the failure");
    Ok(())
}

#[docker_test]
async fn one_test_can_have_three_browsers() -> Result<()> {
    let server = Server::start(GOOD).await?;
    let start = async || {
        let browser = Browser::start().await?;
        browser.goto(&server.url()).await?;
        anyhow::Ok(browser)
    };
    let (first, second, third) = tokio::try_join!(start(), start(), start())?;
    first.click("#add").await?;
    ensure!(second.evaluate::<bool>("return !list.childElementCount").await?, "they share a page");
    ensure!(first.folder() != third.folder());
    Ok(())
}

/// The variable of the process to be killed: the file to which it writes the folder of its browser.
const VICTIM: &str = "HERMES_TEST_BROWSER_VICTIM";

#[docker_test]
async fn a_browser_is_gone_when_its_process_was_killed() -> Result<()> {
    if let Some(file) = std::env::var_os(VICTIM) {
        let browser = Browser::start().await?;
        // The rename makes the whole content visible at once to the waiting reader.
        let draft = PathBuf::from(&file).with_extension("draft");
        std::fs::write(&draft, browser.folder().as_os_str().as_encoded_bytes())?;
        std::fs::rename(draft, file)?;
        return std::future::pending().await;
    }
    let place = tempfile::tempdir()?;
    let file = place.path().join("folder");
    let mut victim = tokio::process::Command::new(std::env::current_exe()?)
        .args(["browser::end::a_browser_is_gone_when_its_process_was_killed", "--exact", "--nocapture"])
        .env(VICTIM, &file)
        .env("HERMES_TEST_IMAGE", image_under_test(&connect().await?).await?)
        .env_remove("HERMES_TEST_JUNIT")
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut told = async || {
        if let Some(status) = victim.try_wait()? {
            return Ok(Look::Never(format!("it ended with {status}")));
        }
        Ok(Look::from_option(std::fs::read_to_string(&file).ok(), || "it says nothing".to_owned()))
    };
    let folder = wait_until("a browser", &mut told, secs(60)).await?;
    let traces = Traces::of(Path::new(&folder))?;
    victim.kill().await?;
    let gone =
        async || Ok(traces.check_all_gone().map_or_else(|left| Look::NotYet(left.to_string()), Look::Value));
    wait_until("the end of its browser", gone, secs(15)).await?;
    Ok(())
}
