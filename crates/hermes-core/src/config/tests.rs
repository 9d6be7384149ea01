//! Tests of `config`: reading, changing and refusing documents.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use hermes_os::whole_file::WriteError;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const FROM_PYTHON: &str = include_str!("../../testdata/hermes-agent-0.19-config.yaml");

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

#[track_caller]
fn parse(yaml: &str) -> Config {
    Config::parse(yaml).unwrap()
}

#[track_caller]
fn set(yaml: &str, name: &str, value: &str) -> String {
    let mut config = parse(yaml);
    config.set(&key(name), value).unwrap();
    config.text().to_owned()
}

#[test]
fn the_python_file_is_read_and_gets_a_port() {
    let config = parse(FROM_PYTHON);
    assert_eq!(config.get(&key("model.default")).unwrap().text(), Some("test/model"));
    assert_eq!(
        set(FROM_PYTHON, "gateway.port", "9300"),
        "model:\n  default: test/model\ngateway:\n  port: 9300\n"
    );
}

#[test]
fn values_are_found_with_their_types() {
    let config = parse("a: 1\nb:\n  c: 'x y'\n  d: [true, {e: ~}]\n\"f.g\": |\n  two\n  lines\n5: five\n");
    let json = |name: &str| config.get(&key(name)).map(|setting| setting.json());
    assert_eq!(json("a"), Some(json!(1)));
    assert_eq!(json("b.c"), Some(json!("x y")));
    assert_eq!(json("b.d"), Some(json!([true, {"e": null}])));
    assert_eq!(json("b.d.1.e"), Some(Value::Null));
    assert_eq!(json("\"f.g\""), Some(json!("two\nlines\n")));
    assert_eq!(json("5"), Some(json!("five")));
    for missing in ["x", "a.b", "b.d.2", "b.d.x", "b.c.0", "f.g"] {
        assert!(json(missing).is_none(), "{missing}");
    }
    assert_eq!(config.get(&key("b.d.1.e")).unwrap().line(), 4);
}

#[test]
fn the_list_has_every_value_in_file_order() {
    let config = parse("b: 1\na:\n  y: [p, q]\n  x: {}\n\"f.g\": ~\nz: []\n");
    let list: Vec<_> =
        config.list().iter().map(|(key, setting)| format!("{key}={}", setting.json())).collect();
    assert_eq!(list, ["b=1", r#"a.y.0="p""#, r#"a.y.1="q""#, "a.x={}", "\"f.g\"=null", "z=[]"]);
    assert!(parse("").list().is_empty());
    assert!(parse("# nothing\n").list().is_empty());
}

const COMMENTED: &str = "\
# What this is.
model:   # which
  default: old/model   # was better
  'max tokens': 4096

# The gateway.
gateway:
    port: 9300
    # no host yet

    # the end of it
tools: [a, b] # some
last: \"x\"
# The end.
";

#[rstest]
#[case("model.default", "new/model", "  default: old/model   # was", "  default: new/model   # was")]
#[case("model.\"max tokens\"", "1", "tokens': 4096", "tokens': 1")]
#[case("gateway.port", "1", "port: 9300", "port: 1")]
#[case("gateway.host", "0.0.0.0", "    port: 9300\n", "    port: 9300\n    host: 0.0.0.0\n")]
#[case("tools.1", "c", "[a, b]", "[a, c]")]
#[case("last", "a: b", "\"x\"", "\"a: b\"")]
#[case("new", "1", "last: \"x\"\n", "last: \"x\"\nnew: 1\n")]
#[case("model.a.b", "1", "4096\n", "4096\n  a:\n    b: 1\n")]
fn a_change_touches_only_its_value(
    #[case] name: &str,
    #[case] value: &str,
    #[case] old: &str,
    #[case] new: &str,
) {
    assert_eq!(COMMENTED.matches(old).count(), 1, "the test replaces one place");
    assert_eq!(set(COMMENTED, name, value), COMMENTED.replace(old, new));
}

#[rstest]
#[case::nothing("", "a", "1", "a: 1\n")]
#[case::nested("", "a.b.c", "1", "a:\n  b:\n    c: 1\n")]
#[case::comment("# x", "a", "1", "# x\na: 1\n")]
#[case::marker("---\n", "a", "1", "---\na: 1\n")]
#[case::no_newline("a: 1", "b", "2", "a: 1\nb: 2")]
#[case::crlf("a: 1\r\nb:\r\n  c: 2\r\n", "b.d", "3", "a: 1\r\nb:\r\n  c: 2\r\n  d: 3\r\n")]
#[case::bom("\u{feff}a: 1\n", "a", "2", "\u{feff}a: 2\n")]
#[case::empty_value("a:  # x\nb: 2\n", "a", "1", "a: 1  # x\nb: 2\n")]
#[case::empty_mapping("a:  # x\nb: 2\n", "a.c", "1", "a:  # x\n  c: 1\nb: 2\n")]
#[case::empty_last("a:\n  b:\n", "a.c", "1", "a:\n  b:\n  c: 1\n")]
#[case::flow("a: {b: 1}\n", "a.c", "2", "a: {b: 1, c: 2}\n")]
#[case::flow_empty("a: {}\n", "a.c.d", "2", "a: {c: {d: 2}}\n")]
#[case::flow_comma("a: {b: 1, }\n", "a.c", "2", "a: {b: 1, c: 2 }\n")]
#[case::flow_root("{}", "a", "2", "{a: 2}")]
#[case::flow_value("a: {b: }\n", "a.b.c", "2", "a: {b: {c: 2} }\n")]
#[case::in_a_list("a:\n  - b: 1\n  - b: 2\n", "a.0.c", "3", "a:\n  - b: 1\n    c: 3\n  - b: 2\n")]
#[case::after_a_list("a:\n- 1\n- 2\n", "b", "3", "a:\n- 1\n- 2\nb: 3\n")]
#[case::after_a_block(
    "a:\n  b: |\n    x\n    y\n\nz: 1\n",
    "a.c",
    "3",
    "a:\n  b: |\n    x\n    y\n  c: 3\n\nz: 1\n"
)]
#[case::after_long_plain("a:\n  b: x\n    y\nz: 1\n", "a.c", "3", "a:\n  b: x\n    y\n  c: 3\nz: 1\n")]
#[case::long_plain("a: x\n  y  # z\nb: 1\n", "a", "3", "a: 3  # z\nb: 1\n")]
#[case::quoted("a: 'it''s'\n", "a", "3", "a: 3\n")]
#[case::anchor_without_alias("a: &x 1\nb: 2\n", "a", "3", "a: 3\nb: 2\n")]
#[case::tag("a: !!str 1\nb: 2\n", "a", "3", "a: 3\nb: 2\n")]
#[case::not_ascii("ä: ö # ü\nß: 'é'\n", "ß", "ñ", "ä: ö # ü\nß: ñ\n")]
#[case::not_ascii_new("ä: ö # ü\n", "ß.é", "ñ", "ä: ö # ü\nß:\n  é: ñ\n")]
#[case::twice("a: 1\na: 2\n", "a", "3", "a: 1\na: 3\n")]
#[case::number_as_name("a: 1\n", "b.5", "x", "a: 1\nb:\n  \"5\": x\n")]
#[case::indent_at_root("  a: 1\n", "b", "2", "  a: 1\n  b: 2\n")]
#[case::text_that_was_quoted("a: \"5\"\n", "a", "5", "a: 5\n")]
#[case::end_marker("a: 1\n...\n", "b", "2", "a: 1\nb: 2\n...\n")]
fn every_form_of_value_can_be_set(
    #[case] yaml: &str,
    #[case] name: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    assert_eq!(set(yaml, name, value), expected);
}

#[test]
fn any_value_that_is_set_is_read_back() {
    for value in [
        "",
        " ",
        "x",
        "#x",
        "a: b",
        "- x",
        "*x",
        "&x",
        "!x",
        "|",
        ">",
        "%x",
        "@x",
        "`",
        "'",
        "\"",
        "\\",
        "{",
        "[",
        "a\nb",
        "\t",
        "~",
        "yes",
        "null",
        "1e3",
        "0x10",
        "ü",
        "🦀",
        "\u{85}\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "---",
        "...",
        "? a",
    ] {
        for yaml in ["a: 1\n", "", "a: {b: 2}\n", "x: [1]\na:\n"] {
            for name in ["a", "n.m"] {
                let mut config = parse(yaml);
                match config.set(&key(name), value) {
                    Ok(()) => assert_eq!(
                        config.get(&key(name)).unwrap().text(),
                        Some(value),
                        "{yaml:?} {name} {value:?}"
                    ),
                    Err(error) => assert!(
                        matches!(error, SetError::Collection { .. }),
                        "{yaml:?} {name} {value:?}: {error}"
                    ),
                }
            }
        }
    }
}

#[rstest]
#[case("a: 1\n", "a.b", "a is no mapping, so nothing can be set in it")]
#[case("a: [1]\n", "a.b", "a is no mapping, so nothing can be set in it")]
#[case("- 1\n", "a", "the whole is no mapping, so nothing can be set in it")]
#[case("a: {b: 1}\n", "a", "a holds more than one value; edit the file to replace it")]
#[case("a: [1]\n", "a", "a holds more than one value; edit the file to replace it")]
#[case("a: &x 1\nb: *x\n", "a", "a cannot be set without changing something else; edit the file")]
#[case("a: &x 1\nb: *x\n", "b", "b cannot be set without changing something else; edit the file")]
#[case("a: &x {c: 1}\nb: *x\n", "b.c", "b.c cannot be set without changing something else; edit the file")]
#[case("a: &x {c: 1}\nb: *x\n", "b.d", "b.d cannot be set without changing something else; edit the file")]
fn an_impossible_change_is_refused_without_effect(
    #[case] yaml: &str,
    #[case] name: &str,
    #[case] expected: &str,
) {
    let mut config = parse(yaml);
    assert_eq!(config.set(&key(name), "2").unwrap_err().to_string(), expected);
    assert_eq!(config.text(), yaml);
}

#[rstest]
#[case("a: 1\nb: [1, 2\nc: 3\n", 3)]
#[case("a: 1\n  b: 2\n", 2)]
#[case("a: \"x\n", 1)]
#[case("a: 1\nb:\n\tc: 1\n", 3)]
#[case("a: *unknown\n", 1)]
#[case("a: 1\n---\nb: 2\n", 3)]
#[case("a: &x [*x]\n", 1)]
fn a_syntax_error_names_line_and_column(#[case] yaml: &str, #[case] line: usize) {
    let error = Config::parse(yaml).unwrap_err();
    assert_eq!(error.line, line, "{error}");
    assert!(error.column >= 1);
    assert!(error.to_string().starts_with(&format!("line {line}, column {}: ", error.column)), "{error}");
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        yaml += &format!("a{level}: &a{level} [{}]\n", [before.as_str(); 9].join(", "));
    }
    assert!(Config::parse(yaml).unwrap_err().what.contains("too much"));
    assert!(Config::parse("[".repeat(100_000)).is_err());
    assert!(Config::parse("- ".repeat(100_000)).is_err());
    assert!(Config::parse("{a: ".repeat(10_000)).is_err());
}

#[test]
fn a_broken_file_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    for bytes in [&b"a: [1\nb: 2\n"[..], b"a: 1\nb: \xff\n", b"\xff\xfea\0:\0"] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(load(&path).unwrap_err(), ConfigFileError::Parse { .. }));
        let error = change(&path, |config| config.set(&key("a"), "1")).unwrap_err();
        assert!(matches!(error, ConfigFileError::Parse { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    let ConfigFileError::Parse { source, .. } = load(&path).unwrap_err() else { panic!() };
    assert_eq!(source.to_string(), "line 2, column 4: this is not UTF-8");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(load(&path).unwrap_err(), ConfigFileError::Read(_)));
}

#[test]
fn a_change_creates_a_file_and_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    assert!(load(&path).unwrap().is_none());
    change(&path, |config| config.set(&key("gateway.port"), "9300")).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    change(&path, |config| config.set(&key("gateway.port"), "9301")).unwrap();
    assert_eq!(mode(), 0o640);
    assert_eq!(fs::read_to_string(&path).unwrap(), "version: 1\ngateway:\n  port: 9301\n");
}

#[test]
fn a_symlink_is_read_and_never_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("config.yaml"), folder.path().join("target"));
    fs::write(&target, "a: 1\n").unwrap();
    symlink(&target, &path).unwrap();
    assert_eq!(load(&path).unwrap().unwrap().to_json(), json!({"a": 1}));
    let error = change(&path, |config| config.set(&key("a"), "2")).unwrap_err();
    assert!(matches!(error, ConfigFileError::Write { source: WriteError::NotAFile { .. }, .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "a: 1\n");
}

#[test]
fn concurrent_changes_lose_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..10 {
                    change(path, |config| config.set(&key(&format!("t{thread}.r{round}")), "1")).unwrap();
                }
            });
        }
    });
    assert_eq!(load(&path).unwrap().unwrap().list().len(), 41, "the version is one, too");
}
