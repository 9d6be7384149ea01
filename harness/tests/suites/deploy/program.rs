//! The programs that `docs/deploy.md` uses. A test that needs a missing one is not run.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hermes_harness::suite::not_run;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The limit for a call.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program, with the words before all arguments.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    words: &'static [&'static str],
    directory: std::path::PathBuf,
    variables: Vec<(String, String)>,
}

impl Program {
    /// Finds `docker compose`, or else `docker-compose`.
    pub(crate) async fn compose() -> Result<Self> {
        // The search runs once, since it starts slow programs.
        static WORDS: OnceCell<Option<&[&str]>> = OnceCell::const_new();
        let words = WORDS.get_or_init(async || {
            for words in [&["docker", "compose"] as &'static [&'static str], &["docker-compose"]] {
                if Self::new(words).try_call(["version"]).await.is_ok_and(|called| called.success) {
                    return Some(words);
                }
            }
            None
        });
        match words.await {
            Some(words) => Ok(Self::new(words)),
            None => Err(not_run("there is neither `docker compose` nor docker-compose").into()),
        }
    }

    /// Returns `docker`, which talks to the swarm of the engine.
    pub(crate) async fn docker_in_a_swarm() -> Result<Self> {
        let program = Self::new(&["docker"]);
        match program.try_call(["stack", "ls"]).await {
            Ok(called) if called.success => Ok(program),
            Ok(called) => Err(not_run(format!("the docker command refuses: {}", called.output)).into()),
            Err(error) => Err(not_run(format!("there is no docker command: {error:#}")).into()),
        }
    }

    fn new(words: &'static [&'static str]) -> Self {
        Self { words, directory: std::env::temp_dir(), variables: Vec::new() }
    }

    /// Sets the directory, and adds variables.
    pub(crate) fn within(mut self, directory: &Path, variables: &[(&str, &str)]) -> Self {
        directory.clone_into(&mut self.directory);
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.variables.extend(owned);
        self
    }

    /// Runs the program. Its output is the error when it fails.
    pub(crate) async fn call<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String> {
        let called = self.try_call(arguments).await?;
        if !called.success {
            bail!("{}\nended with {}, and said:\n{}", called.line, called.status, called.output);
        }
        Ok(called.output)
    }

    async fn try_call<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Called> {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).args(arguments).current_dir(&self.directory);
        // These variables of the caller would change the started services.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["COMPOSE_", "HERMES_", "PUID", "PGID"].iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let line = format!("{:?} in {}", command.as_std(), self.directory.display());
        let output = tokio::time::timeout(DEADLINE, command.output()).await;
        let output = output.with_context(|| format!("{line}\ntook longer than {DEADLINE:?}"))?;
        let output = output.with_context(|| format!("failed to start {}", self.words[0]))?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim_end().to_owned();
        Ok(Called { success: output.status.success(), status: output.status.to_string(), line, output: text })
    }
}

struct Called {
    success: bool,
    status: String,
    line: String,
    /// The text of both streams.
    output: String,
}
