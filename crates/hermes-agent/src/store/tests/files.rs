//! The files of a database: kinds, modes, corruption, versions.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use flate2::read::GzDecoder;
use hermes_core::profile::set_aside;
use rstest::rstest;
use rusqlite::Connection;

use super::*;

#[test]
fn database_is_private_and_uses_a_write_ahead_log() {
    let bench = Bench::new();
    for end in ["", "-wal", "-shm"] {
        let file = bench.folder.path().join(format!("{FILE}{end}"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[rstest]
#[case::symlink("symlink", |path: &Path| symlink("/dev/null", path).unwrap())]
#[case::directory("directory", |path: &Path| fs::create_dir(path).unwrap())]
#[case::fifo("FIFO", |path: &Path| {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
})]
fn path_that_is_no_file_is_refused(#[case] expected: &str, #[case] make: fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    make(&path);
    match Store::open(&path) {
        Err(StoreError::NotAFile { kind, .. }) => assert_eq!(kind, expected),
        opened => panic!("{opened:?}"),
    }
}

#[tokio::test]
async fn corrupt_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(&path, "no database at all, but long enough to be one".repeat(100)).unwrap();
    let opened = Store::open(&path).unwrap();
    assert_eq!(opened.notices.len(), 1, "{:?}", opened.notices);
    let aside = set_aside::all(&path);
    assert_eq!(aside.len(), 1);
    assert!(opened.notices[0].contains(aside[0].to_str().unwrap()), "{:?}", opened.notices);
    assert!(fs::read_to_string(&aside[0]).unwrap().starts_with("no database"));
    opened.store.create_session(NewSession::default()).await.unwrap();
}

#[tokio::test]
async fn corruption_found_in_use_is_set_aside_at_next_start() {
    let bench = Bench::new();
    let (session, owner) = (bench.session().await, bench.owner());
    let turn = bench.store.begin_turn(&session, &owner, user("go")).await.unwrap();
    let long = vec![Change::message(assistant(&"word ".repeat(100_000)))];
    bench.store.step(turn, long).await.unwrap();
    let (path, Bench { folder, store }) = (bench.path(), bench);
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    // The first pages hold the schema, which is read when the database is opened.
    bytes[40 * 4096..].fill(0xAA);
    fs::write(&path, bytes).unwrap();
    let Opened { store, notices } = Store::open(&path).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let used = store.messages(&session, 0, 100).await;
    assert!(matches!(used, Err(StoreError::Corrupt { .. })), "{used:?}");
    let beside = Store::open(&path).unwrap();
    assert_eq!(beside.notices, Vec::<String>::new(), "a database in use was set aside");
    drop((store, beside));
    let opened = Store::open(&path).unwrap();
    assert_eq!(opened.notices.len(), 1);
    assert_eq!(set_aside::all(&path).len(), 1);
    drop((opened, folder));
}

#[tokio::test]
async fn broken_search_index_is_made_again() {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.store.queue_input(&session, user("findable")).await.unwrap();
    bench.store.take_inputs(&session).await.unwrap();
    let spoil = |transaction: &rusqlite::Transaction<'_>| {
        Ok(transaction.execute("UPDATE messages_fts_data SET block = zeroblob(9) WHERE id > 10", [])?)
    };
    bench.store.write("spoil the index", spoil).await.unwrap();
    let bench = bench.reopen();
    let searched = bench.store.search("findable", 10).await;
    assert!(matches!(searched, Err(StoreError::Corrupt { .. })), "{searched:?}");
    let bench = bench.reopen();
    assert_eq!(bench.store.search("findable", 10).await.unwrap().len(), 1);
    assert_eq!(set_aside::all(&bench.path()), Vec::<PathBuf>::new());
}

#[test]
fn newer_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    assert_eq!(set_aside::all(&path), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn log_of_a_killed_process_is_used() {
    let bench = Bench::new();
    let session = bench.session().await;
    let copy = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let name = format!("{FILE}{end}");
        fs::copy(bench.folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    let opened = Store::open(&copy.path().join(FILE)).unwrap();
    assert_eq!(opened.notices, Vec::<String>::new());
    assert!(opened.store.session(&session).await.unwrap().is_some());
}

#[rstest]
#[case::short("short".to_owned(), true)]
#[case::long("word ".repeat(100_000), false)]
#[tokio::test]
async fn a_short_log_stays_behind_the_last_connection(#[case] text: String, #[case] stays: bool) {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.store.queue_input(&session, user(&text)).await.unwrap();
    bench.store.take_inputs(&session).await.unwrap();
    let (log, lock) = (format!("{FILE}-wal"), format!("{FILE}.lock"));
    let size = |folder: &Path, name: &str| fs::metadata(folder.join(name)).map_or(0, |found| found.len());
    assert_eq!(size(bench.folder.path(), &lock), 1, "the mark of a use");
    let (path, Bench { folder, store }) = (bench.path(), bench);
    drop(store);
    assert_eq!(size(folder.path(), &log) > 0, stays);
    assert_eq!(size(folder.path(), &lock), 0, "no process uses it");
    let Opened { store, .. } = Store::open(&path).unwrap();
    assert_eq!(store.messages(&session, 0, 10).await.unwrap().len(), 1);
}

#[rstest]
#[case::killed("1", 1)]
#[case::ended("", 0)]
#[tokio::test]
async fn the_database_of_a_killed_process_is_checked(#[case] mark: &str, #[case] set_aside: usize) {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.store.queue_input(&session, user(&"word ".repeat(100_000))).await.unwrap();
    bench.store.take_inputs(&session).await.unwrap();
    let (path, Bench { folder, store }) = (bench.path(), bench);
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40 * 4096..].fill(0xAA);
    fs::write(&path, bytes).unwrap();
    fs::write(folder.path().join(format!("{FILE}.lock")), mark).unwrap();
    let opened = Store::open(&path).unwrap();
    assert_eq!(set_aside::all(&path).len(), set_aside, "{:?}", opened.notices);
}

/// Unpacks a file of a profile of hermes-agent 0.19.
fn unpack(name: &str, to: &Path) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(format!("hermes-agent-0.19-{name}.gz"));
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    fs::write(to, bytes).unwrap();
}

#[tokio::test]
async fn sessions_of_the_python_program_are_imported_once() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("state.db");
    unpack("coder-state.db", &old);
    unpack("coder-state.db-wal", &folder.path().join("state.db-wal"));
    let before = fs::read(&old).unwrap();
    let opened = Store::open(&folder.path().join(FILE)).unwrap();
    let notice = format!("Imported 1 session (3 messages) from {}, which is unchanged.", old.display());
    assert_eq!(opened.notices, [notice]);
    // The last one lies in the log alone.
    for text in ["Who are you?", "answer-13", "This line lies in the write-ahead log."] {
        assert_eq!(opened.store.search(text, 10).await.unwrap().len(), 1, "{text}");
    }
    let session = opened.store.session(&"20261128_065916_b9809d".into()).await.unwrap().unwrap();
    assert_eq!((session.source.as_str(), session.model.as_str()), ("cli", "test-model"));
    assert_eq!((session.usage.input, session.usage.output, session.created_at), (10, 5, 1_795_849_160_945));
    assert!(session.system[0].starts_with("You are Hermes Agent"), "{:?}", session.system);
    assert_eq!(opened.store.delete(&session.id).await.map_err(|error| error.to_string()), Ok(()));
    drop(opened);
    let again = Store::open(&folder.path().join(FILE)).unwrap();
    assert_eq!(again.notices, Vec::<String>::new());
    assert_eq!(again.store.list(Filter::default()).await.unwrap(), []);
    assert_eq!(fs::read(&old).unwrap(), before);
    assert_eq!(again.store.import(&old).await.unwrap(), Imported::default());
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".import")).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
}

#[tokio::test]
async fn imported_calls_have_their_results() {
    let folder = tempfile::tempdir().unwrap();
    unpack("state.db", &folder.path().join("state.db"));
    let Opened { store, .. } = Store::open(&folder.path().join(FILE)).unwrap();
    let conversation = store.conversation(&"20261128_065853_6f35ac".into()).await.unwrap();
    let roles: Vec<_> = conversation.iter().map(|stored| stored.message.role).collect();
    assert_eq!(
        roles,
        [Role::User, Role::Assistant, Role::Tool, Role::Assistant, Role::User, Role::Assistant]
    );
    let call = conversation[1].message.calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.name.as_str()), ("call_2", "memory"));
    let Block::ToolResult(result) = &conversation[2].message.blocks[0] else { panic!("{conversation:?}") };
    assert!(result.content.contains("Entry added."), "{result:?}");
    for query in ["Möhrchen 🐈, 猫", "favourite col", "list.txt", "fail please"] {
        assert!(!store.search(query, 10).await.unwrap().is_empty(), "{query}");
    }
}

#[tokio::test]
async fn later_schema_without_a_column_of_prompts_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join("state.db")).unwrap();
    old.execute_batch(
        "CREATE TABLE system_prompts (hash TEXT PRIMARY KEY, prompt TEXT);
         CREATE TABLE sessions (id TEXT, source, title TEXT, system_prompt_hash TEXT, started_at REAL, later INTEGER);
         CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id TEXT, role TEXT, content, timestamp, active, compacted);
         INSERT INTO system_prompts VALUES ('h', 'the prompt');
         INSERT INTO sessions VALUES ('one', 5, 'same', 'h', 2.5, 1), ('two', NULL, 'same', 'x', 'never', 2), (NULL, 1, 1, 1, 1, 1);
         INSERT INTO messages VALUES (1, 'one', 'user', 'summarised', 1.0, 0, 1), (2, 'one', 'user', x'ff00', 'soon', 1, 0),
            (3, 'one', 'user', 'undone', 1.0, 0, 0), (4, 'one', 'ghost', 'boo', 1.0, 1, 0), (5, NULL, 'user', 'x', 1, 1, 1);",
    )
    .unwrap();
    drop(old);
    let Opened { store, notices } = Store::open(&folder.path().join(FILE)).unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_eq!(notices[1], "Left out 1 message of session one in an unknown form.");
    let one = store.session(&"one".into()).await.unwrap().unwrap();
    assert_eq!((one.system, one.source, one.created_at), (vec!["the prompt".to_owned()], "5".into(), 2500));
    let two = store.session(&"two".into()).await.unwrap().unwrap();
    assert_eq!((two.title.as_deref(), two.source.as_str()), (Some("same (two)"), "unknown"));
    assert_eq!(store.conversation(&"one".into()).await.unwrap().len(), 1);
    let hidden = store.messages(&"one".into(), 0, 10).await.unwrap();
    let hidden: Vec<_> = hidden.iter().map(|stored| stored.hidden).collect();
    assert_eq!(hidden, [Some(Hidden::Compacted), None, Some(Hidden::Undone)]);
}

#[rstest]
#[case::not_a_database("no database, just a text that somebody put there", "failed to read the sessions")]
#[case::empty("", "it has no tables")]
#[tokio::test]
async fn unreadable_old_database_is_a_notice(#[case] content: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state.db"), content.repeat(40)).unwrap();
    let Opened { store, notices } = Store::open(&folder.path().join(FILE)).unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains(expected), "{notices:?}");
    drop(store);
    let again = Store::open(&folder.path().join(FILE)).unwrap();
    assert_eq!(again.notices, Vec::<String>::new(), "it was reported before");
}

#[tokio::test]
async fn damaged_old_database_causes_no_panic_and_no_damage() {
    let source = tempfile::tempdir().unwrap();
    let whole = source.path().join("whole");
    unpack("state.db", &whole);
    let whole = fs::read(&whole).unwrap();
    for page in 0..whole.len() / 4096 {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[page * 4096 + 100..(page + 1) * 4096].fill(0x5A);
        fs::write(folder.path().join("state.db"), bytes).unwrap();
        let Opened { store, .. } = Store::open(&folder.path().join(FILE)).unwrap();
        store.create_session(NewSession::default()).await.unwrap();
        drop(store);
        assert_eq!(
            Store::open(&folder.path().join(FILE)).unwrap().notices,
            Vec::<String>::new(),
            "page {page}"
        );
    }
}

#[tokio::test]
async fn view_instead_of_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join("state.db")).unwrap();
    old.execute_batch(
        "CREATE TABLE messages (session_id, role);
         CREATE VIEW sessions AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n;",
    )
    .unwrap();
    drop(old);
    let opened = Store::open(&folder.path().join(FILE)).unwrap();
    assert!(opened.notices[0].contains("it has no tables"), "{:?}", opened.notices);
}
