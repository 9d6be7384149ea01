//! Tests of changes of the memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

use super::*;

const LIMIT: usize = 100;

fn profile(memory: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(memory) = memory {
        fs::create_dir(folder.path().join("memories")).unwrap();
        fs::write(folder.path().join("memories/MEMORY.md"), memory).unwrap();
    }
    folder
}

fn memory(profile: &TempDir) -> String {
    fs::read_to_string(profile.path().join("memories/MEMORY.md")).unwrap_or_default()
}

fn changed(profile: &TempDir, change: &Edit) -> Result<Edited, EditError> {
    edit(profile.path(), MemoryFile::Memory, change, LIMIT)
}

fn add(content: &str) -> Edit {
    Edit::Add { content: content.to_owned() }
}

fn replace(old_text: &str, content: &str) -> Edit {
    Edit::Replace { old_text: old_text.to_owned(), content: content.to_owned() }
}

fn remove(old_text: &str) -> Edit {
    Edit::Remove { old_text: old_text.to_owned() }
}

#[test]
fn entries_are_added_replaced_and_removed() {
    let profile = profile(None);
    changed(&profile, &add("likes tea")).unwrap();
    changed(&profile, &add(" lives in Bonn \r\nnear the river\n")).unwrap();
    assert_eq!(memory(&profile), "likes tea\n§\nlives in Bonn \nnear the river");
    changed(&profile, &replace("tea", "likes coffee")).unwrap();
    let edited = changed(&profile, &remove("Bonn")).unwrap();
    assert_eq!(memory(&profile), "likes coffee");
    assert_eq!(edited, Edited { entries: 1, used: 12, changed: true, backup: None });
    let mode = fs::metadata(profile.path().join("memories/MEMORY.md")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_entry_is_stored_once() {
    let profile = profile(Some("a\n"));
    assert!(!changed(&profile, &add("a")).unwrap().changed);
    assert_eq!(memory(&profile), "a\n", "the file is not written");
}

#[test]
fn a_full_memory_tells_its_limit_and_entries() {
    let profile = profile(Some(&"x".repeat(90)));
    let message = changed(&profile, &add("0123456789")).unwrap_err().to_string();
    assert!(
        message.contains("MEMORY.md would have 103 characters, and the limit is 100 (90 are used)"),
        "{message}"
    );
    assert!(message.ends_with(&format!("- {}…", "x".repeat(80))), "{message}");
    assert_eq!(memory(&profile), "x".repeat(90));
}

#[test]
fn a_memory_over_its_limit_can_shrink() {
    let profile = profile(Some(&format!("{}\n§\nb", "x".repeat(150))));
    changed(&profile, &replace("xxx", &"x".repeat(120))).unwrap();
    assert!(matches!(changed(&profile, &replace("b", "bb")), Err(EditError::Full { .. })));
    changed(&profile, &remove("xxx")).unwrap();
    assert_eq!(memory(&profile), "b");
}

#[rstest]
#[case::absent("zebra", "failed to find an entry with \"zebra\"; the entries are:\n- one tea\n- two tea")]
#[case::empty(" ", "failed to find an entry with \" \"")]
#[case::several(
    "tea",
    "failed to choose an entry: 2 have \"tea\"; state more of its text:\n- one tea\n- two tea"
)]
fn an_unclear_entry_is_not_changed(#[case] old_text: &str, #[case] expected: &str) {
    let profile = profile(Some("one tea\n§\ntwo tea"));
    let message = changed(&profile, &remove(old_text)).unwrap_err().to_string();
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn the_whole_text_of_an_entry_selects_it() {
    let profile = profile(Some("tea\n§\ngreen tea"));
    changed(&profile, &remove("tea")).unwrap();
    assert_eq!(memory(&profile), "green tea");
}

#[rstest]
#[case::written_by_hand(b"# Notes\n\n\n\xc2\xa7\na\r\n\xc2\xa7\n\n\xc2\xa7\nb\n")]
#[case::no_utf_8(b"a\xff\n\xc2\xa7\nb")]
#[case::separator_with_space(b"a\n \xc2\xa7\nb")]
fn a_file_of_another_form_is_backed_up(#[case] original: &[u8]) {
    let profile = profile(Some(""));
    fs::write(profile.path().join("memories/MEMORY.md"), original).unwrap();
    let edited = changed(&profile, &add("new")).unwrap();
    let backup = edited.backup.expect("a backup");
    assert!(backup.to_str().unwrap().contains("/memories/MEMORY.md.bak."), "{}", backup.display());
    assert_eq!(fs::read(backup).unwrap(), original);
    assert!(memory(&profile).ends_with("\n§\nnew"));
}

#[test]
fn a_newline_at_the_end_needs_no_backup() {
    let profile = profile(Some("a\n§\nb\n"));
    assert_eq!(changed(&profile, &add("c")).unwrap().backup, None);
}

#[rstest]
#[case::separator("a\n § \nb")]
#[case::empty(" \n ")]
#[case::escape("a\u{1b}[2J")]
#[case::nul("a\0b")]
#[case::return_("a\rb")]
#[case::zero_width("pass\u{200b}word")]
#[case::direction("abc\u{202e}fed")]
#[case::tags("hi\u{e0041}\u{e0042}")]
#[case::selectors("hi\u{e0101}")]
#[case::line_separator("a\u{2028}b")]
#[case::joiner("a\u{200d}b")]
fn hidden_text_is_refused(#[case] content: &str) {
    let profile = profile(None);
    let error = changed(&profile, &add(content)).unwrap_err();
    assert!(matches!(error, EditError::Content(_)), "{error}");
    assert_eq!(memory(&profile), "");
}

#[rstest]
#[case("family: 👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}")]
#[case("می\u{200c}خواهم")]
#[case("日本語 ä ß\n\tindented")]
fn visible_text_of_any_script_is_taken(#[case] content: &str) {
    let profile = profile(None);
    changed(&profile, &add(content)).unwrap();
    assert_eq!(memory(&profile), content);
}

#[test]
fn symlinks_are_not_followed_out_of_the_profile() {
    let (profile, outside) = (profile(Some("")), tempfile::tempdir().unwrap());
    let file = profile.path().join("memories/MEMORY.md");
    fs::remove_file(&file).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path().join("secret"), &file).unwrap();
    assert!(matches!(changed(&profile, &add("a")), Err(EditError::Read(ReadError::Outside { .. }))));
    fs::remove_dir_all(profile.path().join("memories")).unwrap();
    symlink(outside.path(), profile.path().join("memories")).unwrap();
    assert!(matches!(changed(&profile, &add("a")), Err(EditError::Directory { .. })));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn writers_at_one_time_lose_no_entry() {
    let profile = profile(None);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let profile = &profile;
            scope.spawn(move || changed(profile, &add(&format!("entry {number}"))).unwrap());
        }
    });
    assert_eq!(entries(&memory(&profile)).len(), 8);
}

proptest! {
    #[test]
    fn any_accepted_entry_comes_back_as_it_is(contents in proptest::collection::vec("(.|\n|§|\n§\n| |\r){0,6}", 1..5)) {
        let mut stored: Vec<String> = Vec::new();
        for content in &contents {
            if let Ok(entries) = edited(&stored, &add(content)) {
                prop_assert_eq!(&super::entries(&entries.join(SEPARATOR)), &entries);
                stored = entries;
            }
        }
        prop_assert_eq!(characters(&stored), stored.join(SEPARATOR).chars().count());
    }
}
