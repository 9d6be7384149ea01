//! A temporary home, gateways in it, and a client that speaks raw HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use hermes_core::{GatewayState, Home, ProfileName, StateFile, StateRead};
use hermes_server::StopRequests;
use tokio::sync::mpsc::UnboundedSender;

use crate::error::GatewayError;
use crate::http::{self, App};
use crate::options::Options;
use crate::run::serve;
use crate::state::STATE_INTERVAL;

/// The time-out of a test step.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A `HERMES_HOME` with the profile `coder`.
pub(crate) struct TestHome {
    pub(crate) home: Home,
    _folder: tempfile::TempDir,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        Self::in_directory("")
    }

    /// A home somewhere below the temporary directory.
    pub(crate) fn in_directory(path: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join(path)).unwrap();
        let this = Self { home, _folder: folder };
        this.make_profile("coder");
        this
    }

    pub(crate) fn make_profile(&self, name: &str) {
        let name = ProfileName::new(name).unwrap();
        fs::create_dir_all(self.home.profile_directory(&name)).unwrap();
        fs::write(self.home.soul(&name), "You are.").unwrap();
    }

    pub(crate) fn configure(&self, name: &str, yaml: &str) {
        fs::write(self.home.config(&ProfileName::new(name).unwrap()), yaml).unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            home: self.home.clone(),
            profile: coder(),
            environment: BTreeMap::new(),
            argv: vec!["hermes".into(), "-p".into(), "coder".into()],
            version: "1.2.3".into(),
            ready: None,
            supervised: false,
        }
    }

    pub(crate) fn state(&self) -> GatewayState {
        match StateFile::of(&self.home, &coder()).read() {
            StateRead::Read(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// The word in the state file; nothing while there is none.
    pub(crate) fn observed(&self) -> Option<&'static str> {
        match StateFile::of(&self.home, &coder()).read() {
            StateRead::Read(state) => state.observed().known().map(|state| state.as_str()),
            _ => None,
        }
    }

    /// Runs a gateway that nobody tells to end: it fails, or this would hang.
    pub(crate) fn failure(&self) -> GatewayError {
        self.failure_of(self.options())
    }

    pub(crate) fn failure_of(&self, options: Options) -> GatewayError {
        let running = Running::start(self, options, http::router, STATE_INTERVAL);
        running.join().expect_err("the gateway ended without an error")
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(http::router)
    }

    pub(crate) fn start_with(&self, router: impl FnOnce(Arc<App>) -> Router + Send + 'static) -> Running {
        let mut running = Running::start(self, self.options(), router, STATE_INTERVAL);
        running.wait_ready();
        running
    }
}

pub(crate) fn coder() -> ProfileName {
    ProfileName::new("coder").unwrap()
}

/// A gateway in a thread.
pub(crate) struct Running {
    thread: Option<JoinHandle<Result<(), GatewayError>>>,
    stop: UnboundedSender<()>,
    ready: io::PipeReader,
    socket: PathBuf,
    directory: fs::File,
}

impl Running {
    pub(crate) fn start(
        home: &TestHome,
        mut options: Options,
        router: impl FnOnce(Arc<App>) -> Router + Send + 'static,
        state_interval: Duration,
    ) -> Self {
        let (ready, notification) = io::pipe().unwrap();
        options.ready = Some(OwnedFd::from(notification));
        let socket = home.home.gateway_socket(&options.profile);
        let directory = fs::File::open(home.home.root()).unwrap();
        let (stop, received) = StopRequests::channel();
        let thread = thread::spawn(move || {
            // The thread of a test must stay free.
            hermes_server::block_on(serve(options, received, |_, _, _| Ok(()), router, state_interval))
                .unwrap()
        });
        Self { thread: Some(thread), stop, ready, socket, directory }
    }

    /// Reads the descriptor to its end, as s6 does: a newline, or nothing from a gateway that failed.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self) {
        let mut text = String::new();
        self.ready.read_to_string(&mut text).unwrap();
        if text != "\n" {
            let ended = self.thread.take().unwrap().join().unwrap();
            panic!("not ready but {text:?}: {ended:?}");
        }
    }

    /// Sends a request to stop, as SIGTERM does.
    pub(crate) fn terminate(&self) {
        self.stop.send(()).unwrap();
    }

    /// Returns the result of the gateway.
    #[track_caller]
    pub(crate) fn join(mut self) -> Result<(), GatewayError> {
        let thread = self.thread.take().unwrap();
        wait_until("the gateway ends", || thread.is_finished());
        thread.join().unwrap()
    }

    #[track_caller]
    pub(crate) fn stop(self) {
        self.terminate();
        self.join().unwrap();
    }

    pub(crate) fn connect(&self) -> Client {
        self.try_connect().unwrap()
    }

    pub(crate) fn try_connect(&self) -> io::Result<Client> {
        // A path through a descriptor fits into an address, however long the home's is.
        let below = self.socket.file_name().unwrap();
        let parent = self.socket.parent().unwrap();
        let directory = if parent.exists() { fs::File::open(parent)? } else { self.directory.try_clone()? };
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(below);
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Client { stream })
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        client.answer()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that failed: twice, so that nothing is waited for.
        let _ = self.stop.send(());
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection.
pub(crate) struct Client {
    stream: UnixStream,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub(crate) fn send(&mut self, text: &str) {
        self.try_send(text).unwrap();
    }

    pub(crate) fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer()
    }

    /// The next answer; its body by its length, so that the connection may stay open.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let count = self.stream.read(&mut byte).expect("no answer in time");
            assert_eq!(count, 1, "closed after {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").expect("no length").parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Reads until the text has come.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let mut byte = [0];
            let count = self.stream.read(&mut byte).expect("no text in time");
            assert_eq!(count, 1, "closed after {:?}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
    }

    /// Waits for the end of the connection; what came before it.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A connection that is cut off may end with an error.
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("still open: {rest:?}"),
            _ => rest,
        }
    }
}

/// Waits until the condition is true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up, "never: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Returns a port of 127.0.0.1 and its listener.
pub(crate) fn taken_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Returns a port that no process listens on.
pub(crate) fn free_port() -> u16 {
    taken_port().1
}
