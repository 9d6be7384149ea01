//! Tests of `search_files` on files.

use std::fs::{self, File};
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Makes these files, with their directories.
pub(super) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Searches the folder. Its path is `DIR` in the result.
fn search(folder: &TempDir, mut arguments: Value) -> Result<String, String> {
    let directory = folder.path().to_str().unwrap();
    arguments["path"] = json!(directory);
    let arguments: Arguments = serde_json::from_value(arguments).unwrap();
    let result = run(&arguments).map_err(|failure| failure.output().content);
    result.map(|text| text.replace(directory, "DIR"))
}

#[test]
fn lines_stand_below_the_name_of_their_file() {
    let folder = folder(&[("a.rs", "fn a() {\n}\nfn b() {}\n"), ("sub/b.rs", "fn c()\n"), ("c.txt", "fn\n")]);
    let all = search(&folder, json!({"pattern": "fn [a-z]"})).unwrap();
    assert_eq!(all, "DIR/a.rs\n1|fn a() {\n3|fn b() {}\nDIR/sub/b.rs\n1|fn c()\n");
    let with_context = search(&folder, json!({"pattern": "fn b", "context": 1})).unwrap();
    assert_eq!(with_context, "DIR/a.rs\n2-}\n3|fn b() {}\n");
    let of_names = search(&folder, json!({"pattern": "fn", "file_glob": "*.txt"})).unwrap();
    assert_eq!(of_names, "DIR/c.txt\n1|fn\n");
    let below = search(&folder, json!({"pattern": "fn", "file_glob": "sub/*"})).unwrap();
    assert_eq!(below, "DIR/sub/b.rs\n1|fn c()\n");
}

#[rstest]
#[case(json!({"pattern": "x", "limit": 2}), "DIR/a\n1|x\n2|x\n[matches 1-2 of 5; go on with offset 2]")]
#[case(json!({"pattern": "x", "limit": 2, "offset": 2}), "DIR/a\n3|x\nDIR/b\n1|x\n[matches 3-4 of 5; go on with offset 4]")]
#[case(json!({"pattern": "x", "limit": 2, "offset": 4}), "DIR/b\n2|x\n[matches 5-5 of 5]")]
#[case(json!({"pattern": "x", "offset": 5}), "[there are 5 matches, and `offset` is 5]")]
#[case(json!({"pattern": "x", "output_mode": "count"}), "DIR/a: 3\nDIR/b: 2\n")]
#[case(json!({"pattern": "x", "output_mode": "files_only", "limit": 1}), "DIR/a\n[files 1-1 of 2; go on with offset 1]")]
#[case(json!({"pattern": "y"}), "no matches. Hidden, ignored (.gitignore) and binary files are not searched.")]
fn pages_of_matches_follow_each_other(#[case] arguments: Value, #[case] expected: &str) {
    let folder = folder(&[("a", "x\nx\nx\n"), ("b", "x\nx\n")]);
    assert_eq!(search(&folder, arguments).unwrap(), expected);
}

#[test]
fn files_are_listed_newest_first() {
    let folder = folder(&[("old.rs", ""), ("sub/new.rs", ""), ("x.txt", "")]);
    let day = Duration::from_secs(86_400);
    let old = File::options().write(true).open(folder.path().join("old.rs")).unwrap();
    old.set_modified(SystemTime::now() - day).unwrap();
    let by_name = |pattern: &str| search(&folder, json!({"pattern": pattern, "target": "files"})).unwrap();
    assert_eq!(by_name("*.rs"), "DIR/sub/new.rs\nDIR/old.rs\n");
    assert_eq!(by_name("sub/**"), "DIR/sub/new.rs\n");
    assert_eq!(by_name("**/*.txt"), "DIR/x.txt\n");
    assert!(by_name("new").ends_with("try *new*."), "{}", by_name("new"));
}

#[test]
fn an_output_stays_short() {
    let line = format!("x{}\n", "y".repeat(300));
    let folder = folder(&[("a", &line.repeat(1_000)), ("b", &line.repeat(1_000))]);
    let text = search(&folder, json!({"pattern": "x", "limit": 2_000})).unwrap();
    assert!(text.len() <= OUTPUT_BYTES + 100, "{}", text.len());
    assert!(text.contains(" of 2000; go on with offset 16"), "{}", &text[text.len() - 80..]);
}

#[test]
fn a_name_cannot_forge_a_line() {
    let folder = folder(&[("a\n1|forged", "x\n")]);
    assert_eq!(search(&folder, json!({"pattern": "x"})).unwrap(), "DIR/a␊1|forged\n1|x\n");
}

#[test]
fn a_faulty_pattern_of_names_is_explained() {
    let folder = folder(&[]);
    let message = search(&folder, json!({"pattern": "{a", "target": "files"})).unwrap_err();
    assert!(message.starts_with("failed to read the pattern of file names: "), "{message}");
}
