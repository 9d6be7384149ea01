//! The supervisor: its requests, its end, and the end of the engine.

use std::io::Write as _;
use std::process::{Command, Stdio};

use hermes_agent::sandbox::{Ended, Streams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

use crate::call::{Place, as_account, is_root, running, wait_for};

#[rstest]
#[case(Streams::Output)]
#[case(Streams::Pipes)]
#[case(Streams::Terminal)]
fn the_end_of_the_channel_ends_the_call(#[case] streams: Streams) {
    let marker = format!("8123.{}{}", std::process::id(), streams as u8);
    let script = format!("trap '' HUP TERM; setsid sleep {marker} & echo ready; sleep {marker}");
    let place = Place::new();
    let mut started = place.shell(&script).streams(streams).start();
    assert_eq!(started.line(), "ready");
    drop(started.control.take());
    let done = started.finish();
    assert!(matches!(&done.ended, Ended::Lost { cause } if cause == "the engine ended the call"), "{done:?}");
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn a_full_input_does_not_hide_the_end() {
    let place = Place::new();
    let call = place.shell("echo ready; exec sleep 100").streams(Streams::Pipes);
    let mut started = call.start();
    assert_eq!(started.line(), "ready");
    let mut control = started.control.take().unwrap();
    let writer = std::thread::spawn(move || {
        let frame = [&60_000_u32.to_be_bytes()[..], &vec![b'x'; 60_000]].concat();
        // More than all pipes and buffers take would block, so the writer stops before.
        for _ in 0..3 {
            control.write_all(&frame).unwrap();
        }
    });
    writer.join().unwrap();
    assert!(matches!(started.finish().ended, Ended::Lost { .. }));
}

#[rstest]
#[case(Signal::SIGTERM)]
#[case(Signal::SIGINT)]
#[case(Signal::SIGHUP)]
fn a_stopped_supervisor_ends_the_call(#[case] signal: Signal) {
    let marker = format!("8124.{}{}", std::process::id(), signal as i32);
    let place = Place::new();
    let mut started = place.shell(&format!("setsid sleep {marker} & echo ready; sleep {marker}")).start();
    assert_eq!(started.line(), "ready");
    kill(Pid::from_raw(started.supervisor.id().cast_signed()), signal).unwrap();
    let done = started.finish();
    assert!(matches!(done.ended, Ended::Lost { .. }), "{done:?}");
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn the_child_dies_with_a_killed_supervisor() {
    let marker = format!("8125.{}", std::process::id());
    let place = Place::new();
    let mut started = place.command(&["sleep", &marker]).start();
    wait_for("the start", || running(&marker).len() == 1);
    started.supervisor.kill().unwrap();
    wait_for("the end", || running(&marker).is_empty());
    started.supervisor.wait().unwrap();
}

#[test]
fn root_is_refused() {
    if !is_root() {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_hermes"));
    command.args(["container", "tool-run"]);
    let done = Place::new().shell("echo started").start_with(command).finish();
    assert!(matches!(&done.ended, Ended::NotConfined { cause } if cause.contains("root")), "{done:?}");
    assert_eq!(done.output, "");
}

#[rstest]
#[case("")]
#[case("{}\n")]
#[case("no json\n")]
#[case("{\"policy\": 1}\n")]
fn a_broken_request_starts_nothing(#[case] request: &str) {
    let mut command = as_account();
    command
        .args(["container", "tool-run"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut supervisor = command.spawn().unwrap();
    supervisor.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = supervisor.wait_with_output().unwrap();
    let ended: Ended = serde_json::from_slice(&output.stderr).unwrap();
    assert!(matches!(ended, Ended::NotConfined { .. } | Ended::Lost { .. }), "{ended:?}");
    assert!(output.status.success() && output.stdout.is_empty());
}
