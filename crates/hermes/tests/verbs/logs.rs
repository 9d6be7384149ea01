//! `hermes logs`, and following one.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::volume::Volume;
use predicates::prelude::*;

const LOG: &str = "logs/gateways/default/current";

/// Longer than anything here takes, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn the_last_lines_are_printed_over_older_files_too() {
    let volume = Volume::new();
    volume.write("logs/gateways/default/@400000006743a0000000000a.s", "one\ntwo\n");
    volume.write(LOG, "three\n");
    volume.hermes(["logs", "-n", "2"]).assert().success().stdout("two\nthree\n");
    volume.hermes(["logs"]).assert().success().stdout("one\ntwo\nthree\n");
}

#[test]
fn without_a_log_the_mend_is_named() {
    let volume = Volume::new();
    let text = "error: the gateway 'default' has no log yet\nhint: start it: hermes gateway start\n";
    volume.hermes(["logs"]).assert().code(1).stderr(text);
    volume.hermes(["logs", "-f"]).assert().code(1).stderr(text);
    volume
        .hermes(["-p", "nobody", "logs"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("no such gateway"));
}

#[test]
fn the_boots_are_printed_with_those_before_the_rotation() {
    let volume = Volume::new();
    volume.hermes(["logs", "--boot"]).assert().code(1).stderr(predicate::str::contains("hint: "));
    volume.write("logs/container-boot.log.1", "one\ntwo\n");
    volume.write("logs/container-boot.log", "three\n");
    volume.hermes(["logs", "--boot", "-n", "2"]).assert().success().stdout("two\nthree\n");
}

/// `hermes logs -f` while it runs.
struct Follower {
    child: Child,
}

impl Follower {
    fn start(volume: &Volume) -> (Self, ChildStdout) {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("hermes"))
            .env_clear()
            .env("HERMES_HOME", volume.path(""))
            .args(["logs", "-f", "-n", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        (Self { child }, stdout)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    lines
}

#[test]
fn who_follows_reads_on_through_a_rotation() {
    let volume = Volume::new();
    volume.write(LOG, "zero\none\n");
    let (_follower, stdout) = Follower::start(&volume);
    let lines = lines_of(stdout);
    let append = |text: &str| {
        let mut file = OpenOptions::new().append(true).create(true).open(volume.path(LOG)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "one");
    append("two\n");
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "two");
    append("three\n");
    fs::rename(volume.path(LOG), volume.path("logs/gateways/default/@400000006743a0000000000a.s")).unwrap();
    append("four\n");
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "three");
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "four");
}

#[test]
fn who_has_seen_enough_ends_it_quietly_even_when_nothing_more_is_printed() {
    let volume = Volume::new();
    volume.write(LOG, "one\n");
    let (mut follower, stdout) = Follower::start(&volume);
    let mut reader = BufReader::new(stdout);
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let mut stderr = follower.child.stderr.take().unwrap();
    // Its end closes stderr, so this waits for it, for as long as the deadline allows.
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
        let _ = sender.send(text);
    });
    assert_eq!(ended.recv_timeout(DEADLINE).unwrap(), "");
    assert_eq!(follower.child.wait().unwrap().code(), Some(0));
}
