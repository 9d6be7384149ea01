//! The engine's side of a call: it starts a supervisor, feeds it, and receives the output and the end.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Stdio;

use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::request::{Ended, Frame, LARGEST_INPUT, LARGEST_REQUEST, Request};

/// The words of the verb.
const VERB: [&str; 2] = ["container", "tool-run"];

/// The bytes of one read of an output at most.
const PIECE: usize = 16 << 10;

/// The frames of input that may wait for the supervisor.
const FRAMES: usize = 16;

/// The bytes of a report at most.
const LARGEST_REPORT: u64 = 64 << 10;

/// A failure to start a call.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The request is no JSON.
    #[error("failed to write the request of a call")]
    Request(#[from] serde_json::Error),
    /// The request is too long.
    #[error("failed to write the request of a call: it has {0} bytes")]
    TooLong(usize),
    /// The supervisor did not start.
    #[error("failed to start the supervisor {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The supervisor has no pipe.
    #[error("failed to start the supervisor of a call: a pipe is missing")]
    NoPipe,
}

/// A failure to feed a call: it ended.
#[derive(Debug, Error)]
#[error("failed to write the input of a call: it has ended")]
pub struct InputError;

/// Starts the supervisors of calls.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Default for Launcher {
    fn default() -> Self {
        Self::new("/proc/self/exe")
    }
}

impl Launcher {
    /// Starts supervisors with this program `hermes`. The default is the program that runs.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: VERB.map(OsString::from).to_vec() }
    }

    /// Starts a call. The supervisor has no environment and no argument that another process could read.
    ///
    /// # Errors
    /// The supervisor cannot be started.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with I/O.
    pub fn start(&self, request: &Request) -> Result<Running, LaunchError> {
        let mut line = serde_json::to_vec(request)?;
        if line.len() > LARGEST_REQUEST {
            return Err(LaunchError::TooLong(line.len()));
        }
        line.push(b'\n');
        let mut command = Command::new(&self.program);
        // The program of another name plays another role.
        command.arg0("hermes").args(&self.arguments).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut supervisor =
            command.spawn().map_err(|source| LaunchError::Start { program: self.program.clone(), source })?;
        let control = supervisor.stdin.take().ok_or(LaunchError::NoPipe)?;
        let report = supervisor.stderr.take().ok_or(LaunchError::NoPipe)?;
        let output = supervisor.stdout.take().ok_or(LaunchError::NoPipe)?;
        let (input, frames) = mpsc::channel(FRAMES);
        let writer = tokio::spawn(write_control(control, line, frames));
        let output = Some(Output(output));
        Ok(Running { supervisor, report, output, input: Input(input), errors: None, writer })
    }
}

/// Writes the control channel. It stays open until the task is aborted: its end ends the call.
async fn write_control(mut control: ChildStdin, request: Vec<u8>, mut frames: mpsc::Receiver<Frame>) {
    let mut result = control.write_all(&request).await;
    while result.is_ok()
        && let Some(frame) = frames.recv().await
    {
        result = control.write_all(&frame.encode()).await;
    }
    // A supervisor that reads no more has ended.
    if result.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// A running call. Its drop ends all processes that the call started.
#[derive(Debug)]
pub struct Running {
    supervisor: Child,
    report: ChildStderr,
    output: Option<Output>,
    input: Input,
    errors: Option<String>,
    writer: JoinHandle<()>,
}

impl Running {
    /// Takes the output. The call waits while nobody reads it, so read it to its end before [`ended`](Self::ended). Dropping it gives
    /// SIGPIPE to the writers.
    pub fn take_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    /// Returns the input. Only a command with [`Streams::Pipes`](super::Streams::Pipes), [`Streams::Apart`](super::Streams::Apart) or a
    /// terminal has one; others ignore it.
    pub fn input(&self) -> Input {
        self.input.clone()
    }

    /// Waits until the call has ended, with all processes that it started. May be called again if the future was dropped.
    pub async fn ended(&mut self) -> Ended {
        let mut report = Vec::new();
        let read = (&mut self.report).take(LARGEST_REPORT).read_to_end(&mut report).await;
        let status = self.supervisor.wait().await;
        let mut lines = report.split(|byte| *byte == b'\n');
        let ended = lines.next().unwrap_or_default();
        let parsed = read.map_err(|error| error.to_string()).and_then(|_| {
            serde_json::from_slice(ended).map_err(|error| format!("no report of the supervisor: {error}"))
        });
        self.errors = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        parsed.unwrap_or_else(|cause| {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Ended::Lost {
                cause: format!("{cause} ({status}): {}", String::from_utf8_lossy(&report).trim_end()),
            }
        })
    }

    /// Returns the end of the standard error of a call with [`Streams::Apart`](super::Streams::Apart), after [`ended`](Self::ended).
    pub fn last_errors(&self) -> Option<&str> {
        self.errors.as_deref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The task owns the control channel.
        self.writer.abort();
    }
}

/// The output of a call: of the standard output and the standard error, or of the terminal.
#[derive(Debug)]
pub struct Output(ChildStdout);

impl Output {
    /// Reads to the end, when no process of the call is left, or until `take` breaks. A pipe that fails has ended.
    pub async fn each_piece(&mut self, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) {
        let mut bytes = vec![0; PIECE];
        while let Ok(count @ 1..) = self.read(&mut bytes).await {
            if take(&bytes[..count]).is_break() {
                return;
            }
        }
    }

    /// Reads the next bytes. Returns 0 at the end, when no process of the call is left.
    ///
    /// # Errors
    /// The pipe fails.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).await
    }
}

/// The input of a call.
#[derive(Clone, Debug)]
pub struct Input(mpsc::Sender<Frame>);

impl Input {
    /// Sends bytes. Waits while the call takes none.
    ///
    /// # Errors
    /// The call has ended.
    pub async fn send(&self, bytes: &[u8]) -> Result<(), InputError> {
        for piece in bytes.chunks(LARGEST_INPUT) {
            self.0.send(Frame::Input(piece.to_vec())).await.map_err(|_| InputError)?;
        }
        Ok(())
    }

    /// Closes the input. A terminal gets the character for the end of input.
    ///
    /// # Errors
    /// The call has ended.
    pub async fn close(&self) -> Result<(), InputError> {
        self.0.send(Frame::CloseInput).await.map_err(|_| InputError)
    }
}
