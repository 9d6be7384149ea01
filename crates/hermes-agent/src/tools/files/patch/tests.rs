//! Tests of `patch` on files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn replaced(path: &Path, old: &str, new: &str, replace_all: bool) -> Result<String, String> {
    let text = |text: &str| Some(text.to_owned());
    let arguments = Arguments {
        path: text(path.to_str().unwrap()),
        old_string: text(old),
        new_string: text(new),
        replace_all,
        ..Arguments::default()
    };
    run(&arguments).map_err(|failure| failure.output().content)
}

/// Applies a patch in which `DIR` stands for the folder.
fn patched(folder: &TempDir, patch: &str) -> Result<String, String> {
    let directory = folder.path().to_str().unwrap();
    let patch = format!("*** Begin Patch\n{}\n*** End Patch\n", patch.replace("DIR", directory));
    let arguments = Arguments { mode: Some(Mode::Patch), patch: Some(patch), ..Arguments::default() };
    let result = run(&arguments).map_err(|failure| failure.output().content);
    result.map(|text| text.replace(directory, "DIR")).map_err(|text| text.replace(directory, "DIR"))
}

fn content(folder: &TempDir, name: &str) -> Option<String> {
    fs::read_to_string(folder.path().join(name)).ok()
}

#[test]
fn a_replacement_is_told_as_a_diff() {
    let folder = folder(&[("a.txt", "one\ntwo\nthree\n")]);
    let path = folder.path().join("a.txt");
    let name = path.display();
    let diff = replaced(&path, "two", "2", false).unwrap();
    assert_eq!(diff, format!("--- {name}\n+++ {name}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"));
    assert_eq!(content(&folder, "a.txt").unwrap(), "one\n2\nthree\n");
}

#[test]
fn windows_files_keep_their_line_ends() {
    let folder = folder(&[("a.txt", "\u{feff}one\r\ntwo\r\n"), ("b.txt", "a\r\nb\r\n")]);
    replaced(&folder.path().join("a.txt"), "one\ntwo", "1\n2\n3", false).unwrap();
    assert_eq!(content(&folder, "a.txt").unwrap(), "\u{feff}1\r\n2\r\n3\r\n");
    patched(&folder, "*** Update File: DIR/b.txt\n a\n+x\n b").unwrap();
    assert_eq!(content(&folder, "b.txt").unwrap(), "a\r\nx\r\nb\r\n");
}

#[test]
fn a_refused_replacement_changes_nothing() {
    let folder = folder(&[("a.txt", "x = 1\nx = 1\n")]);
    let path = folder.path().join("a.txt");
    let several = replaced(&path, "x = 1", "y", false).unwrap_err();
    assert!(several.contains("stands at 2 places: lines 1, 2\nhint: add lines around"), "{several}");
    let absent = replaced(&path, "x = 2", "y", false).unwrap_err();
    assert!(absent.contains("hint: the nearest lines are\n1|x = 1"), "{absent}");
    assert_eq!(content(&folder, "a.txt").unwrap(), "x = 1\nx = 1\n");
    assert!(replaced(&path, "x = 1", "y", true).unwrap().starts_with("[2 places]\n"));
}

#[test]
fn a_missing_argument_names_what_the_mode_needs() {
    let failed = |arguments: Arguments| run(&arguments).unwrap_err().output().content;
    let no_path = failed(Arguments::default());
    assert!(
        no_path.ends_with("hint: mode \"replace\" needs `path`, `old_string` and `new_string`"),
        "{no_path}"
    );
    let no_patch = failed(Arguments { mode: Some(Mode::Patch), ..Arguments::default() });
    assert!(no_patch.ends_with("hint: mode \"patch\" needs `patch`"), "{no_patch}");
}

#[test]
fn a_patch_adds_changes_moves_and_deletes() {
    let folder = folder(&[("a.txt", "one\n"), ("b.sh", "old\n"), ("c.txt", "gone\n")]);
    fs::set_permissions(folder.path().join("b.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let told = patched(
        &folder,
        "*** Add File: DIR/new/d.txt\n+four\n*** Update File: DIR/a.txt\n-one\n+1\n\
         *** Update File: DIR/b.sh\n*** Move to: DIR/e.sh\n-old\n+new\n*** Delete File: DIR/c.txt",
    )
    .unwrap();
    assert_eq!(
        told,
        "created DIR/new/d.txt: 1 lines\n--- DIR/a.txt\n+++ DIR/a.txt\n@@ -1 +1 @@\n-one\n+1\n\
         moved DIR/b.sh to DIR/e.sh\n--- DIR/b.sh\n+++ DIR/e.sh\n@@ -1 +1 @@\n-old\n+new\ndeleted DIR/c.txt\n"
    );
    let contents = ["new/d.txt", "a.txt", "b.sh", "c.txt", "e.sh"].map(|name| content(&folder, name));
    assert_eq!(contents, [Some("four\n".into()), Some("1\n".into()), None, None, Some("new\n".into())]);
    let mode = fs::metadata(folder.path().join("e.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "a moved file keeps its permissions");
}

#[rstest::rstest]
#[case::absent_lines("*** Update File: DIR/b.txt\n-nothing\n+x", "are not in the file")]
#[case::absent_file("*** Update File: DIR/z.txt\n-a\n+x", "there is no such file")]
#[case::existing("*** Add File: DIR/b.txt\n+x", "it exists")]
#[case::moved_onto("*** Update File: DIR/b.txt\n*** Move to: DIR/a.txt\n-two\n+x", "it exists")]
#[case::twice("*** Update File: DIR/./a.txt\n-one\n+x", "two sections change it")]
#[case::below_a_file("*** Add File: DIR/b.txt/x\n+x", "DIR/b.txt is no directory")]
fn a_patch_with_a_fault_changes_nothing(#[case] section: &str, #[case] cause: &str) {
    let folder = folder(&[("a.txt", "one\n"), ("b.txt", "two\n")]);
    let patch = format!("*** Add File: DIR/new.txt\n+n\n*** Update File: DIR/a.txt\n-one\n+1\n{section}");
    let message = patched(&folder, &patch).unwrap_err();
    assert!(message.contains(cause), "{message}");
    assert_eq!(content(&folder, "a.txt").unwrap(), "one\n");
    assert_eq!(content(&folder, "new.txt"), None, "{message}");
}

#[test]
fn a_failed_write_takes_back_the_others() {
    let folder = folder(&[("a.txt", "one\n")]);
    let path = |name: &str| folder.path().join(name);
    let change = |name: &str, new: &str, old: Option<&str>| staged::Staged::Write {
        path: path(name),
        new: new.into(),
        old: old.map(Into::into),
        mode: NEW_MODE,
        summary: String::new(),
    };
    // A directory lies at the path of the last one.
    fs::create_dir(path("c.txt")).unwrap();
    let changes =
        [change("a.txt", "1\n", Some("one\n")), change("b.txt", "b\n", None), change("c.txt", "c\n", None)];
    let message = staged::write(&changes).unwrap_err().output().content;
    assert!(message.contains("directory"), "{message}");
    assert_eq!((content(&folder, "a.txt").as_deref(), content(&folder, "b.txt")), (Some("one\n"), None));
}

#[test]
fn a_faulty_patch_brings_the_form() {
    let folder = folder(&[]);
    let message = patched(&folder, "*** Updat File: a").unwrap_err();
    assert!(message.contains("line 2 is not `*** Update File: `"), "{message}");
    assert!(message.contains("hint: the form is\n*** Begin Patch"), "{message}");
}
