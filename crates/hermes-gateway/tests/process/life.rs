//! The life of a gateway: its clients, its signals, its limit of descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::thread::set_no_new_privs;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::gateway::{DEADLINE, Gateway, profile};

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

pub(crate) fn a_tool_gets_no_answer_on_the_unix_socket() {
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

pub(crate) fn the_gateway_of_another_agent_needs_the_key() {
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

pub(crate) fn sigterm_and_sigint_stop_it_but_sighup_does_not() {
    for signal in [Signal::TERM, Signal::INT] {
        let gateway = Gateway::start(None);
        gateway.signal(Signal::HUP);
        assert!(gateway.health().starts_with("HTTP/1.1 200"));
        let socket = gateway.home().gateway_socket(&profile("coder"));
        gateway.signal(signal);
        let (status, out, err) = gateway.ended();
        assert!(status.success(), "{status} {err}");
        let lines: Vec<_> = out.lines().collect();
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

pub(crate) fn the_drain_needs_no_thread_that_is_not_there() {
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

pub(crate) fn a_second_signal_cuts_off_what_is_in_flight() {
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

pub(crate) fn without_descriptors_it_waits_without_spinning_and_then_goes_on() {
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
