//! Tests of the parser of `.env`: golden cases of python-dotenv, faults, and properties.

use std::fs;

use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    text: String,
    variables: Vec<(String, String)>,
    faults: Vec<usize>,
}

/// The data are the results of python-dotenv 1.2.4, with files that its `set_key` wrote among them.
#[test]
fn golden_files_parse_as_in_python_dotenv() {
    let golden: Golden = serde_json::from_str(include_str!("../../testdata/python-dotenv.json")).unwrap();
    assert!(golden.cases.len() > 200);
    for case in golden.cases {
        let found = parse(case.text.as_bytes());
        assert_eq!(found.variables, case.variables, "{:?}", case.text);
        // For python-dotenv, a name without a value is no fault and sets no variable.
        let faults =
            found.faults.iter().filter(|found| !matches!(found.fault, Fault::NoEquals | Fault::NotExpanded));
        assert_eq!(faults.map(|found| found.line).collect::<Vec<_>>(), case.faults, "{:?}", case.text);
    }
}

#[rstest]
#[case("SECRET", Fault::NoEquals)]
#[case("SE CRET=x", Fault::BadName)]
#[case("=SECRET", Fault::BadName)]
#[case("A=\"SECRET", Fault::OpenQuote)]
#[case("A='SECRET\\'", Fault::OpenQuote)]
#[case("A='x' SECRET", Fault::AfterQuote)]
#[case("A=SECRET\0", Fault::Nul)]
fn a_faulty_line_is_skipped_without_showing_its_secret(#[case] line: &str, #[case] fault: Fault) {
    let found = parse(format!("# a\nX='1\n2'\n\n{line}\nB=c\n").as_bytes());
    assert_eq!(found.faults, [LineError { line: 5, fault }]);
    assert_eq!((found.get("X"), found.get("B"), found.variables.len()), (Some("1\n2"), Some("c"), 2));
    assert!(!found.faults[0].to_string().contains("SECRET"), "{found:?}");
}

#[test]
fn a_line_that_is_not_utf8_is_skipped_alone() {
    let found = parse(b"A=1\nB=\xff\nC='x\n\xfe'\nD=\xef\xbf\xbd\n");
    let fault = Fault::NotUtf8;
    assert_eq!(found.faults, [LineError { line: 2, fault }, LineError { line: 3, fault }]);
    assert_eq!((found.get("A"), found.get("D"), found.variables.len()), (Some("1"), Some("\u{fffd}"), 2));
}

#[test]
fn references_are_kept_and_reported() {
    let found = parse(b"A=1\nB=${A}/x\nC=${\n");
    assert_eq!(found.get("B"), Some("${A}/x"));
    assert_eq!(found.faults, [LineError { line: 2, fault: Fault::NotExpanded }]);
}

#[test]
fn the_last_value_of_a_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    assert!(load(&path).unwrap().is_none());
    fs::write(&path, "B=1\n\nA=2\nB=3\n").unwrap();
    let found = load(&path).unwrap().unwrap();
    assert_eq!((found.get("B"), found.variables.len()), (Some("3"), 3));
}

#[test]
fn the_file_of_the_python_program_is_read() {
    assert_eq!(parse(include_bytes!("../../testdata/hermes-agent-0.19.env")), DotEnv::default());
}

proptest! {
    #[test]
    fn arbitrary_bytes_set_no_more_than_they_hold(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let found = parse(&bytes);
        prop_assert!(found.faults.len() <= FAULTS_MAX);
        let held: usize = found.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        prop_assert!(held <= bytes.len());
        for (name, value) in &found.variables {
            prop_assert!(!name.is_empty() && !name.contains('\0') && !value.contains('\0'));
        }
    }

    #[test]
    fn tokens_of_the_grammar_never_panic(text in "(A|=|'|\"|\\\\|#| |\n|\r|export |\\$\\{|\\}|ü|\0){0,40}") {
        parse(text.as_bytes());
    }

    /// python-dotenv's `set_key` quotes in this way.
    #[test]
    fn a_quoted_value_comes_back(name in "[A-Z_][A-Z0-9_]{0,8}", value in "[^\r\0]{0,40}") {
        let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
        let found = parse(format!("{name}='{quoted}'\nLAST=1\n").as_bytes());
        prop_assert_eq!(found.get(&name), Some(value.as_str()));
        prop_assert_eq!(found.get("LAST"), Some("1"));
    }
}
