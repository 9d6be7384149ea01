//! The shape of the source files: length, first line, name.

use std::path::Path;

use crate::repository::{files, none};

/// The lines that a file of code has at most.
const LONGEST_FILE: usize = 500;

#[test]
fn no_file_of_code_is_too_long() {
    let long = files(&[".rs"])
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LONGEST_FILE)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    none(&format!("a file has at most {LONGEST_FILE} lines; give a part of it a name of its own"), long);
}

#[test]
fn every_file_begins_with_its_purpose() {
    let silent = files(&[".rs"])
        .into_iter()
        // Attributes of the whole file may come first.
        .filter(|(_, text)| {
            let first = text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
            !first.is_some_and(|line| line.starts_with("//! "))
        })
        .map(|(name, _)| name)
        .collect();
    none("a file of Rust begins with a `//!` line", silent);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let vague = files(&[".rs"])
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let path = Path::new(name);
            let mut parts = path.iter().chain(path.file_stem());
            parts.any(|part| {
                ["utils", "util", "helpers", "helper", "common", "misc"].iter().any(|bad| part == *bad)
            })
        })
        .collect();
    none("a module is named after what it does", vague);
}
