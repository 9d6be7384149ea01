//! The input and the output of a call.

use std::time::Duration;

use hermes_agent::sandbox::{Ended, Streams, Task};
use serde_json::json;

use crate::call::Place;

#[test]
fn input_and_its_end_arrive() {
    let place = Place::new();
    let large = vec![b'x'; 60_000];
    let call =
        place.shell("wc -c").streams(Streams::Pipes).input(&large).input(&large).input(b"abc").input(b"");
    assert_eq!(call.output().trim(), "120003");
    // The reader is slower than the writer, then gone.
    let call = place.shell("head -c 3; exec <&-; echo; sleep 0.1; echo lives").streams(Streams::Pipes);
    assert_eq!(call.input(b"abcdef").input(&large).input(&large).output(), "abc\nlives\n");
}

#[test]
fn without_input_a_command_reads_the_end() {
    assert_eq!(Place::new().shell("cat; echo end").input(b"nobody reads").output(), "end\n");
}

#[test]
fn both_outputs_are_one() {
    let done = Place::new().shell("echo one; echo two >&2; echo three; exit 4").run();
    assert_eq!((done.output.as_str(), done.ended), ("one\ntwo\nthree\n", Ended::Exited { code: 4 }));
}

#[test]
fn a_terminal_on_request() {
    let place = Place::new();
    let script =
        "test -t 0 && test -t 1 && test -t 2 && echo a terminal; stty size; read -r line; echo \"got $line\"
echo direct >/dev/tty; cat; echo end";
    let call = place.shell(script).streams(Streams::Terminal).input(b"abc\n").input(b"x\n").input(b"");
    let output = call.output();
    let lines: Vec<_> = output.lines().map(|line| line.trim_end_matches('\r')).collect();
    for line in ["a terminal", "24 80", "got abc", "direct", "x", "end"] {
        assert!(lines.contains(&line), "{line}: {output:?}");
    }
    let done = place.shell("yes | head -c 300000; exit 3").streams(Streams::Terminal).run();
    assert_eq!(done.ended, Ended::Exited { code: 3 });
    assert_eq!(done.output.len(), 450_000, "each line has two ends");
}

#[test]
fn the_interrupt_key_of_the_terminal_works() {
    let place = Place::new();
    let call = place.shell("trap 'echo interrupted; exit 5' INT; echo ready; sleep 20 & wait");
    let mut started = call.streams(Streams::Terminal).start();
    assert_eq!(started.line(), "ready");
    std::io::Write::write_all(started.control.as_mut().unwrap(), &[0, 0, 0, 1, 3]).unwrap();
    let done = started.finish();
    assert!(done.output.contains("interrupted"), "{done:?}");
    assert_eq!(done.ended, Ended::Exited { code: 5 });
}

#[test]
fn other_terminals_are_closed() {
    let place = Place::new();
    let mut other =
        place.shell("echo ready; tty; read line; echo \"got $line\"").streams(Streams::Terminal).start();
    assert_eq!(other.line(), "ready");
    let name = other.line();
    assert!(name.starts_with("/dev/pts/"), "{name}");
    for streams in [Streams::Output, Streams::Terminal] {
        let script = format!("(echo typed >{name}) 2>&1; (cat <{name}) 2>&1; (: </dev/ptmx) 2>&1; echo end");
        let output = place.shell(&script).streams(streams).output();
        assert_eq!(output.matches("ermission denied").count(), 3, "{output}");
    }
}

#[test]
fn an_unread_output_ends_with_the_time() {
    let place = Place::new();
    let call = place.shell("yes").time_limit(Duration::from_millis(300));
    let mut started = call.start();
    let mut report = String::new();
    std::io::Read::read_to_string(&mut started.supervisor.stderr.take().unwrap(), &mut report).unwrap();
    assert_eq!(report, "\"timed_out\"\n");
}

#[test]
fn a_missing_program_is_not_started() {
    let place = Place::new();
    let cause = |call: crate::call::Call| match call.run().ended {
        Ended::NotStarted { cause } => cause,
        other => panic!("{other:?}"),
    };
    assert!(
        cause(place.command(&["no-such-program"]))
            .starts_with("failed to execute no-such-program: No such file")
    );
    assert!(cause(place.command(&["/etc/passwd"])).contains("ermission denied"));
    assert_eq!(cause(place.command(&[])), "failed to start a command without a program");
    assert!(cause(place.command(&["true", "a\0b"])).contains("NUL"));
    let mut call = place.command(&["true"]);
    call.request.working_directory = "/no/such/directory".into();
    assert!(cause(call).starts_with("failed to enter the directory /no/such/directory: No such file"));
}

#[test]
fn a_tool_answers_in_json() {
    let place = Place::new();
    let answers = |name: &str, arguments| {
        let call = place.task(Task::Tool { name: name.to_owned(), arguments });
        serde_json::from_str::<serde_json::Value>(&call.output()).unwrap()
    };
    let written = answers("write_file", json!({"path": "x", "content": "one\n"}));
    assert!(written.get("refused").is_none() && written["is_error"] == false, "{written}");
    let read = answers("read_file", json!({"path": "x"}));
    assert!(read["content"].as_str().is_some_and(|text| text.contains("1|one")), "{read}");
    let refused = answers("read_file", json!({"path": "/root/.profile"}));
    assert_eq!((&refused["is_error"], &refused["refused"]), (&json!(true), &json!("files")), "{refused}");
    let unknown = answers("no_such_tool", json!({"path": "x"}));
    assert_eq!(unknown["is_error"], true, "{unknown}");
}

#[test]
fn a_standard_error_apart_is_in_the_report_and_bounded() {
    let place = Place::new();
    let script =
        "read line; echo \"got $line\"; yes noise | head -c 5000000 >&2; echo last words >&2; exit 3";
    let started = place.shell(script).streams(Streams::Apart).input(b"a line\n").start();
    let done = started.finish();
    assert_eq!((done.output.as_str(), &done.ended), ("got a line\n", &Ended::Exited { code: 3 }));
    let errors = done.errors.unwrap();
    assert!(errors.ends_with("last words\n") && errors.len() <= 4096, "{} bytes", errors.len());
    // A process that stays holds the standard error open.
    let done = place.shell("(setsid sleep 600 &) ; echo one >&2").streams(Streams::Apart).run();
    assert_eq!((done.output.as_str(), done.errors.as_deref()), ("", Some("one\n")));
    let done = place.shell("echo two >&2").run();
    assert_eq!((done.output.as_str(), done.errors), ("two\n", None));
}
