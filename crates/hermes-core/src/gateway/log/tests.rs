//! Tests with logs in the layout of `s6-log`.

use std::io::Write as _;
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

struct Log {
    _folder: tempfile::TempDir,
    home: Home,
    profile: ProfileName,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (home, profile) = (Home::new(folder.path()).unwrap(), ProfileName::default_profile());
        fs::create_dir_all(home.gateway_logs_directory(&profile)).unwrap();
        Self { _folder: folder, home, profile }
    }

    fn current(&self) -> PathBuf {
        self.home.gateway_log(&self.profile)
    }

    fn write(&self, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.current()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&self, label: &str) {
        fs::rename(self.current(), self.current().with_file_name(label)).unwrap();
    }

    fn last(&self, count: usize) -> Vec<String> {
        last_lines(&self.home, &self.profile, count)
    }
}

#[test]
fn last_lines_come_from_the_end() {
    let log = Log::new();
    assert!(log.last(3).is_empty());
    log.write(&(0..20_000).map(|number| format!("line {number}\n")).collect::<String>());
    assert_eq!(log.last(2), ["line 19998", "line 19999"]);
    assert_eq!(log.last(15_000).len(), 15_000, "more than one step from the end");
    assert_eq!(log.last(30_000).len(), 20_000);
    assert!(log.last(0).is_empty());
    log.write("without its end");
    assert_eq!(log.last(2), ["line 19999", "without its end"]);
}

#[test]
fn a_line_longer_than_a_step_is_whole() {
    let log = Log::new();
    let long = "x".repeat(200_000);
    log.write(&format!("a\n{long}\nb\n"));
    assert_eq!(log.last(2), [long.as_str(), "b"]);
}

#[test]
fn older_files_complete_the_last_lines() {
    let log = Log::new();
    for (label, text) in [
        ("@400000006743a0000000000a.s", "one\n"),
        ("@400000006743a0000000000b.u", "two\nthree\n"),
        ("previous", "four\n"),
        ("lock", "not a log\n"),
        ("state", "not a log\n"),
    ] {
        log.write(text);
        log.rotate(label);
    }
    log.write("five\n");
    assert_eq!(log.last(3), ["three", "four", "five"]);
    assert_eq!(log.last(9), ["one", "two", "three", "four", "five"]);
    fs::remove_file(log.current()).unwrap();
    assert_eq!(log.last(1), ["four"], "between two files");
}

#[test]
fn a_rotation_during_a_read_repeats_no_line() {
    let log = Log::new();
    log.write("one\n");
    log.rotate("@400000006743a0000000000a.s");
    log.write("two\n");
    let newest = File::open(log.current()).unwrap();
    log.rotate("@400000006743a0000000000b.s");
    log.write("three\n");
    let tail = tail_from(&log.current(), Some(newest), 9).unwrap();
    assert_eq!(tail.lines, [b"one", b"two"]);
}

#[test]
fn followers_see_every_line_once_through_rotations() {
    let log = Log::new();
    log.write("before\n");
    let mut followed = Followed::listen(&log.current()).unwrap();
    let (file, position) = tail(&log.current(), 1).unwrap().current.unwrap();
    followed.go_on(file, position).unwrap();
    let mut seen = Vec::new();
    log.write("one\n");
    followed.catch_up(&mut seen).unwrap();
    log.write("two\n");
    log.rotate("@400000006743a0000000000a.s");
    followed.catch_up(&mut seen).unwrap();
    log.write("three\n");
    log.rotate("@400000006743a0000000000b.s");
    log.write("four\n");
    log.rotate("@400000006743a0000000000c.s");
    log.write("five\n");
    followed.catch_up(&mut seen).unwrap();
    log.write("six\n");
    followed.catch_up(&mut seen).unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), "one\ntwo\nthree\nfour\nfive\nsix\n");
}

#[test]
fn a_log_that_begins_later_is_followed() {
    let log = Log::new();
    let mut followed = Followed::listen(&log.current()).unwrap();
    let mut seen = Vec::new();
    followed.catch_up(&mut seen).unwrap();
    log.write("one\n");
    followed.catch_up(&mut seen).unwrap();
    assert_eq!(seen, b"one\n");
}

/// Returns `true` if an event loop would wake up now.
fn is_readable(followed: &Followed) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&followed.as_fd(), PollFlags::IN)], Some(&now)).unwrap() == 1
}

#[test]
fn limited_reads_deliver_every_byte_once() {
    let log = Log::new();
    log.write("old\n");
    let mut followed = Followed::listen(&log.current()).unwrap();
    let (file, position) = tail(&log.current(), 0).unwrap().current.unwrap();
    followed.go_on(file, position).unwrap();
    let mut expected = String::new();
    let mut say = |text: String| {
        log.write(&text);
        expected += &text;
    };
    say((0..3000).map(|number| format!("a{number}\n")).collect());
    let mut seen = Vec::new();
    let mut piece = |followed: &mut Followed| {
        let mut piece = Vec::new();
        let has_more = followed.catch_up_at_most(&mut piece, 7).unwrap();
        assert!(piece.len() <= 7, "{} bytes", piece.len());
        seen.extend(piece);
        has_more
    };
    // The log is rotated while the reader is in the middle of the first file.
    assert!(piece(&mut followed) && piece(&mut followed));
    log.rotate("@400000006743a0000000000a.s");
    say("b\n".into());
    assert!(piece(&mut followed));
    log.rotate("@400000006743a0000000000b.s");
    say("the last\n".into());
    while piece(&mut followed) {}
    assert_eq!(String::from_utf8(seen).unwrap(), expected);
}

#[test]
fn an_exact_limit_asks_for_one_more_read() {
    let log = Log::new();
    log.write("12345");
    let mut followed = Followed::listen(&log.current()).unwrap();
    let mut seen = Vec::new();
    assert!(followed.catch_up_at_most(&mut seen, 5).unwrap(), "whether that was the end is not known yet");
    assert!(!followed.catch_up_at_most(&mut seen, 5).unwrap());
    assert_eq!(seen, b"12345");
}

#[test]
fn lines_and_rotations_wake_an_event_loop() {
    let log = Log::new();
    let followed = Followed::listen(&log.current()).unwrap();
    assert!(!is_readable(&followed));
    assert!(followed.take_notices().unwrap(), "with nothing to take it does not wait");
    // The events exceed one read.
    for number in 0..1000 {
        log.write("line\n");
        log.rotate(&format!("@400000006743a000{number:08x}.s"));
    }
    assert!(is_readable(&followed));
    assert!(followed.take_notices().unwrap());
    assert!(!is_readable(&followed), "all of them are taken");
}

#[test]
fn followers_end_when_the_directory_is_gone() {
    let log = Log::new();
    let followed = Followed::listen(&log.current()).unwrap();
    fs::remove_dir_all(log.home.gateway_logs_directory(&log.profile)).unwrap();
    assert!(is_readable(&followed));
    assert!(!followed.take_notices().unwrap());
}
