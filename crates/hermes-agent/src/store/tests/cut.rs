//! Random turns, cut by the death of their process.

use proptest::prelude::*;

use super::*;
use crate::repair::{ABORTED, sendable};

#[derive(Clone, Debug)]
enum Deed {
    Begin,
    Answer,
    /// A message with calls, and the number of them that are planned, started and done.
    Calls {
        calls: u8,
        planned: u8,
        started: u8,
        done: u8,
    },
    Queue,
    Take,
    End,
    /// A compaction, and the number of messages that stay.
    Compact {
        kept: usize,
    },
    Undo,
    Die,
}

fn deed() -> impl Strategy<Value = Deed> {
    let calls = (1..4_u8, 0..4_u8, 0..4_u8, 0..4_u8);
    prop_oneof![
        3 => Just(Deed::Begin),
        2 => Just(Deed::Answer),
        4 => calls.prop_map(|(calls, planned, started, done)| Deed::Calls { calls, planned, started, done }),
        2 => Just(Deed::Queue),
        2 => Just(Deed::Take),
        1 => Just(Deed::End),
        1 => (0..4_usize).prop_map(|kept| Deed::Compact { kept }),
        1 => Just(Deed::Undo),
        3 => Just(Deed::Die),
    ]
}

/// A session that is used by one process after the other.
struct Life {
    bench: Bench,
    owner: Owner,
    session: SessionId,
    turn: Option<TurnId>,
    /// `true` while a call lacks its result. The engine then stores nothing but results.
    is_open: bool,
    said: Vec<String>,
}

impl Life {
    async fn new() -> Self {
        let bench = Bench::new();
        let (owner, session) = (bench.owner(), bench.session().await);
        Self { bench, owner, session, turn: None, is_open: false, said: Vec::new() }
    }

    fn say(&mut self) -> Message {
        let text = format!("words {}", self.said.len());
        self.said.push(text.clone());
        user(&text)
    }

    async fn perform(mut self, deed: Deed) -> Self {
        let session = self.session.clone();
        match (deed, self.turn) {
            (Deed::Answer | Deed::Calls { .. } | Deed::Take | Deed::Compact { .. }, _) if self.is_open => {}
            (Deed::Begin, None) => {
                let message = self.say();
                let begun = self.bench.store.begin_turn(&session, &self.owner, message).await;
                self.turn = Some(begun.unwrap());
            }
            (Deed::Answer, Some(turn)) => {
                self.bench.store.step(turn, vec![Change::message(assistant("yes"))]).await.unwrap();
            }
            (Deed::Calls { calls: count, planned, started, done }, Some(turn)) => {
                // The IDs return with each message, as those of some servers do.
                let ids = ["a", "b", "c"].get(..usize::from(count)).unwrap();
                let first = |count: u8| ids.iter().take(usize::from(count));
                let mut step = vec![Change::message(calls(ids))];
                step.extend(first(planned).map(|id| run(id, RunState::Planned)));
                self.bench.store.step(turn, step).await.unwrap();
                self.is_open = done < count;
                for id in first(started) {
                    self.bench.store.step(turn, vec![run(id, RunState::Started)]).await.unwrap();
                }
                for id in first(done) {
                    let step = vec![run(id, RunState::Done), Change::message(result(id))];
                    self.bench.store.step(turn, step).await.unwrap();
                }
            }
            (Deed::Queue, _) => {
                let message = self.say();
                self.bench.store.queue_input(&session, message).await.unwrap();
            }
            (Deed::Take, Some(_)) => {
                self.bench.store.take_inputs(&session).await.unwrap();
            }
            (Deed::End, Some(turn)) => {
                self.bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
                self.turn = None;
                self.is_open = false;
            }
            (Deed::Compact { kept }, _) => {
                let seen = self.bench.store.conversation(&session).await.unwrap();
                let messages = seen.into_iter().map(|stored| stored.message);
                let mut history = sendable(messages.collect());
                let cut = history.len().saturating_sub(kept);
                history.splice(..cut, [user("summary")]);
                self.bench.store.compact(&session, sendable(history), None).await.unwrap();
            }
            (Deed::Undo, None) => {
                self.bench.store.undo(&session).await.unwrap();
            }
            (Deed::Die, _) => return self.die().await,
            _ => {}
        }
        self
    }

    /// Ends the process without the end of its turn, and starts another one.
    async fn die(self) -> Self {
        let Self { bench, owner, session, turn, said, .. } = self;
        drop(owner);
        let bench = bench.reopen();
        let folded = bench.store.fold_dead_turns(None).await.unwrap();
        assert_eq!(folded.iter().map(|folded| folded.turn).collect::<Vec<_>>(), Vec::from_iter(turn));
        let owner = bench.owner();
        let life = Self { bench, owner, session, turn: None, is_open: false, said };
        life.assert_sendable().await;
        life.assert_all_said().await;
        life
    }

    /// Asserts the rules of all providers: results follow their calls, one for each, and nothing else is a result.
    async fn assert_sendable(&self) {
        let stored = self.bench.store.conversation(&self.session).await.unwrap();
        let seen = sendable(stored.into_iter().map(|stored| stored.message).collect());
        let mut open: Vec<String> = Vec::new();
        for message in &seen {
            assert!(!message.blocks.is_empty(), "{seen:?}");
            if message.role == Role::Tool {
                for block in &message.blocks {
                    let Block::ToolResult(result) = block else { panic!("{message:?}") };
                    assert_ne!(result.content, ABORTED, "the store knows the outcome: {seen:?}");
                    let index = open.iter().position(|call| *call == result.call_id);
                    open.remove(index.unwrap_or_else(|| panic!("no call {}: {seen:?}", result.call_id)));
                }
            } else {
                assert_eq!(open, Vec::<String>::new(), "{seen:?}");
                open = message.calls().map(|call| call.id.clone()).collect();
            }
        }
        assert_eq!(open, Vec::<String>::new(), "{seen:?}");
    }

    async fn assert_all_said(&self) {
        let stored = self.bench.store.messages(&self.session, 0, u32::MAX).await.unwrap();
        let originals = stored.iter().filter(|stored| !stored.summary);
        let mut texts: Vec<_> = originals.map(|stored| stored.message.plain_text()).collect();
        let waiting = self.bench.store.read("read the messages that wait", |transaction| {
            let mut statement = transaction.prepare("SELECT message FROM inputs")?;
            let inputs = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok(inputs.collect::<Result<Vec<_>, _>>()?)
        });
        let waiting = waiting.await.unwrap();
        texts.extend(waiting.iter().map(|json| serde_json::from_str::<Message>(json).unwrap().plain_text()));
        texts.retain(|text| text.starts_with("words"));
        texts.sort();
        let mut said = self.said.clone();
        said.sort();
        assert_eq!(texts, said);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn conversation_is_sendable_after_any_death(deeds in prop::collection::vec(deed(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::new().await;
            for deed in deeds {
                life = life.perform(deed).await;
            }
            life.die().await;
        });
    }
}
