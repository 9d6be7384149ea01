//! The files and the packages of the repository, and the way a rule reports its findings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns name and text of each file that ends in one of `endings`, files that are not committed yet included.
pub(crate) fn files(endings: &[&str]) -> Vec<(String, String)> {
    let names = printed("git", &["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<_> = names
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .filter(|name| !root().join(name).is_symlink())
        // Skips binary files, and files that were removed without a commit.
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Returns the packages of the workspace as `cargo metadata` describes them.
pub(crate) fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let mut metadata: Value = serde_json::from_str(&text).unwrap();
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("cargo metadata prints a list of packages, not {other}"),
    }
}

/// Returns the standard output of the cargo that runs this test.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    printed(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments)
}

/// Returns the standard output of a program that succeeds.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(root()).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with all findings at once.
#[track_caller]
pub(crate) fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
