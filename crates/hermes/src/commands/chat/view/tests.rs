//! The display of the events of a turn.

use hermes_agent::message::{Message, Role, ToolCall, ToolResult, Usage};
use hermes_agent::protocol::{StopReason, TurnError};
use hermes_agent::provider::ErrorClass;
use rstest::rstest;

use super::*;

const TERMINAL: Terminal = Terminal { width: 40, style: Style::Coloured, has_stderr: true };

fn text(text: &str) -> Event {
    Event::TextDelta { text: text.into() }
}

fn call_started() -> Event {
    Event::ModelCallStarted { provider: "local".into(), model: "small".into(), attempt: 1 }
}

fn call_ended() -> Event {
    Event::ModelCallEnded { usage: Usage { input: 10, output: 2, ..Usage::default() } }
}

fn tool(id: &str, command: &str) -> Event {
    let arguments = format!("{{\"command\":\"{command}\"}}");
    Event::ToolStarted { call: ToolCall { id: id.into(), name: "terminal".into(), arguments, extra: None } }
}

fn result(id: &str, content: &str, is_error: bool) -> Event {
    let result = ToolResult { call_id: id.into(), content: content.into(), is_error };
    Event::ToolEnded { name: "terminal".into(), result }
}

fn ended(reason: StopReason, text: &str, error: Option<TurnError>) -> Event {
    let usage = Usage { input: 20, output: 4, ..Usage::default() };
    Event::TurnEnded(TurnEnd { session: "01ab".into(), turn: 7, reason, text: text.into(), usage, error })
}

/// A turn with all that can happen.
fn long_turn() -> Vec<Event> {
    vec![
        Event::TurnStarted { session: "01ab".into(), turn: 7 },
        call_started(),
        Event::Waiting { seconds: 40 },
        Event::Retry { cause: "HTTP status 429".into(), after_ms: 4000, fallback: false },
        call_started(),
        Event::ReasoningDelta { text: "hm".into() },
        Event::ReasoningDelta { text: "hm".into() },
        text("Let me **lo"),
        Event::Notice { text: "the budget\nis nearly used up\u{1b}[2J".into() },
        text("ok** at it."),
        call_ended(),
        tool("1", "ls -la"),
        tool("2", "cat x"),
        result("2", "no such file", true),
        result("1", "a b", false),
        Event::Steered { message: Message::text(Role::User, "also y") },
        Event::Compacted { before: 84_000, after: 12_000 },
        call_started(),
        text("# Done\n\n- one\n- two"),
        call_ended(),
        ended(StopReason::EndTurn, "# Done\n\n- one\n- two", None),
    ]
}

/// Returns the pieces as lines of `out` and `err`, with visible control characters.
fn transcript(mode: Mode, events: &[Event]) -> String {
    let mut view = View::new(mode);
    let mut lines = Vec::new();
    for piece in events.iter().flat_map(|event| view.show(event)) {
        let (name, text) = match &piece {
            Piece::Out(text) => ("out", text),
            Piece::Err(text) => ("err", text),
        };
        lines.push(format!("{name} {}", text.replace('\u{1b}', "␛").replace('\r', "␍").replace('\n', "⏎")));
    }
    lines.join("\n")
}

#[test]
fn a_terminal_shows_answer_tools_and_status() {
    insta::assert_snapshot!(transcript(Mode::Terminal(TERMINAL), &long_turn()));
}

#[test]
fn a_terminal_without_colours_gets_no_escapes() {
    let mode = Mode::Terminal(Terminal { style: Style::Plain, ..TERMINAL });
    insta::assert_snapshot!(transcript(mode, &long_turn()));
}

#[test]
fn a_pipe_gets_the_text_and_stderr_the_rest() {
    insta::assert_snapshot!(transcript(Mode::Pipe, &long_turn()));
}

#[test]
fn quiet_prints_the_answer_and_the_session() {
    insta::assert_snapshot!(transcript(Mode::Quiet(None), &long_turn()));
}

#[test]
fn json_prints_one_object() {
    insta::assert_snapshot!(transcript(Mode::Json, &long_turn()));
}

#[test]
fn events_prints_one_line_for_each_event() {
    let shown = transcript(Mode::Events, &long_turn());
    assert_eq!(shown.lines().count(), long_turn().len());
    insta::assert_snapshot!(shown);
}

#[rstest]
#[case::answered(true, "\r\u{1b}[K\u{1b}[2mrunning clarify Which?\u{1b}[0m")]
#[case::unanswered(
    false,
    "\r\u{1b}[K\u{1b}[2mthe question waits no longer\u{1b}[0m\n\r\u{1b}[K\u{1b}[2mrunning clarify Which?\u{1b}[0m"
)]
fn a_terminal_says_that_a_question_waits(#[case] answered: bool, #[case] end: &str) {
    let arguments = r#"{"question":"Which?"}"#.to_owned();
    let call = ToolCall { id: "1".into(), name: "clarify".into(), arguments, extra: None };
    let asked =
        Event::QuestionAsked { call_id: "1".into(), question: "Which?".into(), choices: vec!["a".into()] };
    let mut view = View::new(Mode::Terminal(TERMINAL));
    let mut show = |event| view.show(&event).iter().map(Piece::text).collect::<String>();
    show(Event::ToolStarted { call });
    let status = "\r\u{1b}[K\u{1b}[2mwaiting for your answer\u{1b}[0m";
    let question = "The agent asks:\n    Which?\n    1. a\nType a number or another answer, then Enter.\n";
    assert_eq!(show(asked), format!("\r\u{1b}[K{question}{status}"));
    assert_eq!(show(Event::QuestionEnded { call_id: "1".into(), answered }), end);
    assert!(show(result("1", "a", false)).contains("✓ clarify Which?"));
}

#[test]
fn a_remark_keeps_the_status_of_a_question() {
    let mut view = View::new(Mode::Terminal(TERMINAL));
    view.show(&Event::QuestionAsked { call_id: "1".into(), question: "Which?".into(), choices: vec![] });
    let shown: String = view.remark("› /queue").iter().map(Piece::text).collect();
    assert!(shown.contains("› /queue") && shown.ends_with("waiting for your answer\u{1b}[0m"), "{shown:?}");
}

/// Returns all of standard output and all of standard error.
fn streams(mode: Mode, events: &[Event]) -> (String, String) {
    let mut view = View::new(mode);
    let (mut out, mut err) = (String::new(), String::new());
    for piece in events.iter().flat_map(|event| view.show(event)) {
        match piece {
            Piece::Out(text) => out.push_str(&text),
            Piece::Err(text) => err.push_str(&text),
        }
    }
    (out, err)
}

fn failure() -> TurnError {
    let hint = Some("set OPENAI_API_KEY".to_owned());
    TurnError { class: ErrorClass::Authentication, message: "failed to call the model: 401".into(), hint }
}

const FAILED: &str = "error: failed to call the model: 401\nhint: set OPENAI_API_KEY\n";

#[rstest]
#[case::pipe(Mode::Pipe, "part\n", FAILED)]
#[case::terminal(
    Mode::Terminal(Terminal { style: Style::Plain, ..TERMINAL }),
    "part\n",
    "\nerror: failed to call the model: 401\nhint: set OPENAI_API_KEY\n"
)]
#[case::stderr_elsewhere(Mode::Terminal(Terminal { has_stderr: false, ..TERMINAL }), "part\n", FAILED)]
#[case::quiet(
    Mode::Quiet(None),
    "part\n",
    "session_id: 01ab\nerror: failed to call the model: 401\nhint: set OPENAI_API_KEY\n"
)]
#[case::quiet_terminal(
    Mode::Quiet(Some(TERMINAL)),
    "part\n",
    "session_id: 01ab\nerror: failed to call the model: 401\nhint: set OPENAI_API_KEY\n"
)]
#[case::json(
    Mode::Json,
    "{\"session_id\":\"01ab\",\"turn\":7,\"text\":\"part\",\"stop_reason\":\"failed\",\
     \"usage\":{\"input\":20,\"cached\":0,\"cache_written\":0,\"output\":4,\"reasoning\":0},\
     \"error\":{\"class\":\"authentication\",\"message\":\"failed to call the model: 401\",\"hint\":\"set OPENAI_API_KEY\"}}\n",
    ""
)]
fn a_failure_keeps_the_text_and_says_the_next_step(#[case] mode: Mode, #[case] out: &str, #[case] err: &str) {
    let events = [text("part"), ended(StopReason::Failed, "part", Some(failure()))];
    assert_eq!(streams(mode, &events), (out.to_owned(), err.to_owned()));
}

#[rstest]
#[case(Mode::Pipe, "**whole**\n")]
#[case(Mode::Terminal(TERMINAL), "\u{1b}[1mwhole\u{1b}[0m\n")]
#[case(Mode::Quiet(None), "**whole**\n")]
#[case(Mode::Quiet(Some(TERMINAL)), "\u{1b}[1mwhole\u{1b}[0m\n")]
fn an_answer_that_was_not_streamed_is_printed(#[case] mode: Mode, #[case] expected: &str) {
    let (out, _) = streams(mode, &[call_started(), ended(StopReason::EndTurn, "**whole**", None)]);
    assert_eq!(out, expected);
}

#[test]
fn a_call_that_breaks_off_ends_its_line() {
    let events = [call_started(), text("part"), call_started(), text("again"), call_ended()];
    assert_eq!(streams(Mode::Pipe, &events).0, "part\n\nagain\n");
}

#[test]
fn a_second_turn_begins_anew() {
    let turn = |answer: &str| {
        let start = Event::TurnStarted { session: "01ab".into(), turn: 7 };
        [start, call_started(), text(answer), call_ended(), ended(StopReason::EndTurn, answer, None)]
    };
    let mode = Mode::Terminal(Terminal { style: Style::Plain, ..TERMINAL });
    let (out, err) = streams(mode, &[turn("one"), turn("two")].concat());
    assert_eq!((out.as_str(), err.as_str()), ("one\ntwo\n", ""));
}

#[test]
fn a_call_that_was_denied_has_its_name() {
    let events = [call_started(), call_ended(), result("1", "A person denied this.", true)];
    assert_eq!(streams(Mode::Pipe, &events).1, "✗ terminal: A person denied this.\n");
}
