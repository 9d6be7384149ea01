//! Sessions, agents, logs, keys and tokens.

use crossterm::event::KeyCode;
use hermes_agent::message::Usage;
use hermes_agent::store::Session;
use hermes_operations::{Condition, Gateway, Verb};

use super::Bench;
use crate::state::{Effect, Loaded, Place};

fn session(id: &str, title: Option<&str>, preview: &str) -> Session {
    Session {
        id: id.to_owned().into(),
        source: "cli".to_owned(),
        model: "small-1".to_owned(),
        title: title.map(str::to_owned),
        parent: None,
        created_at: 0,
        active_at: 0,
        messages: 4,
        usage: Usage::default(),
        busy: false,
        preview: Some(preview.to_owned()),
        system: Vec::new(),
    }
}

pub(super) fn gateway(profile: &str, state: Condition, problem: Option<&str>) -> Gateway {
    Gateway {
        profile: profile.to_owned(),
        desired_state: None,
        state,
        ready: true,
        pid: None,
        uptime_seconds: Some(200),
        for_seconds: Some(200),
        restarts: 0,
        restarted_seconds_ago: Vec::new(),
        port: None,
        socket: None,
        problem: problem.map(str::to_owned),
    }
}

#[test]
fn sessions_are_searched_while_the_person_types() {
    let mut bench = Bench::new(80, 24);
    assert_eq!(bench.press(KeyCode::F(2)), [Effect::Load(Place::Sessions)]);
    bench.loaded(Loaded::Sessions(
        String::new(),
        vec![session("s1", Some("Trip"), "x"), session("s2", None, "hi")],
    ));
    bench.shows("Trip");
    assert_eq!(bench.press(KeyCode::Char('t')), [Effect::Search("t".to_owned())]);
    assert_eq!(bench.press(KeyCode::Char('o')), [Effect::Search("to".to_owned())]);
    bench.loaded(Loaded::Sessions(
        "to".to_owned(),
        vec![session("s3", None, "to do"), session("s4", None, "too")],
    ));
    // The answer to the first letter comes late.
    bench.loaded(Loaded::Sessions("t".to_owned(), vec![session("s1", Some("Trip"), "x")]));
    bench.shows("to do");
    bench.lacks("Trip");
    bench.press(KeyCode::Down);
    assert_eq!(bench.press(KeyCode::Enter), [Effect::Resume("s4".to_owned())]);
    bench.lacks("search:");
}

#[test]
fn no_session_opens_while_the_agent_answers() {
    let mut bench = Bench::new(80, 24);
    bench.say("hi");
    bench.press(KeyCode::F(2));
    bench.loaded(Loaded::Sessions(String::new(), vec![session("s1", Some("Trip"), "x")]));
    assert_eq!(bench.press(KeyCode::Enter), []);
    bench.shows("the agent is answering");
}

#[test]
fn agents_start_stop_restart_and_show_their_log() {
    let mut bench = Bench::new(80, 24);
    assert_eq!(bench.press(KeyCode::F(3)), [Effect::Load(Place::Agents)]);
    let rows = vec![
        (gateway("default", Condition::Running, None), Some(4_600_000)),
        (gateway("coder", Condition::Stopped, None), None),
    ];
    bench.loaded(Loaded::Agents(rows));
    bench.shows("4.6 MB");
    bench.press(KeyCode::Down);
    let drive = |verb| vec![Effect::Drive("coder".to_owned(), verb)];
    for (key, verb) in [('s', Verb::Start), ('x', Verb::Stop), ('r', Verb::Restart)] {
        assert_eq!(bench.press(KeyCode::Char(key)), drive(verb));
    }
    bench.shows("restart 'coder'");
    assert_eq!(
        bench.loaded(Loaded::Driven(Err("no such gateway".to_owned()))),
        [Effect::Load(Place::Agents)]
    );
    bench.shows("no such gateway");
    assert_eq!(bench.press(KeyCode::Enter), [Effect::Load(Place::Log("coder".to_owned()))]);
    bench.loaded(Loaded::Log("coder".to_owned(), vec!["first".to_owned(), "last".to_owned()]));
    bench.shows("last");
}

#[test]
fn a_problem_of_the_selected_agent_is_shown() {
    let mut bench = Bench::new(80, 24);
    bench.press(KeyCode::F(3));
    bench.loaded(Loaded::Agents(vec![(
        gateway("coder", Condition::GivenUp, Some("port 8642 is taken")),
        None,
    )]));
    bench.shows("port 8642 is taken");
}

#[test]
fn a_log_that_grows_keeps_the_lines_of_a_reader() {
    let mut bench = Bench::new(80, 24);
    bench.press(KeyCode::F(4));
    let lines = |last: usize| (0..last).map(|number| format!("line {number}")).collect::<Vec<_>>();
    bench.loaded(Loaded::Log("coder".to_owned(), lines(100)));
    bench.press(KeyCode::PageUp);
    bench.shows("line 89");
    bench.loaded(Loaded::Log("coder".to_owned(), lines(140)));
    bench.shows("line 89");
    bench.lacks("line 90");
}

#[test]
fn the_key_of_a_panel_closes_it() {
    let mut bench = Bench::new(80, 24);
    bench.press(KeyCode::Char('?'));
    bench.shows("Ctrl+Z");
    bench.press(KeyCode::Esc);
    bench.lacks("Ctrl+Z");
    bench.write("why?");
    assert_eq!(bench.app.composer.text(), "why?");
    bench.press(KeyCode::F(1));
    bench.press(KeyCode::F(1));
    bench.lacks("Ctrl+Z");
}

#[test]
fn a_person_writes_while_the_usage_is_shown() {
    let mut bench = Bench::new(200, 60);
    assert_eq!(bench.press(KeyCode::F(5)), [Effect::Load(Place::Usage)]);
    bench.loaded(Loaded::Usage(vec!["  tokens    5 of 100".to_owned()]));
    bench.write("hi");
    bench.shows("5 of 100");
    bench.shows("› hi");
}
