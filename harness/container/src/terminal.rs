//! A real terminal: what a person at the keyboard would type, and what they would see.
//!
//! The engine gives the program a pseudo-terminal; a `vt100` parser is the screen. It works on the container's own
//! command ([`ContainerBuilder::open_terminal`](crate::ContainerBuilder::open_terminal)) and on what `docker exec -t`
//! starts ([`ExecRequest::open_terminal`](crate::ExecRequest::open_terminal)).

mod recording;

use std::num::NonZeroU16;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::container::{Container, ContainerBuilder};
use crate::error::{Error, Result};
use crate::exec::{ExecRequest, exit_code};
use recording::{Piece, asciicast};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Lines above the screen that are kept.
const SCROLLBACK: usize = 10_000;

/// A terminal with a program in it.
pub struct Terminal {
    docker: Docker,
    what: String,
    place: Place,
    input: Input,
    seen: Arc<Mutex<Seen>>,
    /// Changes with each piece of output; gone when the output has ended.
    changes: watch::Receiver<()>,
    reader: AbortHandle,
}

#[derive(Debug)]
enum Place {
    Container(String),
    Exec(String),
}

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    begun: Instant,
    size: (u16, u16),
    pieces: Vec<Piece>,
}

impl ContainerBuilder {
    /// Makes the container with a terminal of this size and starts it: `docker run -it`.
    ///
    /// Attached before the start, so nothing is lost. An engine older than 25 can be told the size only once the
    /// container runs, which is long before its boot is over.
    pub async fn open_terminal(self, columns: u16, rows: u16) -> Result<(Container, Terminal)> {
        let container = self
            .tty()
            .interactive()
            .tune(|body, host| {
                body.attach_stdin = Some(true);
                body.stdin_once = Some(true);
                host.console_size = Some(vec![usize::from(rows), usize::from(columns)]);
            })
            .create()
            .await?;
        let what = format!("terminal of {}", container.name());
        let options = AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true);
        let attached = container.docker().attach_container(container.id(), Some(options.build())).await;
        let attached = attached.map_err(Error::engine(format!("attach to the {what}")))?;
        container.start().await?;
        let place = Place::Container(container.id().to_owned());
        let docker = container.docker().clone();
        let terminal =
            Terminal::open(docker, what, place, attached.output, attached.input, (columns, rows)).await?;
        Ok((container, terminal))
    }
}

impl ExecRequest<'_> {
    /// Runs the command in a terminal of this size: `docker exec -it`.
    ///
    /// An engine older than 25 learns the size only once the program runs: wait for what the program does with it.
    pub async fn open_terminal(self, columns: u16, rows: u16) -> Result<Terminal> {
        let docker = self.container.docker().clone();
        let what = format!("terminal: {}", self.describe());
        let id = self.create(true, true).await?;
        let options = StartExecOptions { tty: true, ..StartExecOptions::default() };
        let started = docker.start_exec(&id, Some(options)).await;
        let StartExecResults::Attached { output, input } = started.map_err(Error::engine(self.describe()))?
        else {
            unreachable!("an exec that is not detached is attached");
        };
        Terminal::open(docker, what, Place::Exec(id), output, input, (columns, rows)).await
    }
}

impl Terminal {
    async fn open(
        docker: Docker,
        what: String,
        place: Place,
        output: Output,
        input: Input,
        (columns, rows): (u16, u16),
    ) -> Result<Self> {
        let parser = vt100::Parser::new(at_least_one(rows), at_least_one(columns), SCROLLBACK);
        let seen = Arc::new(Mutex::new(Seen {
            parser,
            raw: Vec::new(),
            begun: Instant::now(),
            size: (columns, rows),
            pieces: Vec::new(),
        }));
        let (changed, changes) = watch::channel(());
        let reader = tokio::spawn(read(output, Arc::clone(&seen), changed)).abort_handle();
        let terminal = Self { docker, what, place, input, seen, changes, reader };
        terminal.tell_size(columns, rows).await?;
        Ok(terminal)
    }

    /// Types text, byte for byte. Enter is `\r`, as on a keyboard.
    pub async fn type_text(&mut self, text: &str) -> Result<()> {
        let doing = || Error::file(format!("type into the {}", self.what));
        self.input.write_all(text.as_bytes()).await.map_err(doing())?;
        self.input.flush().await.map_err(Error::file(format!("type into the {}", self.what)))
    }

    /// Types a line and Enter.
    pub async fn type_line(&mut self, line: &str) -> Result<()> {
        self.type_text(&format!("{line}\r")).await
    }

    /// Presses a key together with Control: `control('c')`.
    pub async fn control(&mut self, key: char) -> Result<()> {
        let code = char::from(key.to_ascii_uppercase() as u8 & 0x1f);
        self.type_text(&code.to_string()).await
    }

    /// Changes the size, as when a person drags the window's corner.
    pub async fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        {
            let mut seen = self.seen();
            seen.parser.screen_mut().set_size(at_least_one(rows), at_least_one(columns));
            let at = seen.begun.elapsed();
            seen.pieces.push(Piece::Resize(at, columns, rows));
        }
        self.tell_size(columns, rows).await
    }

    async fn tell_size(&self, columns: u16, rows: u16) -> Result<()> {
        let told = match &self.place {
            Place::Container(id) => {
                let size = ResizeContainerTTYOptionsBuilder::new().h(rows.into()).w(columns.into()).build();
                self.docker.resize_container_tty(id, size).await
            }
            Place::Exec(id) => {
                self.docker.resize_exec(id, ResizeExecOptions { height: rows, width: columns }).await
            }
        };
        match told {
            Ok(()) => Ok(()),
            // The program has ended already: then nothing looks at the size any more.
            Err(_) if self.has_ended().await => Ok(()),
            Err(error) => Err(Error::engine(format!("resize the {}", self.what))(error)),
        }
    }

    async fn has_ended(&self) -> bool {
        match &self.place {
            Place::Container(id) => match self.docker.inspect_container(id, None).await {
                Ok(seen) => !seen.state.and_then(|state| state.running).unwrap_or(false),
                Err(_) => true,
            },
            Place::Exec(id) => match self.docker.inspect_exec(id).await {
                Ok(seen) => seen.running == Some(false),
                Err(_) => true,
            },
        }
    }

    /// Returns the text on the screen, without the blanks at the lines' ends.
    pub fn screen(&self) -> String {
        self.seen().parser.screen().contents()
    }

    /// Looks at the screen with all that `vt100` knows: colours, cursor, alternate screen.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.seen().parser.screen())
    }

    /// Everything that the program wrote, byte for byte, escape sequences and all.
    pub fn raw(&self) -> Vec<u8> {
        self.seen().raw.clone()
    }

    /// Returns everything that the program wrote, with its times, in the format of asciinema (asciicast v2).
    pub fn recording(&self) -> String {
        let seen = self.seen();
        asciicast(seen.size.0, seen.size.1, &seen.pieces)
    }

    /// Waits until the screen holds `text`; the whole screen then.
    pub async fn wait_for(&mut self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_screen(&format!("{text:?}"), |screen| screen.contains(text), deadline).await
    }

    /// Waits until the screen is as `holds` wants it; `what` names that in the error, which shows the screen.
    ///
    /// Ends at once when the program has ended and the screen is not so.
    pub async fn wait_screen(
        &mut self,
        what: &str,
        holds: impl Fn(&str) -> bool,
        deadline: Duration,
    ) -> Result<String> {
        let until = Instant::now() + deadline;
        loop {
            self.changes.borrow_and_update();
            let screen = self.screen();
            if holds(&screen) {
                return Ok(screen);
            }
            let waiting_for = || format!("{what} on the {}", self.what);
            match tokio::time::timeout_at(until, self.changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    let screen = self.screen();
                    if holds(&screen) {
                        return Ok(screen);
                    }
                    let why = format!("the program has ended, with this screen:\n{screen}");
                    return Err(Error::Never { waiting_for: waiting_for(), why });
                }
                Err(_) => {
                    let last_seen = format!("this screen:\n{}", self.screen());
                    return Err(Error::Deadline { waiting_for: waiting_for(), after: deadline, last_seen });
                }
            }
        }
    }

    /// Waits until the program has ended; its exit code.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<i64> {
        let ended = async {
            while self.changes.changed().await.is_ok() {}
            match &self.place {
                Place::Exec(id) => exit_code(&self.docker, id).await,
                Place::Container(id) => crate::container::end_of(&self.docker, id).await,
            }
        };
        match tokio::time::timeout(deadline, ended).await {
            Ok(code) => code,
            Err(_) => Err(Error::Deadline {
                waiting_for: format!("end of the program in the {}", self.what),
                after: deadline,
                last_seen: format!("this screen:\n{}", self.screen()),
            }),
        }
    }

    /// Hangs up: closes the keyboard's side.
    pub async fn hang_up(&mut self) -> Result<()> {
        self.input.shutdown().await.map_err(Error::file(format!("hang up the {}", self.what)))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("what", &self.what).field("screen", &self.screen()).finish()
    }
}

async fn read(mut output: Output, seen: Arc<Mutex<Seen>>, changed: watch::Sender<()>) {
    // An error of the connection is its end: whoever waits is shown the screen.
    while let Some(Ok(chunk)) = output.next().await {
        let bytes = chunk.into_bytes();
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.parser.process(&bytes);
            seen.raw.extend_from_slice(&bytes);
            let at = seen.begun.elapsed();
            seen.pieces.push(Piece::Output(at, bytes.to_vec()));
        }
        changed.send_replace(());
    }
}

fn at_least_one(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap_or(NonZeroU16::MIN)
}
