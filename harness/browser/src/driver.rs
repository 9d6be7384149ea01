//! The processes of one browser, and who ends them.
//!
//! `chromedriver` starts the browser, the browser a dozen processes, and each of them outlives its parent when that is
//! killed. So a *keeper* stands above them, a shell that waits for the end of its standard input, which only the test's
//! process holds open: on drop, and when the kernel closes it behind a process that was killed, the keeper kills the
//! driver's process group and removes the folder. There is one way to end, and it needs nobody to be left.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use container_harness::{Error, Look, product, secs, wait_until};
use tempfile::TempDir;

use super::programs::Programs;
use super::steady_network;
use crate::error::Result;

/// The script of the keeper.
const KEEPER: &str = include_str!("keeper.sh");

/// How long the driver may take to listen.
const START: Duration = secs(20);
/// How long the keeper may take.
const PATIENCE: Duration = secs(10);

/// A `chromedriver` with all that it started, and their files. Gone on drop.
#[derive(Debug)]
pub(super) struct Driver {
    port: u16,
    /// The input whose end the keeper waits for.
    input: Option<ChildStdin>,
    keeper: Option<Child>,
    folder: TempDir,
}

impl Driver {
    /// Starts it, and waits until it listens.
    pub(super) async fn start(programs: &Programs) -> Result<Self> {
        let prefix = format!("{}-browser-", product().name);
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.map_err(Error::file("make a folder for a browser"))?;
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(folder.path()).arg(&programs.driver);
        // The driver chooses a free port, and says which: nobody can take it in between.
        command.arg("--port=0");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C at the terminal is for the test's process; the keeper hears of its end.
        command.process_group(0);
        let mut keeper = steady_network::spawn(command).map_err(Error::file("start chromedriver"))?;
        let input = keeper.stdin.take();
        let mut driver = Self { port: 0, input, keeper: Some(keeper), folder };
        let log = driver.folder().join("driver.log");
        let listening = async || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            Ok(Look::from_option(port_in(&said), || format!("it said {said:?}")))
        };
        driver.port = wait_until("chromedriver listening", listening, START).await?;
        Ok(driver)
    }

    /// Returns the URL for commands.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the folder of all its files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.input.take());
        let Some(mut keeper) = self.keeper.take() else { return };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(keeper.wait()));
        if told.recv_timeout(PATIENCE).is_err() {
            eprintln!("harness: the browser in {} does not end", self.folder.path().display());
        }
    }
}

/// `ChromeDriver was started successfully on port 42003.`
fn port_in(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once("started successfully on port ")?;
    rest.split_once('.')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_once_it_is_whole() {
        let said = "Starting ChromeDriver 156.0 (73) on port 0\nOnly local connections are allowed.\n\
                    ChromeDriver was started successfully on port 42003.\n";
        assert_eq!(port_in(said), Some(42003));
        assert_eq!(port_in(&said[..said.len() - 4]), None);
        assert_eq!(port_in("Starting ChromeDriver 156.0 on port 0.\n"), None);
    }
}
