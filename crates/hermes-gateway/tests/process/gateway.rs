//! A gateway as a process of its own, and its clients.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{Home, ProfileName};
use hermes_gateway::{Options, run};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::{HOME, ROLE};

const PATH: &str = "TEST_PATH";
const PROFILE: &str = "TEST_PROFILE";
const DESCRIPTORS: &str = "TEST_DESCRIPTORS";
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Returns the home that the test names.
pub(crate) fn home() -> Home {
    Home::new(std::env::var_os(HOME).expect("started by a test")).unwrap()
}

pub(crate) fn profile(name: &str) -> ProfileName {
    ProfileName::new(name).unwrap()
}

/// Runs a gateway in this process.
pub(crate) fn gateway_process() {
    if let Ok(limit) = std::env::var(DESCRIPTORS) {
        let limit = Some(limit.parse().unwrap());
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    }
    // The standard input is the notification descriptor here: the one that a child can be given without unsafe code.
    let ready = io::stdin().lock();
    let ready: OwnedFd = ready.as_fd().try_clone_to_owned().unwrap();
    let options = Options {
        home: home(),
        profile: profile(&std::env::var(PROFILE).unwrap()),
        environment: BTreeMap::new(),
        argv: std::env::args().collect(),
        version: "1.2.3".into(),
        ready: Some(ready),
        supervised: false,
    };
    run(options).unwrap();
}

/// Sends a request from this process, and prints the answer.
pub(crate) fn client_process() {
    let stream = UnixStream::connect(home().gateway_socket(&profile("coder"))).unwrap();
    println!("{}", get(stream, &std::env::var(PATH).unwrap()));
}

/// A volume with the profiles `coder` and `writer`.
pub(crate) struct Volume {
    pub(crate) home: Home,
    pub(crate) folder: tempfile::TempDir,
}

impl Volume {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("home")).unwrap();
        for name in ["coder", "writer"] {
            fs::create_dir_all(home.profile_directory(&profile(name))).unwrap();
        }
        Self { home, folder }
    }

    /// Starts the gateway of a profile. Returns it, and the descriptor of its readiness.
    pub(crate) fn spawn(self, name: &str, descriptors: Option<u64>) -> (Gateway, io::PipeReader) {
        let (ready, notification) = io::pipe().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(ROLE, "gateway")
            .env(HOME, self.home.root())
            .env(PROFILE, name)
            .stdin(OwnedFd::from(notification))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(descriptors) = descriptors {
            command.env(DESCRIPTORS, descriptors.to_string());
        }
        let child = command.spawn().unwrap();
        (Gateway { child, profile: profile(name), volume: self }, ready)
    }

    /// Starts the gateway of a profile, and waits until it is ready.
    pub(crate) fn start(self, name: &str) -> Gateway {
        self.start_with(name, None)
    }

    fn start_with(self, name: &str, descriptors: Option<u64>) -> Gateway {
        let (gateway, mut ready) = self.spawn(name, descriptors);
        let mut newline = [0];
        if ready.read_exact(&mut newline).is_err() {
            panic!("it ended before it was ready: {:?}", gateway.ended());
        }
        assert_eq!(&newline, b"\n");
        gateway
    }
}

pub(crate) struct Gateway {
    pub(crate) child: Child,
    profile: ProfileName,
    pub(crate) volume: Volume,
}

impl Gateway {
    /// Starts the gateway of `coder`, and waits until it is ready.
    pub(crate) fn start(descriptors: Option<u64>) -> Self {
        Volume::new().start_with("coder", descriptors)
    }

    pub(crate) fn home(&self) -> &Home {
        &self.volume.home
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.home().gateway_socket(&self.profile)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    pub(crate) fn health(&self) -> String {
        get(self.connect(), "/health")
    }

    /// Sends a request from a process of its own, whose parent thread restricted itself by `restrict` before.
    pub(crate) fn get_restricted(&self, path: &str, restrict: fn()) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, "client").env(HOME, self.home().root()).env(PATH, path);
        let thread = thread::spawn(move || {
            restrict();
            command.output().unwrap()
        });
        let output = thread.join().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, String, String) {
        let give_up = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < give_up, "it does not end"),
            }
            thread::park_timeout(Duration::from_millis(2));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status, out, err)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn get(mut stream: UnixStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
