//! Attacks on other processes, and processes that try to outlive their call.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hermes_agent::sandbox::{Ended, Limits};
use rstest::rstest;

use crate::call::{Place, running, unconfined, wait_for};

/// A process of the account outside of the sandbox, with a secret in its environment.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        let mut command = unconfined("/bin/cat");
        command.env("SECRET", "a secret of the agent").stdin(Stdio::piped()).stdout(Stdio::null());
        let victim = Self(command.spawn().unwrap());
        // setpriv becomes cat.
        let name = format!("/proc/{}/comm", victim.0.id());
        wait_for("the victim", || std::fs::read_to_string(&name).is_ok_and(|name| name == "cat\n"));
        victim
    }

    /// The process reads and answers still.
    fn must_live(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        assert_eq!(self.0.try_wait().unwrap(), None);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn other_processes_are_closed() {
    let place = Place::new();
    let mut victim = Victim::new();
    let pid = victim.0.id();
    // $PPID is the supervisor, which has the request in its memory. The numbers of the victim's descriptors are no secret.
    let script = format!(
        "cat /proc/self/environ >/dev/null || echo broken
for pid in {pid} $PPID 1; do for file in environ mem maps auxv fd/0 fd/1 fd/2 exe cwd/passwd root/etc/passwd; do
    head -c 1 /proc/$pid/$file >/dev/null 2>&1 && echo $pid $file is readable
    (echo x >/proc/$pid/$file) 2>/dev/null && echo $pid $file is writable
    readlink /proc/$pid/$file && echo $pid $file is a link
done; ls /proc/$pid/map_files 2>/dev/null
for signal in 0 STOP TERM KILL; do kill -$signal $pid 2>/dev/null && echo $signal sent to $pid; done; done
kill -KILL -1 2>/dev/null; renice 5 $PPID {pid} 2>/dev/null; taskset -p 1 {pid} >/dev/null 2>&1 && echo bound
ls /proc/$PPID/fd 2>/dev/null; readlink /proc/{pid}/fd/*; prlimit --pid {pid} --nofile=0 2>/dev/null && echo limited; chrt -i -p 0 {pid} 2>/dev/null && echo slowed; echo survived"
    );
    assert_eq!(place.shell(&script).output(), "survived\n");
    victim.must_live();
}

#[test]
fn a_request_is_not_in_arguments_and_environment() {
    let place = Place::new();
    let call = place.shell("echo $SECRET; tr '\\0' '\\n' </proc/self/environ; grep -c . /proc/$PPID/cmdline");
    let variables = [("SECRET".to_owned(), "in-the-request".to_owned())];
    let mut started = call.environment(variables.into()).start();
    assert_eq!(started.line(), "in-the-request");
    let supervisor = started.supervisor.id();
    let line = std::fs::read(format!("/proc/{supervisor}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&line).contains("request"), "{line:?}");
    let done = started.finish();
    assert!(done.output.contains("SECRET=in-the-request\n"), "{done:?}");
    assert!(!done.output.contains("CARGO") && !done.output.contains("HOME"), "{done:?}");
}

#[rstest]
#[case("sleep 7234.MARK & echo done")]
#[case("setsid sleep 7234.MARK & echo done")]
#[case("(setsid sh -c 'trap \"\" TERM HUP; (sleep 7234.MARK &) & sleep 7234.MARK' &) & echo done")]
#[case("nohup sh -c 'sleep 7234.MARK' >/dev/null 2>&1 </dev/null & echo done")]
#[case("perl -e 'for (1..10) { last if fork } setpgrp; exec \"sleep\", \"7234.MARK\"' & echo done")]
fn no_process_outlives_its_call(#[case] script: &str) {
    let marker = format!("7234.{}", unique());
    let done = Place::new().shell(&script.replace("7234.MARK", &marker)).run();
    assert_eq!((done.output.as_str(), &done.ended), ("done\n", &Ended::Exited { code: 0 }));
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn a_fork_bomb_is_bounded_and_ended() {
    let place = Place::new();
    let marker = format!("bomb{}", unique());
    // Each process forks without end, leaves its session, and continues the stopped ones.
    let script = format!(
        "$SIG{{$_}} = 'IGNORE' for 'TERM', 'HUP', 'CHLD'; $0 = '{marker}';
syswrite(STDOUT, \"begun\\n\"); close STDOUT; close STDERR;
while (1) {{ my $pid = fork; if (defined $pid && $pid == 0) {{ setpgrp if rand() < 0.5 }} kill 'CONT', -1 if rand() < 0.1 }}"
    );
    let limits = Limits { processes: 60, ..Limits::default() };
    let begun = Instant::now();
    let done = place.perl(&script).limits(limits).time_limit(Duration::from_secs(1)).run();
    assert_eq!((done.output.as_str(), &done.ended), ("begun\n", &Ended::TimedOut));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn a_fork_bomb_that_fills_the_limit_ends_in_time() {
    let place = Place::new();
    let marker = format!("tens{}", unique());
    // Each process makes ten more, in sessions of their own. The processors are busy with them when the time is over.
    let script = format!(
        "$SIG{{$_}} = 'IGNORE' for 'TERM', 'HUP', 'CHLD'; $0 = '{marker}'; close STDOUT; close STDERR;
while (1) {{ fork for 1..10; syscall({}) }}",
        libc_setsid()
    );
    let begun = Instant::now();
    let done = place.perl(&script).time_limit(Duration::from_secs(1)).run();
    assert_eq!(done.ended, Ended::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn a_chain_of_short_processes_is_ended() {
    let place = Place::new();
    let marker = format!("chain{}", unique());
    // No process of the chain lives longer than it takes to make the next one.
    let script = format!(
        "$0 = '{marker}'; close STDOUT; close STDERR; while (1) {{ exit if fork; syscall({}) }}",
        libc_setsid()
    );
    let done = place.perl(&script).run();
    assert_eq!(done.ended, Ended::Exited { code: 0 });
    assert_eq!(running(&marker), [0_u32; 0]);
}

#[test]
fn an_end_of_time_is_a_request_first() {
    let place = Place::new();
    let limit = Duration::from_millis(300);
    let script = "trap 'echo cleaned up; exit 0' TERM; echo started; while :; do sleep 0.05; done";
    let done = place.shell(script).time_limit(limit).run();
    // The shell tells that its `sleep` was terminated, too.
    assert!(done.output.starts_with("started\n") && done.output.ends_with("cleaned up\n"), "{done:?}");
    assert_eq!(done.ended, Ended::TimedOut);
    let begun = Instant::now();
    let done =
        place.shell("trap '' TERM; echo started; while :; do sleep 0.05; done").time_limit(limit).run();
    assert_eq!((done.output.as_str(), done.ended), ("started\n", Ended::TimedOut));
    assert!(begun.elapsed() >= Duration::from_secs(2), "the grace is 2 s: {:?}", begun.elapsed());
}

/// The number of setsid(2).
fn libc_setsid() -> i32 {
    if cfg!(target_arch = "x86_64") { 112 } else { 157 }
}

/// A number that no other test has.
fn unique() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}{count:03}", std::process::id())
}
