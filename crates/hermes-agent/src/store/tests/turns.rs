//! Turns: one at a time, their steps, and the turns of dead processes.

use super::*;

#[tokio::test]
async fn session_has_one_open_turn() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("hello")).await.unwrap();
    // Another process has its own connection.
    let other = Store::open(&bench.path()).unwrap().store;
    match other.begin_turn(&session, &bench.owner(), user("me too")).await {
        Err(BeginError::Busy { owner, pid, turn: open }) => {
            assert_eq!((owner.as_str(), pid, open), ("chat", std::process::id(), turn));
        }
        begun => panic!("{begun:?}"),
    }
    bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    other.begin_turn(&session, &bench.owner(), user("now")).await.unwrap();
    assert_eq!(bench.seen(&session).await, ["User: hello", "User: now"]);
}

#[tokio::test]
async fn dead_turn_answers_its_open_calls() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    let planned = [calls(&["a", "b", "c"])].map(Change::message).into_iter();
    let runs = ["a", "b", "c"].map(|id| run(id, RunState::Planned));
    bench.store.step(turn, planned.chain(runs).collect()).await.unwrap();
    bench.store.step(turn, vec![run("a", RunState::Started), run("b", RunState::Started)]).await.unwrap();
    bench.store.step(turn, vec![run("a", RunState::Done), Change::message(result("a"))]).await.unwrap();
    assert_eq!(bench.store.fold_dead_turns(None).await.unwrap(), []);
    drop(owner);
    let bench = bench.reopen();
    let folded = bench.store.fold_dead_turns(None).await.unwrap();
    let expected = Folded {
        session: session.clone(),
        turn,
        source: "chat".into(),
        owner: "chat".into(),
        unknown: vec!["tool_b".into()],
        not_started: vec!["tool_c".into()],
    };
    assert_eq!(folded, [expected]);
    assert_eq!(bench.store.fold_dead_turns(Some(&session)).await.unwrap(), []);
    let seen = [
        "User: go",
        "Assistant: call a, call b, call c",
        "Tool: result a",
        "Tool: result b",
        "Tool: result c",
    ];
    assert_eq!(bench.seen(&session).await, seen);
    let record = bench.store.turn(turn).await.unwrap().unwrap();
    assert_eq!(record.reason, Some(StopReason::Died));
    let states: Vec<_> = record.tool_runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Done, RunState::Unknown, RunState::Planned]);
}

#[tokio::test]
async fn two_processes_fold_a_turn_once() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    bench.store.step(turn, vec![Change::message(calls(&["a"]))]).await.unwrap();
    drop(owner);
    let other = Store::open(&bench.path()).unwrap().store;
    let (one, two) = tokio::join!(bench.store.fold_dead_turns(None), other.fold_dead_turns(None));
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
    assert_eq!(bench.store.messages(&session, 0, 100).await.unwrap().len(), 3);
}

#[tokio::test]
async fn next_turn_folds_a_dead_one() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    bench.store.step(turn, vec![Change::message(calls(&["a"]))]).await.unwrap();
    bench.store.queue_input(&session, user("steer")).await.unwrap();
    drop(owner);
    bench.store.begin_turn(&session, &bench.owner(), user("again")).await.unwrap();
    let seen = ["User: go", "Assistant: call a", "Tool: result a", "User: steer", "User: again"];
    assert_eq!(bench.seen(&session).await, seen);
    let late = bench.store.step(turn, vec![Change::message(assistant("late"))]).await;
    assert!(matches!(late, Err(StoreError::TurnNotOpen { .. })), "{late:?}");
}

#[tokio::test]
async fn waiting_messages_survive_a_restart_and_are_taken_once() {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.store.queue_input(&session, user("one")).await.unwrap();
    bench.store.queue_input(&session, user("two")).await.unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.store.waiting_inputs(&session).await.unwrap(), 2);
    let withdrawn = bench.store.withdraw_inputs(&session).await.unwrap();
    assert_eq!(withdrawn, [user("one"), user("two")]);
    for message in withdrawn {
        bench.store.queue_input(&session, message).await.unwrap();
    }
    let taken = bench.store.take_inputs(&session).await.unwrap();
    let taken: Vec<_> = taken.iter().map(|stored| describe(&stored.message)).collect();
    assert_eq!(taken, ["User: one", "User: two"]);
    assert_eq!(bench.store.take_inputs(&session).await.unwrap(), []);
    assert_eq!(bench.seen(&session).await, ["User: one", "User: two"]);
}

#[tokio::test]
async fn turn_counts_tokens_of_all_its_calls() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    let usage = Usage { input: 10, output: 2, ..Usage::default() };
    let change = Change::Message {
        message: assistant("yes"),
        model: Some("m".into()),
        usage: Some(usage),
        interrupted: true,
    };
    bench.store.step(turn, vec![change, Change::Usage { model: "small".into(), usage }]).await.unwrap();
    let record = bench.store.turn(turn).await.unwrap().unwrap();
    assert_eq!(record.usage, Usage { input: 20, output: 4, ..Usage::default() });
    let models: Vec<_> = record.model_calls.iter().map(|call| call.model.as_str()).collect();
    assert_eq!(models, ["m", "small"]);
    assert!(bench.store.conversation(&session).await.unwrap()[1].interrupted);
    let session = bench.store.session(&session).await.unwrap().unwrap();
    assert_eq!((session.usage.input, session.messages, session.busy), (20, 2, true));
}

#[tokio::test]
async fn failed_step_changes_nothing() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    bench
        .store
        .write("break the runs", |transaction| Ok(transaction.execute_batch("DROP TABLE tool_runs")?))
        .await
        .unwrap();
    let step = vec![Change::message(assistant("half")), run("a", RunState::Planned)];
    assert!(bench.store.step(turn, step).await.is_err());
    assert_eq!(bench.seen(&session).await, ["User: go"]);
}

#[tokio::test]
async fn opaque_blocks_keep_their_bytes() {
    let bench = Bench::new();
    let session = bench.session().await;
    let json = r#"{"b": 1.50, "a":1e3}"#;
    let raw = Raw(RawValue::from_string(json.to_owned()).unwrap());
    let opaque = Opaque { protocol: "anthropic".into(), kind: "thinking".into(), raw };
    let message = Message { role: Role::Assistant, blocks: vec![Block::Opaque(opaque)] };
    bench.store.queue_input(&session, message).await.unwrap();
    let taken = bench.store.take_inputs(&session).await.unwrap();
    let [Block::Opaque(opaque)] = taken[0].message.blocks.as_slice() else { panic!("{taken:?}") };
    assert_eq!(opaque.raw.0.get(), json);
}

#[tokio::test]
async fn the_last_step_and_the_end_are_one_transaction() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("hello")).await.unwrap();
    let last = vec![Change::message(assistant("hi"))];
    bench.store.end_turn(turn, last.clone(), StopReason::EndTurn, None).await.unwrap();
    assert_eq!(bench.seen(&session).await, ["User: hello", "Assistant: hi"]);
    let again = bench.store.end_turn(turn, last, StopReason::EndTurn, None).await;
    assert!(matches!(again, Err(StoreError::TurnNotOpen { .. })), "{again:?}");
    assert_eq!(bench.seen(&session).await.len(), 2);
}

#[tokio::test]
async fn a_session_of_one_request_leaves_nothing() {
    let bench = Bench::new();
    let new = NewSession { on_disk: OnDisk::Never, ..NewSession::default() };
    let (session, owner) = (bench.store.create_session(new).await.unwrap(), bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("hello")).await.unwrap();
    bench.store.step(turn, vec![Change::message(assistant("hi"))]).await.unwrap();
    assert_eq!(bench.seen(&session).await, ["User: hello", "Assistant: hi"]);
    assert_eq!(bench.store.temporary.of_turn(turn), durability::Durability::Later);
    bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    bench.store.delete(&session).await.unwrap();
    assert_eq!(bench.store.temporary.of_session(&session), durability::Durability::Now);
    assert_eq!(bench.store.session(&session).await.unwrap(), None);
}
