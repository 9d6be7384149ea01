//! Whole turns of an engine, with a fake model and fake tools.

use std::collections::VecDeque;
use std::future::pending;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

mod approvals;
mod other_agents;
mod questions;

use super::*;
use crate::message::{Block, Message, Role, ToolCall, ToolResult, Usage};
use crate::protocol::{Event, StopReason, Submission, TurnEnd};
use crate::provider::{
    ErrorClass, Finish, ModelAnswer, ModelProgress, ModelRequest, Provider, ProviderError,
};
use crate::question::Person;
use crate::repair::sendable;
use crate::settings::{ApprovalMode, Approvals, Budget, Compression};
use crate::store::{NewSession, Owner, SessionId, Store};
use crate::tools::clarify::ClarifyTool;
use crate::tools::{Effect, Invocation, Reach, Rules, Spent, Tool, ToolOutput, ToolSchema, Toolbox};

/// One call of a fake model.
#[derive(Clone, Debug)]
enum Reply {
    Text(&'static str),
    Calls(&'static [(&'static str, &'static str, &'static str)]),
    Error(ErrorClass),
    /// Sends this text, and fails.
    Broken(&'static str),
    /// Sends this text, and never ends.
    Hangs(&'static str),
}

#[derive(Debug, Default)]
struct FakeModel {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<ModelRequest>>,
}

/// A submission, with the condition of the event that it follows.
type Step = (fn(&Event) -> bool, Submission);

type Answer<'a> = Pin<Box<dyn Future<Output = Result<ModelAnswer, ProviderError>> + Send + 'a>>;

impl Provider for FakeModel {
    fn name(&self) -> &str {
        "fake"
    }

    fn model(&self) -> &str {
        "fake-1"
    }

    fn call<'a>(
        &'a self,
        request: &'a ModelRequest,
        progress: &'a mut (dyn FnMut(ModelProgress) + Send),
    ) -> Answer<'a> {
        self.requests.lock().unwrap().push(request.clone());
        let reply = self.replies.lock().unwrap().pop_front().expect("a scripted reply");
        let usage = Some(Usage { input: 10, output: 5, ..Usage::default() });
        let answer = move |blocks| ModelAnswer { blocks, usage, finish: Finish::Complete };
        Box::pin(async move {
            match reply {
                Reply::Text(text) => {
                    for piece in text.split_inclusive(' ') {
                        progress(ModelProgress::Text(piece.to_owned()));
                    }
                    Ok(answer(vec![Block::Text { text: text.to_owned() }]))
                }
                Reply::Calls(calls) => Ok(answer(calls.iter().map(block_of_call).collect())),
                Reply::Error(class) => Err(error(class)),
                Reply::Broken(text) => {
                    progress(ModelProgress::Text(text.to_owned()));
                    Err(error(ErrorClass::Transient))
                }
                Reply::Hangs(text) => {
                    progress(ModelProgress::Text(text.to_owned()));
                    pending().await
                }
            }
        })
    }
}

fn block_of_call((id, name, arguments): &(&str, &str, &str)) -> Block {
    Block::ToolCall(ToolCall {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
        extra: None,
    })
}

fn error(class: ErrorClass) -> ProviderError {
    ProviderError { class, message: "it failed".to_owned(), status: None, retry_after: None, hint: None }
}

/// A tool that returns its arguments. If they say so, it spends tokens of another agent, or hangs.
struct Echo(Effect);

impl Tool for Echo {
    fn schema(&self) -> ToolSchema {
        let name = match self.0 {
            Effect::Writes => "write",
            Effect::Elsewhere => "ask",
            Effect::None | Effect::Reads => "read",
        };
        ToolSchema { name: name.to_owned(), description: "echoes".to_owned(), parameters: json!({}) }
    }

    fn effect(&self) -> Effect {
        self.0
    }

    fn run<'a>(&'a self, call: Invocation) -> Pin<Box<dyn Future<Output = ToolOutput> + Send + 'a>> {
        let Invocation { arguments, ledger, .. } = call;
        Box::pin(async move {
            if let Some(input) = arguments["spend"].as_u64() {
                ledger.add(Spent { model: "other".to_owned(), usage: Usage { input, ..Usage::default() } });
            }
            if arguments["hang"] == true {
                pending::<()>().await;
            }
            // A tool takes longer than the report of its start.
            tokio::task::yield_now().await;
            ToolOutput::done(arguments.to_string())
        })
    }
}

/// An engine with fakes, and a session.
struct Bench {
    engine: Engine,
    model: Arc<FakeModel>,
    session: SessionId,
    person: Person,
    directory: TempDir,
}

impl Bench {
    async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::with_budget(replies, Budget::default()).await
    }

    async fn with_budget(replies: impl IntoIterator<Item = Reply>, budget: Budget) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let model = Arc::new(FakeModel::default());
        model.replies.lock().unwrap().extend(replies);
        let engine = engine_in(directory.path(), vec![model.clone() as Arc<dyn Provider>], budget);
        let session = engine.store.create_session(NewSession::default()).await.unwrap();
        Self { engine, model, session, person: Person::CanReply, directory }
    }

    /// Runs a turn. Sends each submission once an event satisfies its condition.
    async fn turn(&self, mut plan: Vec<Step>) -> (TurnEnd, Vec<Event>) {
        let (sender, mut inbox) = mpsc::channel(8);
        let mut events = Vec::new();
        let mut note = |event: Event| {
            if plan.first().is_some_and(|(when, _)| when(&event)) {
                sender.try_send(plan.remove(0).1).unwrap();
            }
            events.push(event);
        };
        let message = Message::text(Role::User, "question");
        let end =
            self.engine.run_turn(&self.session, message, self.person, &mut inbox, &mut note).await.unwrap();
        (end, events)
    }

    /// Begins a turn, and drops it with its engine at an event, as a kill does. Runs the next turn in another engine. Returns the messages
    /// that the model got then, and the conversation.
    async fn cut_and_go_on(
        self,
        mut is_cut: impl FnMut(&Event) -> bool + Send,
    ) -> (Vec<Message>, Vec<String>) {
        let Self { engine, session, directory, person, .. } = self;
        {
            let (reached, at_cut) = oneshot::channel();
            let mut reached = Some(reached);
            let mut note = |event: Event| {
                if is_cut(&event) {
                    reached.take().unwrap().send(()).unwrap();
                }
            };
            let (_sender, mut inbox) = mpsc::channel(1);
            let message = Message::text(Role::User, "question");
            let turn = engine.run_turn(&session, message, person, &mut inbox, &mut note);
            tokio::select! {
                biased;
                _ = at_cut => {}
                ended = turn => panic!("the turn ended before the cut: {ended:?}"),
            }
        }
        drop(engine);
        let model = Arc::new(FakeModel::default());
        model.replies.lock().unwrap().push_back(Reply::Text("again"));
        let engine = engine_in(directory.path(), vec![model.clone() as Arc<dyn Provider>], Budget::default());
        let (_sender, mut inbox) = mpsc::channel(1);
        let message = Message::text(Role::User, "go on");
        let end = engine.run_turn(&session, message, person, &mut inbox, &mut |_| {}).await.unwrap();
        assert_eq!(end.reason, StopReason::EndTurn);
        let sent = model.requests.lock().unwrap()[0].messages.clone();
        (sent, lines(&engine.store, &session).await)
    }

    /// Returns the conversation, as `role: text`.
    async fn conversation(&self) -> Vec<String> {
        lines(&self.engine.store, &self.session).await
    }
}

fn engine_in(directory: &Path, models: Vec<Arc<dyn Provider>>, budget: Budget) -> Engine {
    let path = directory.join("hermes.db");
    let store = Store::open(&path).unwrap().store;
    let owner = Owner::claim(&path, "a test").unwrap();
    let echoes = [Effect::Reads, Effect::Writes, Effect::Elsewhere]
        .map(|effect| Arc::new(Echo(effect)) as Arc<dyn Tool>);
    let clarify = ClarifyTool::new(std::time::Duration::from_secs(600));
    let others = [Arc::new(approvals::Fenced) as Arc<dyn Tool>, Arc::new(clarify)];
    let tools = Toolbox::new(echoes.into_iter().chain(others));
    let limits = EngineLimits {
        model_calls: 10,
        context_length: 100_000,
        answer_length: None,
        compression: Compression { enabled: true, threshold: 0.5, target_ratio: 0.2, protect_last_n: 20 },
        budget,
    };
    let asked = Approvals {
        mode: ApprovalMode::Sandboxed,
        deny: vec!["rm *".to_owned()],
        allow: vec!["make".to_owned()],
        timeout: std::time::Duration::from_secs(60),
    };
    Engine::new(store, owner, models, tools, limits, Rules { approvals: asked, is_confined: true })
}

async fn lines(store: &Store, session: &SessionId) -> Vec<String> {
    let line = |stored: crate::store::StoredMessage| {
        let interrupted = if stored.interrupted { " (interrupted)" } else { "" };
        let blocks = stored.message.blocks.iter().map(|block| match block {
            Block::Text { text } => text.clone(),
            Block::ToolCall(call) => format!("{}({})", call.name, call.arguments),
            Block::ToolResult(ToolResult { content, .. }) => content.clone(),
            other => format!("{other:?}"),
        });
        format!("{:?}: {}{interrupted}", stored.message.role, blocks.collect::<Vec<_>>().join(" + "))
    };
    store.conversation(session).await.unwrap().into_iter().map(line).collect()
}

fn is_text(event: &Event) -> bool {
    matches!(event, Event::TextDelta { .. })
}

fn is_tool_start(event: &Event) -> bool {
    matches!(event, Event::ToolStarted { .. })
}

#[tokio::test]
async fn question_and_answer_are_stored() {
    let bench = Bench::new([Reply::Text("the answer")]).await;
    let (end, events) = bench.turn(vec![]).await;
    assert_eq!((end.reason, end.text.as_str(), end.usage.total()), (StopReason::EndTurn, "the answer", 15));
    assert_eq!(bench.conversation().await, ["User: question", "Assistant: the answer"]);
    let texts: String = events
        .iter()
        .filter_map(|event| if let Event::TextDelta { text } = event { Some(text.as_str()) } else { None })
        .collect();
    assert_eq!(texts, "the answer");
    assert!(matches!(events.last(), Some(Event::TurnEnded(last)) if *last == end));
}

#[tokio::test]
async fn the_second_turn_sends_the_first_one() {
    let bench = Bench::new([Reply::Text("one"), Reply::Text("two")]).await;
    bench.turn(vec![]).await;
    bench.turn(vec![]).await;
    let requests = bench.model.requests.lock().unwrap();
    assert_eq!(requests[1].messages.len(), 3);
    assert_eq!(requests[1].messages[..1], requests[0].messages[..], "the prefix stays the same");
}

#[rstest]
#[case::reads("read", r#"{"a":1}"#, r#"{"a":1}"#)]
#[case::writes("write", r#"{"a":1}"#, r#"{"a":1}"#)]
#[case::no_arguments("read", "", "{}")]
#[case::unknown("dance", "{}", "There is no tool \"dance\". Use one of: ask, clarify, read, run, write.")]
#[case::not_an_object("read", "[]", "The arguments must be a JSON object.")]
#[case::half(
    "read",
    "{\"a\":",
    "The arguments are not valid JSON: EOF while parsing a value at line 1 column 5."
)]
#[tokio::test]
async fn each_call_gets_its_result(
    #[case] name: &'static str,
    #[case] arguments: &'static str,
    #[case] result: &str,
) {
    let calls: &'static [_] = Box::leak(Box::new([("c1", name, arguments)]));
    let bench = Bench::new([Reply::Calls(calls), Reply::Text("done")]).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::EndTurn);
    let call = format!("Assistant: {name}({arguments})");
    let expected =
        ["User: question".to_owned(), call, format!("Tool: {result}"), "Assistant: done".to_owned()];
    assert_eq!(bench.conversation().await, expected);
}

#[tokio::test]
async fn interrupted_answer_is_kept_as_such() {
    let bench = Bench::new([Reply::Hangs("half an ")]).await;
    let (end, _) = bench.turn(vec![(is_text, Submission::Interrupt)]).await;
    assert_eq!((end.reason, end.text.as_str()), (StopReason::Cancelled, "half an "));
    assert_eq!(bench.conversation().await, ["User: question", "Assistant: half an  (interrupted)"]);
}

#[tokio::test]
async fn interrupted_tool_gives_its_call_a_result() {
    let bench = Bench::new([Reply::Calls(&[("c1", "write", r#"{"hang":true}"#)])]).await;
    let (end, _) = bench.turn(vec![(is_tool_start, Submission::Interrupt)]).await;
    assert_eq!(end.reason, StopReason::Cancelled);
    let expected = format!("Tool: {}", turn::INTERRUPTED_CALL);
    assert_eq!(bench.conversation().await.last(), Some(&expected));
}

#[tokio::test(start_paused = true)]
async fn failure_before_the_first_text_is_retried() {
    let bench = Bench::new([Reply::Error(ErrorClass::Transient), Reply::Text("yes")]).await;
    let (end, events) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::EndTurn);
    assert!(events.iter().any(|event| matches!(event, Event::Retry { fallback: false, .. })), "{events:?}");
    assert_eq!(bench.conversation().await, ["User: question", "Assistant: yes"]);
}

#[tokio::test]
async fn failure_after_text_keeps_the_text_and_ends() {
    let bench = Bench::new([Reply::Broken("half")]).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::Failed);
    assert_eq!(end.error.map(|error| error.class), Some(ErrorClass::Transient));
    assert_eq!(bench.conversation().await, ["User: question", "Assistant: half (interrupted)"]);
}

#[tokio::test]
async fn message_during_a_turn_goes_in_before_the_next_call() {
    let bench = Bench::new([Reply::Calls(&[("c1", "read", "{}")]), Reply::Text("both")]).await;
    let more = Submission::UserTurn { message: Message::text(Role::User, "and more") };
    bench.turn(vec![(is_tool_start, more)]).await;
    let expected = ["User: question", "Assistant: read({})", "Tool: {}", "User: and more", "Assistant: both"];
    assert_eq!(bench.conversation().await, expected);
}

#[rstest]
#[case::of_the_day(Budget { tokens_per_day: Some(10), ..Budget::default() }, "it resets at 00:00 UTC")]
#[case::of_the_turn(Budget { tokens_per_turn: Some(10), ..Budget::default() }, "the next message begins a new turn")]
#[tokio::test]
async fn exhausted_budget_prevents_the_call(#[case] budget: Budget, #[case] hint: &str) {
    let bench = Bench::with_budget([Reply::Text("never")], budget).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::Budget);
    assert!(end.error.is_some_and(|error| error.message.ends_with(hint)));
    assert_eq!(bench.model.requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_use_of_a_call_replaces_its_reservation() {
    let budget = Budget { tokens_per_day: Some(1_000_000), ..Budget::default() };
    let bench = Bench::with_budget([Reply::Text("yes")], budget).await;
    bench.turn(vec![]).await;
    let used = bench.engine.store.used(&spending::today()).await.unwrap();
    assert_eq!((used.tokens, used.reserved_tokens), (15, 0));
}

#[tokio::test]
async fn a_repeated_call_ends_the_turn() {
    let replies = (0..5).map(|_| Reply::Calls(&[("c", "read", "{}")]));
    let bench = Bench::new(replies).await;
    let (end, _) = bench.turn(vec![]).await;
    assert_eq!(end.reason, StopReason::Loop);
    assert_eq!(bench.model.requests.lock().unwrap().len(), 4);
}

/// Runs a turn with tools and cuts it after each of its events, as a kill does. Then the owner is dead, and the turn is open.
#[tokio::test]
async fn message_at_the_end_waits_for_the_next_turn() {
    let bench = Bench::new([Reply::Text("first"), Reply::Text("second")]).await;
    let late = Submission::UserTurn { message: Message::text(Role::User, "late") };
    let (_, events) = bench.turn(vec![(|event| matches!(event, Event::ModelCallEnded { .. }), late)]).await;
    let told = |event: &Event| matches!(event, Event::Notice { text } if text.contains("next turn"));
    assert!(events.iter().any(told), "{events:?}");
    bench.turn(vec![]).await;
    let expected =
        ["User: question", "Assistant: first", "User: late", "User: question", "Assistant: second"];
    assert_eq!(bench.conversation().await, expected);
}

#[tokio::test]
async fn a_cut_at_any_event_leaves_a_sendable_session() {
    const CALLS: &[(&str, &str, &str)] = &[("c1", "read", "{}"), ("c2", "write", "{}")];
    let script = || [Reply::Calls(CALLS), Reply::Calls(&[("c3", "write", "{}")]), Reply::Text("all done")];
    let uncut = Bench::new(script()).await;
    let count = uncut.turn(vec![]).await.1.len();
    assert!(count > 10, "the turn has many steps");
    for cut in 1..count {
        let mut seen = 0;
        let is_cut = |_: &Event| {
            seen += 1;
            seen == cut
        };
        let (sent, _) = Bench::new(script()).await.cut_and_go_on(is_cut).await;
        assert_eq!(sent, sendable(sent.clone()), "cut at {cut}");
        assert!(sent[0].plain_text().starts_with("question"), "cut at {cut}");
        let last = sent.last().unwrap();
        assert!(last.role == Role::User && last.plain_text().contains("go on"), "cut at {cut}: {last:?}");
    }
}
