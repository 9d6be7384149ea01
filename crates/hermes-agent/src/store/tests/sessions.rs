//! Sessions: look-up, compaction, undo, search, prune.

use super::*;

async fn titled(bench: &Bench, id: &str, title: Option<&str>) -> SessionId {
    let new = NewSession {
        id: Some(id.into()),
        title: title.map(str::to_owned),
        source: "api".into(),
        ..NewSession::default()
    };
    bench.store.create_session(new).await.unwrap()
}

#[tokio::test]
async fn session_is_found_by_id_prefix_or_title() {
    let bench = Bench::new();
    titled(&bench, "20260101_000000_aaaaaaaa", Some("Trip to Rome")).await;
    titled(&bench, "20260102_000000_bbbbbbbb", Some("100%_\"x\"")).await;
    titled(&bench, "20260102_000000_cccccccc", None).await;
    for (name, id) in [
        ("20260101_000000_aaaaaaaa", "20260101_000000_aaaaaaaa"),
        ("20260101", "20260101_000000_aaaaaaaa"),
        ("Trip to Rome", "20260101_000000_aaaaaaaa"),
        (" 20260102_000000_c ", "20260102_000000_cccccccc"),
        ("100%_\"x\"", "20260102_000000_bbbbbbbb"),
    ] {
        assert_eq!(bench.store.find(name).await.unwrap().as_str(), id, "{name}");
    }
    for name in ["", "2027", "trip", "%", "_", "20260101_000000_aaaaaaaab"] {
        assert!(matches!(bench.store.find(name).await, Err(FindError::None { .. })), "{name}");
    }
    let error = bench.store.find("20260102").await.unwrap_err().to_string();
    let expected =
        "failed to find session \"20260102\": 2 match: 20260102_000000_cccccccc, 20260102_000000_bbbbbbbb";
    assert_eq!(error, expected);
}

#[tokio::test]
async fn new_id_has_the_date_and_the_time() {
    let bench = Bench::new();
    let id = bench.session().await;
    let parts: Vec<_> = id.as_str().split('_').map(str::len).collect();
    assert_eq!(parts, [8, 6, 8], "{id}");
    assert_eq!(bench.store.latest(Some("chat")).await.unwrap(), Some(id));
    assert_eq!(bench.store.latest(Some("api")).await.unwrap(), None);
}

#[tokio::test]
async fn title_belongs_to_one_session() {
    let bench = Bench::new();
    let one = titled(&bench, "one", Some("title")).await;
    let two = titled(&bench, "two", None).await;
    let taken = bench.store.rename(&two, Some("title".into())).await;
    assert!(matches!(taken, Err(StoreError::NameTaken { .. })), "{taken:?}");
    bench.store.rename(&one, None).await.unwrap();
    bench.store.rename(&two, Some("title".into())).await.unwrap();
    assert_eq!(bench.store.find("title").await.unwrap(), two);
}

#[tokio::test]
async fn system_prompt_keeps_its_parts() {
    let bench = Bench::new();
    let system = vec!["stable".to_owned(), "volatile".to_owned()];
    let new = NewSession { system: system.clone(), ..NewSession::default() };
    let id = bench.store.create_session(new).await.unwrap();
    assert_eq!(bench.store.session(&id).await.unwrap().unwrap().system, system);
    let fork = bench.store.fork(&id).await.unwrap();
    assert_eq!(bench.store.session(&fork).await.unwrap().unwrap().system, system);
}

#[tokio::test]
async fn compaction_replaces_the_history_and_keeps_the_originals() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("one")).await.unwrap();
    bench
        .store
        .step(turn, ["two", "three"].map(|text| Change::message(assistant(text))).into())
        .await
        .unwrap();
    bench.store.compact(&session, vec![user("summary"), assistant("three")], None).await.unwrap();
    bench.store.step(turn, vec![Change::message(assistant("four"))]).await.unwrap();
    assert_eq!(bench.seen(&session).await, ["User: summary", "Assistant: three", "Assistant: four"]);
    let usage = Usage { input: 7, ..Usage::default() };
    bench.store.compact(&session, vec![user("shorter")], Some(("m".into(), usage))).await.unwrap();
    assert_eq!(bench.seen(&session).await, ["User: shorter"]);
    let all = bench.store.messages(&session, 0, 100).await.unwrap();
    let texts: Vec<_> = all.iter().map(|stored| (stored.message.plain_text(), stored.summary)).collect();
    let texts: Vec<_> = texts.iter().map(|(text, summary)| (text.as_str(), *summary)).collect();
    let expected = [("one", false), ("two", false), ("three", false), ("summary", true), ("three", true)];
    assert_eq!(texts, [&expected[..], &[("four", false), ("shorter", true)]].concat());
    assert_eq!(all.iter().filter(|stored| stored.hidden == Some(Hidden::Compacted)).count(), 6);
    assert_eq!(bench.store.messages(&session, all[1].id, 2).await.unwrap(), all[2..4]);
    assert_eq!(bench.store.search("three", 10).await.unwrap().len(), 1);
    let session = bench.store.session(&session).await.unwrap().unwrap();
    assert_eq!((session.messages, session.usage.input), (4, 7));
}

#[tokio::test]
async fn undo_hides_the_last_turn_with_its_steering() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    for text in ["first", "second"] {
        let turn = bench.store.begin_turn(&session, &owner, user(text)).await.unwrap();
        bench.store.queue_input(&session, user("steer")).await.unwrap();
        bench.store.take_inputs(&session).await.unwrap();
        assert!(matches!(bench.store.undo(&session).await, Err(StoreError::TurnRuns { .. })));
        bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    }
    assert_eq!(bench.store.undo(&session).await.unwrap(), Some(user("second")));
    assert_eq!(bench.seen(&session).await, ["User: first", "User: steer"]);
    let fork = bench.store.fork(&session).await.unwrap();
    assert_eq!(bench.seen(&fork).await, ["User: first", "User: steer"]);
    assert_eq!(bench.store.session(&fork).await.unwrap().unwrap().parent, Some(session.clone()));
    assert_eq!(bench.store.undo(&session).await.unwrap(), Some(user("first")));
    assert_eq!(bench.store.undo(&session).await.unwrap(), None);
    assert_eq!(bench.store.messages(&session, 0, 100).await.unwrap().len(), 4);
}

#[tokio::test]
async fn search_takes_a_query_as_words() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("Deploy the Möhrchen server")).await.unwrap();
    let answers =
        [assistant("NOT a syntax: deploy -x OR \"quoted\""), assistant("我喜欢猫 🐈"), result("secret")];
    bench.store.step(turn, answers.map(Change::message).into()).await.unwrap();
    for (query, hits) in [
        ("deploy", 2),
        ("mohrchen serv", 1),
        ("serv", 1),
        ("se", 0),
        ("NOT deploy", 1),
        ("deploy -x OR", 1),
        ("\"deploy the\"", 1),
        ("\"the deploy\"", 0),
        ("quoted\"", 1),
        ("喜欢", 1),
        ("🐈", 1),
        ("\"喜欢猫 🐈\"", 1),
        ("🐈 喜欢", 1),
        ("\"🐈 喜欢\"", 0),
        ("喜欢 deploy", 0),
        ("\"", 0),
        ("done", 0),
        ("text:deploy", 0),
        ("deploy*", 2),
        ("(", 0),
        ("", 0),
        ("\0", 0),
    ] {
        let found = bench.store.search(query, 10).await.unwrap();
        assert_eq!(found.len(), hits, "{query:?}: {found:?}");
    }
    let found = bench.store.search("server", 10).await.unwrap();
    assert_eq!(
        (found[0].session.clone(), found[0].snippet.as_str()),
        (session.clone(), "Deploy the Möhrchen server")
    );
    bench.store.end_turn(turn, Vec::new(), StopReason::EndTurn, None).await.unwrap();
    bench.store.delete(&session).await.unwrap();
    assert_eq!(bench.store.search("deploy", 10).await.unwrap(), []);
}

#[tokio::test]
async fn prune_keeps_active_and_running_sessions() {
    let bench = Bench::new();
    let (idle, running) = (bench.session().await, bench.session().await);
    let owner = bench.owner();
    bench.store.begin_turn(&running, &owner, user("go")).await.unwrap();
    let filter = Filter { inactive_since: Some(0), ..Filter::default() };
    assert_eq!(bench.store.prune(filter).await.unwrap(), []);
    let filter = Filter { inactive_since: Some(i64::MAX), ..Filter::default() };
    assert_eq!(bench.store.prune(filter).await.unwrap(), [idle]);
    let refused = bench.store.delete(&running).await;
    assert!(matches!(refused, Err(StoreError::TurnRuns { .. })), "{refused:?}");
    let stats = bench.store.stats().await.unwrap();
    assert_eq!((stats.sessions, stats.messages, stats.turns, stats.sources.len()), (1, 1, 1, 1));
}
