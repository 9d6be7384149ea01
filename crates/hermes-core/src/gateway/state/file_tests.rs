//! Tests of the state file with any bytes, any kind of file and two writers.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::super::{BootAction, KIND, ObservedState, Recorded, action_at_boot};
use super::*;

const FROM_PYTHON: &[u8] = include_bytes!("../../../testdata/hermes-agent-0.19-gateway_state.json");

fn state_file() -> (tempfile::TempDir, StateFile) {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::at(folder.path().join("gateway_state.json"));
    (folder, file)
}

fn observation(state: ObservedState) -> Observation {
    Observation {
        state,
        pid: 42,
        start_time: 1234,
        argv: vec!["/opt/hermes/bin/hermes".into(), "gateway".into(), "run".into()],
        exit_reason: None,
        restart_requested: false,
        active_agents: 0,
        platforms: Map::new(),
    }
}

fn json_in(file: &StateFile) -> Value {
    serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap()
}

#[track_caller]
fn unusable(file: &StateFile) -> Unusable {
    match file.read() {
        StateRead::Unusable(unusable) => unusable,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_python_file_is_read_as_it_is() {
    let (_folder, file) = state_file();
    fs::write(file.path(), FROM_PYTHON).unwrap();
    let read = file.read();
    assert_eq!(action_at_boot(&read), BootAction::Start);
    let StateRead::Read(state) = read else { panic!("{read:?}") };
    assert_eq!(state.desired(), Recorded::Absent);
    assert_eq!(state.observed(), Recorded::Known(ObservedState::Running));
    assert_eq!((state.pid(), state.start_time(), state.kind()), (Some(18680), Some(360_784), Some(KIND)));
    assert_eq!(state.argv().unwrap(), ["/opt/hermes/.venv/bin/hermes", "gateway", "run"]);
    assert_eq!(state.exit_reason(), None);
    assert!(!state.restart_requested());
    assert_eq!(state.active_agents(), Some(0));
    assert!(state.platforms().unwrap().is_empty());
    assert_eq!(state.updated_at(), Some("2026-11-22T23:50:35.958032+00:00"));

    file.set_desired(DesiredState::Stopped).unwrap();
    let mut expected: Value = serde_json::from_slice(FROM_PYTHON).unwrap();
    expected["desired_state"] = json!("stopped");
    assert_eq!(json_in(&file), expected);
}

#[test]
fn either_writer_creates_a_missing_file() {
    let (_folder, file) = state_file();
    assert!(matches!(file.read(), StateRead::Missing));
    file.set_desired(DesiredState::Running).unwrap();
    assert_eq!(fs::read(file.path()).unwrap(), b"{\"desired_state\":\"running\"}\n");
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    file.record(UNIX_EPOCH, |desired| {
        assert_eq!(desired, Some(DesiredState::Running));
        observation(ObservedState::Starting)
    })
    .unwrap();
    assert_eq!(
        json_in(&file),
        json!({
            "desired_state": "running", "gateway_state": "starting", "pid": 42, "start_time": 1234, "kind": "hermes-gateway",
            "argv": ["/opt/hermes/bin/hermes", "gateway", "run"], "exit_reason": null, "restart_requested": false,
            "active_agents": 0, "platforms": {}, "updated_at": "1970-01-01T00:00:00.000000Z",
        })
    );
}

#[test]
fn both_writers_keep_unknown_fields() {
    let (_folder, file) = state_file();
    fs::write(file.path(), r#"{"from_the_future":{"a":[1,2.5,null,"ü"]},"pid":7}"#).unwrap();
    file.set_desired(DesiredState::Running).unwrap();
    file.record(UNIX_EPOCH, |_| observation(ObservedState::Running)).unwrap();
    assert_eq!(json_in(&file)["from_the_future"], json!({"a": [1, 2.5, null, "ü"]}));
    assert_eq!(json_in(&file)["pid"], 42);
}

#[test]
fn an_unchanged_desired_state_is_not_written() {
    let (_folder, file) = state_file();
    file.set_desired(DesiredState::Running).unwrap();
    // Kept open, so that its inode number is not reused.
    let before = fs::File::open(file.path()).unwrap();
    file.set_desired(DesiredState::Running).unwrap();
    assert_eq!(fs::metadata(file.path()).unwrap().ino(), before.metadata().unwrap().ino());
    file.set_desired(DesiredState::Stopped).unwrap();
    assert_ne!(fs::metadata(file.path()).unwrap().ino(), before.metadata().unwrap().ino());
}

#[test]
fn concurrent_writers_keep_each_others_fields() {
    let (_folder, file) = state_file();
    file.set_desired(DesiredState::Stopped).unwrap();
    std::thread::scope(|scope| {
        let operator = scope.spawn(|| {
            for round in 0..200 {
                let desired = if round % 2 == 0 { DesiredState::Running } else { DesiredState::Stopped };
                file.set_desired(desired).unwrap();
                let StateRead::Read(state) = file.read() else { panic!("a reader sees whole files") };
                assert_eq!(state.desired(), Recorded::Known(desired), "round {round}");
            }
        });
        for round in 0..200 {
            let mut seen = observation(ObservedState::Running);
            seen.active_agents = round;
            file.record(UNIX_EPOCH, |_| seen).unwrap();
            let StateRead::Read(state) = file.read() else { panic!("a reader sees whole files") };
            assert_eq!(state.active_agents(), Some(round));
        }
        operator.join().unwrap();
    });
}

#[rstest]
#[case::empty(b"", "it is empty")]
#[case::blank(b" \n", "it is no JSON")]
#[case::half(b"{\"desired_state\":\"runn", "it is no JSON")]
#[case::array(b"[]", "it holds an array where an object belongs")]
#[case::null(b"null", "it holds null where an object belongs")]
#[case::number(b"7", "it holds a number where an object belongs")]
#[case::string(b"\"running\"", "it holds a string where an object belongs")]
#[case::boolean(b"true", "it holds a boolean where an object belongs")]
#[case::utf16(b"\xff\xfe{\0\"\0a\0\"\0:\x001\0}\0", "it is no JSON")]
#[case::latin1(b"{\"a\":\"\xe4\"}", "it is no JSON")]
#[case::nul(b"\0\0\0\0", "it is no JSON")]
#[case::two(b"{}{}", "it is no JSON")]
fn malformed_files_are_reported_and_replaced(#[case] bytes: &[u8], #[case] expected: &str) {
    let (_folder, file) = state_file();
    fs::write(file.path(), bytes).unwrap();
    assert_eq!(unusable(&file).to_string(), expected);
    assert_eq!(action_at_boot(&file.read()), BootAction::Register);
    file.set_desired(DesiredState::Running).unwrap();
    assert_eq!(json_in(&file), json!({"desired_state": "running"}));
}

#[test]
fn deeply_nested_json_does_not_overflow_the_stack() {
    let (_folder, file) = state_file();
    fs::write(file.path(), "[".repeat(STATE_FILE_MAX)).unwrap();
    assert!(matches!(unusable(&file), Unusable::NotJson(_)));
    fs::write(file.path(), "{\"a\":".repeat(100_000)).unwrap();
    assert!(matches!(unusable(&file), Unusable::NotJson(_)));
}

#[test]
fn a_huge_file_is_refused_without_reading_it_all() {
    let (_folder, file) = state_file();
    fs::File::create(file.path()).unwrap().set_len(100 << 20).unwrap();
    assert!(matches!(unusable(&file), Unusable::TooLarge));
    file.set_desired(DesiredState::Running).unwrap();
    assert_eq!(json_in(&file), json!({"desired_state": "running"}));
}

#[rstest]
#[case(FIRST_READ - 1)]
#[case(FIRST_READ)]
#[case(FIRST_READ + 1)]
#[case(4 * FIRST_READ)]
#[case(STATE_FILE_MAX)]
fn a_long_state_is_read_to_its_end(#[case] length: usize) {
    let (_folder, file) = state_file();
    let frame = r#"{"desired_state":"running","x":""}"#.len();
    fs::write(file.path(), format!(r#"{{"desired_state":"running","x":"{}"}}"#, "a".repeat(length - frame)))
        .unwrap();
    assert_eq!(fs::metadata(file.path()).unwrap().len(), length as u64);
    assert_eq!(action_at_boot(&file.read()), BootAction::Start);
    fs::write(file.path(), format!(r#"{{"x":"{}"}}"#, "a".repeat(STATE_FILE_MAX))).unwrap();
    assert!(matches!(unusable(&file), Unusable::TooLarge));
}

#[test]
fn other_kinds_of_files_are_never_replaced() {
    let (folder, file) = state_file();
    let refused = |kind: &str| {
        assert_eq!(unusable(&file).to_string(), format!("it is a {kind}, not a file"));
        assert_eq!(action_at_boot(&file.read()), BootAction::Register);
        let error = file.set_desired(DesiredState::Running).unwrap_err();
        assert!(matches!(error, StateFileError::Unusable { source: Unusable::NotAFile(_), .. }), "{error:?}");
    };
    fs::create_dir(file.path()).unwrap();
    refused("directory");
    fs::remove_dir(file.path()).unwrap();

    rustix::fs::mknodat(rustix::fs::CWD, file.path(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    refused("FIFO");
    let _both_ends = fs::OpenOptions::new().read(true).write(true).open(file.path()).unwrap();
    refused("FIFO");
    fs::remove_file(file.path()).unwrap();

    let listener = UnixListener::bind(file.path()).unwrap();
    refused("socket");
    drop(listener);
    fs::remove_file(file.path()).unwrap();

    let precious = folder.path().join("precious");
    fs::write(&precious, r#"{"desired_state":"running"}"#).unwrap();
    symlink(&precious, file.path()).unwrap();
    refused("symlink");
}

#[test]
fn an_unreadable_file_is_never_replaced() {
    let (folder, _) = state_file();
    // Root can read every file. A parent that is a file fails for root too.
    fs::write(folder.path().join("parent"), "").unwrap();
    let file = StateFile::at(folder.path().join("parent/gateway_state.json"));
    assert!(matches!(unusable(&file), Unusable::Unreadable(_)));
    assert!(!unusable(&file).can_be_replaced());
    assert_eq!(action_at_boot(&file.read()), BootAction::Register);
    assert!(matches!(file.set_desired(DesiredState::Running).unwrap_err(), StateFileError::Lock { .. }));
}

#[test]
fn the_directory_of_a_deleted_profile_is_not_recreated() {
    let (folder, _) = state_file();
    let file = StateFile::at(folder.path().join("gone/gateway_state.json"));
    let error = file.record(UNIX_EPOCH, |_| observation(ObservedState::Running)).unwrap_err();
    assert!(
        matches!(&error, StateFileError::Lock { source, .. } if source.kind() == io::ErrorKind::NotFound),
        "{error:?}"
    );
    assert!(!folder.path().join("gone").exists());
}

#[test]
fn a_lock_that_is_a_symlink_is_refused() {
    let (folder, file) = state_file();
    symlink(folder.path().join("precious"), file.lock_path()).unwrap();
    assert!(matches!(file.set_desired(DesiredState::Running).unwrap_err(), StateFileError::Lock { .. }));
    assert!(!folder.path().join("precious").exists());
}

#[test]
fn the_lock_file_of_a_dead_process_does_not_block() {
    let (_folder, file) = state_file();
    fs::write(file.lock_path(), "42\n").unwrap();
    file.set_desired(DesiredState::Running).unwrap();
}

/// Generates objects with the fields of a state file and values of any type, and other JSON.
fn state_like() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        "\\PC{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just("\"running\"".to_owned()),
        Just("\"stopped\"".to_owned()),
        Just("[1, {\"a\": []}]".to_owned()),
        Just("1e999".to_owned()),
        Just("[".repeat(500)),
    ];
    let name = "desired_state|gateway_state|pid|start_time|kind|argv|exit_reason|restart_requested|active_agents|platforms|updated_at|x";
    prop::collection::vec((name, value), 0..8).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    })
}

proptest! {
    #[test]
    fn any_state_file_accepts_a_desired_state(
        text in state_like(), noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        for bytes in [text.as_bytes(), &noise] {
            let folder = tempfile::tempdir().unwrap();
            let file = StateFile::at(folder.path().join("gateway_state.json"));
            std::fs::write(file.path(), bytes).unwrap();
            let before = file.read();
            if let StateRead::Read(state) = &before {
                prop_assert_eq!(&parse(&state.to_json()).unwrap(), state);
                let _ = (state.observed(), state.pid(), state.start_time(), state.argv(), state.platforms());
            }
            match file.set_desired(DesiredState::Running) {
                Ok(()) => match file.read() {
                    StateRead::Read(state) => {
                        prop_assert_eq!(state.desired().known(), Some(DesiredState::Running));
                    }
                    other => prop_assert!(false, "{other:?}"),
                },
                Err(_) => prop_assert_eq!(std::fs::read(file.path()).unwrap(), bytes),
            }
        }
    }
}
