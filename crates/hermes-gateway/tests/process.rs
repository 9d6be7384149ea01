#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
//! A gateway as a process of its own: real signals, the notification descriptor, the limit of descriptors. This program starts
//! itself again for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{Home, ProfileName};
use hermes_gateway::{Options, run};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::set_no_new_privs;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

const HOME: &str = "TEST_HOME";
const PATH: &str = "TEST_PATH";
const DESCRIPTORS: &str = "TEST_DESCRIPTORS";
const DEADLINE: Duration = Duration::from_secs(20);

fn coder() -> ProfileName {
    ProfileName::new("coder").unwrap()
}

#[test]
#[ignore = "the gateway that the tests here start, not a test"]
fn gateway_process() {
    let home = Home::new(std::env::var_os(HOME).expect("started by a test")).unwrap();
    if let Ok(limit) = std::env::var(DESCRIPTORS) {
        let limit = Some(limit.parse().unwrap());
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    }
    // The standard input is the notification descriptor here: the one that a child can be given without unsafe code.
    let ready = io::stdin().lock();
    let ready: OwnedFd = std::os::fd::AsFd::as_fd(&ready).try_clone_to_owned().unwrap();
    let options = Options {
        home,
        profile: coder(),
        environment: BTreeMap::new(),
        argv: std::env::args().collect(),
        version: "1.2.3".into(),
        ready: Some(ready),
        supervised: false,
    };
    run(options).unwrap();
}

struct Gateway {
    child: Child,
    home: Home,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts one, and waits until it is ready.
    fn start(descriptors: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        fs::create_dir_all(home.profile_directory(&coder())).unwrap();
        let (mut ready, notification) = io::pipe().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "gateway_process", "--nocapture"])
            .env(HOME, home.root())
            .stdin(OwnedFd::from(notification))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(descriptors) = descriptors {
            command.env(DESCRIPTORS, descriptors.to_string());
        }
        let child = command.spawn().unwrap();
        drop(command);
        let mut newline = [0];
        ready.read_exact(&mut newline).expect("it ended before it was ready");
        assert_eq!(&newline, b"\n");
        Self { child, home, _folder: folder }
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.home.gateway_socket(&coder())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn health(&self) -> String {
        get(self.connect(), "/health")
    }

    /// Sends a request from a process of its own, whose parent thread restricted itself by `restrict` before.
    fn get_restricted(&self, path: &str, restrict: fn()) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "client_process", "--nocapture"]);
        command.env(HOME, self.home.root()).env(PATH, path);
        let thread = thread::spawn(move || {
            restrict();
            command.output().unwrap()
        });
        let output = thread.join().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn ended(mut self) -> (ExitStatus, String, String) {
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

fn get(mut stream: UnixStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
#[ignore = "the client that the tests here start, not a test"]
fn client_process() {
    let home = Home::new(std::env::var_os(HOME).expect("started by a test")).unwrap();
    let stream = UnixStream::connect(home.gateway_socket(&coder())).unwrap();
    println!("{}", get(stream, &std::env::var(PATH).unwrap()));
}

/// Restricts this thread as the sandbox of tools does: a seccomp filter, which allows all calls here.
fn restrict_as_tool() {
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let (allow, never) = (SeccompAction::Allow, SeccompAction::Errno(1));
    let filter = SeccompFilter::new(BTreeMap::new(), allow, never, architecture).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

/// Restricts this thread as the gateway of another agent restricts itself.
fn restrict_as_gateway() {
    set_no_new_privs(true).unwrap();
}

#[test]
fn a_tool_gets_no_answer_on_the_unix_socket() {
    let gateway = Gateway::start(None);
    for path in ["/health", "/v1/models"] {
        let answer = gateway.get_restricted(path, || {});
        assert!(answer.contains("HTTP/1.1 200"), "{answer}");
        for _ in 0..2 {
            let answer = gateway.get_restricted(path, restrict_as_tool);
            assert!(answer.contains("HTTP/1.1 403"), "{answer}");
            assert!(answer.contains("\"code\":\"tools_not_allowed\""), "{answer}");
        }
    }
    gateway.signal(Signal::TERM);
    let (status, _, err) = gateway.ended();
    assert!(status.success(), "{status}");
    let warnings: Vec<_> = err.lines().filter(|line| line.contains("more seccomp filters")).collect();
    assert_eq!(warnings.len(), 1, "a tool must not fill the log: {err}");
}

#[test]
fn the_gateway_of_another_agent_needs_the_key() {
    let gateway = Gateway::start(None);
    let answer = gateway.get_restricted("/v1/models", restrict_as_gateway);
    assert!(answer.contains("HTTP/1.1 401"), "{answer}");
    let answer = gateway.get_restricted("/health", restrict_as_gateway);
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
}

/// The processor time of the process, in clock ticks (1/100 s).
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(Path::new("/proc").join(child.id().to_string()).join("stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn sigterm_and_sigint_stop_it_but_sighup_does_not() {
    for signal in [Signal::TERM, Signal::INT] {
        let gateway = Gateway::start(None);
        gateway.signal(Signal::HUP);
        assert!(gateway.health().starts_with("HTTP/1.1 200"));
        let socket = gateway.home.gateway_socket(&coder());
        gateway.signal(signal);
        let (status, out, err) = gateway.ended();
        assert!(status.success(), "{status} {err}");
        let lines: Vec<_> =
            out.lines().map(|line| line.trim_start_matches("test gateway_process ... ")).collect();
        for line in [
            format!("gateway 'coder' is ready: unix {}", socket.display()),
            "draining: 0 in flight, up to 5s".to_owned(),
            "stopped".to_owned(),
        ] {
            assert!(lines.contains(&line.as_str()), "{line} is not in {lines:?}");
        }
    }
}

/// The IDs of the threads of the process.
fn threads(child: &Child) -> BTreeSet<u32> {
    let tasks = fs::read_dir(Path::new("/proc").join(child.id().to_string()).join("task")).unwrap();
    tasks.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_drain_needs_no_thread_that_is_not_there() {
    let gateway = Gateway::start(None);
    let at_start = threads(&gateway.child);
    // There is no condition to wait for: no thread ends for want of work.
    let watched_until = Instant::now() + Duration::from_millis(1500);
    while let Some(left) = watched_until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
    assert_eq!(threads(&gateway.child), at_start);
    let mut half = gateway.connect();
    half.write_all(b"GET /hea").unwrap();
    gateway.signal(Signal::TERM);
    let give_up = Instant::now() + DEADLINE;
    while !gateway.health().starts_with("HTTP/1.1 503") {
        assert!(Instant::now() < give_up, "it does not drain");
    }
    assert_eq!(threads(&gateway.child), at_start);
    gateway.signal(Signal::TERM);
    let (status, out, err) = gateway.ended();
    assert!(status.success(), "{status} {err}");
    assert!(out.contains("stopped"), "{out}");
}

#[test]
fn a_second_signal_cuts_off_what_is_in_flight() {
    let gateway = Gateway::start(None);
    let mut half = gateway.connect();
    half.write_all(b"GET /hea").unwrap();
    let give_up = Instant::now() + DEADLINE;
    // Its own connection is one of those in flight.
    let in_flight = |gateway: &Gateway| {
        let mut stream = gateway.connect();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.contains("\nhermes_gateway_connections_in_flight 2\n")
    };
    while !in_flight(&gateway) {
        assert!(Instant::now() < give_up, "the half of a request is not seen");
    }
    gateway.signal(Signal::TERM);
    while !gateway.health().starts_with("HTTP/1.1 503") {
        assert!(Instant::now() < give_up, "it does not drain");
    }
    let began = Instant::now();
    gateway.signal(Signal::TERM);
    let (status, _, err) = gateway.ended();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(err.contains("warning: 1 in flight cut off"), "{err}");
}

#[test]
fn without_descriptors_it_waits_without_spinning_and_then_goes_on() {
    let gateway = Gateway::start(Some(40));
    let crowd: Vec<_> = (0..60).map(|_| gateway.connect()).collect();
    let before = ticks(&gateway.child);
    // There is no condition to wait for: what is shown is that nothing happens meanwhile.
    let watched_until = Instant::now() + Duration::from_millis(700);
    while let Some(left) = watched_until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
    let used = ticks(&gateway.child) - before;
    assert!(used < 20, "{used} ticks of processor time in 70");
    drop(crowd);
    assert!(gateway.health().starts_with("HTTP/1.1 200"));
    gateway.signal(Signal::TERM);
    let (status, _, err) = gateway.ended();
    assert!(status.success(), "{status}");
    let warnings: Vec<_> = err.lines().filter(|line| line.contains("accept a connection: ")).collect();
    assert_eq!(warnings.len(), 1, "{err}");
}
