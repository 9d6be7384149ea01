//! Tests of archives: accepted ones and refused ones.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use tar::{Builder, EntryType, Header};

use super::limits::{Budget, DEPTH_MAX, Exceeded};
use super::*;

/// An entry as it stands, without the care that the library would take of its name.
fn entry(name: &str, kind: EntryType, contents: &[u8]) -> (Header, Vec<u8>) {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o7777);
    header.set_size(contents.len() as u64);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    (header, contents.to_vec())
}

fn file(name: &str) -> (Header, Vec<u8>) {
    entry(name, EntryType::Regular, b"x")
}

fn archive(entries: impl IntoIterator<Item = (Header, Vec<u8>)>) -> File {
    let mut archive = Builder::new(GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast()));
    for (header, contents) in entries {
        archive.append(&header, contents.as_slice()).unwrap();
    }
    let mut file = archive.into_inner().unwrap().finish().unwrap();
    file.rewind().unwrap();
    file
}

fn names_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path.clone());
            }
            found.push(path.strip_prefix(directory).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[rstest]
#[case("coder/../../evil", EntryType::Regular, "leads out of its folder")]
#[case("../evil", EntryType::Regular, "leads out of its folder")]
#[case("/etc/evil", EntryType::Regular, "is an absolute path")]
#[case("coder/link", EntryType::Symlink, "is neither a file nor a directory")]
#[case("coder/link", EntryType::Link, "is neither a file nor a directory")]
#[case("coder/fifo", EntryType::Fifo, "is neither a file nor a directory")]
#[case("coder/disk", EntryType::Block, "is neither a file nor a directory")]
#[case("coder/tty", EntryType::Char, "is neither a file nor a directory")]
#[case("other/file", EntryType::Regular, "lies outside of the one folder at the top")]
#[case("coder", EntryType::Regular, "lies outside of the one folder at the top")]
#[case("./", EntryType::Directory, "names nothing")]
fn an_entry_that_could_do_harm_is_refused(#[case] name: &str, #[case] kind: EntryType, #[case] why: &str) {
    let error = Archive::check(archive([file("coder/SOUL.md"), entry(name, kind, b"")])).unwrap_err();
    assert!(error.to_string().ends_with(why), "{error}");
}

#[test]
fn a_folder_too_deep_is_refused() {
    let deep = format!("coder/{}", "d/".repeat(45));
    let deeper = format!("coder/{}", "d/".repeat(46));
    assert!(
        Archive::check(archive([file("coder/SOUL.md"), entry(&deep, EntryType::Directory, b"")])).is_ok()
    );
    let error = tar_with_long_name(&deeper.repeat(2));
    assert!(Archive::check(error).unwrap_err().to_string().ends_with("lies too deep"));
}

fn tar_with_long_name(name: &str) -> File {
    let mut archive = Builder::new(GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast()));
    let (header, contents) = file("coder/SOUL.md");
    archive.append(&header, contents.as_slice()).unwrap();
    let mut header = Header::new_gnu();
    header.set_size(0);
    archive.append_data(&mut header, name, std::io::empty()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn what_is_no_archive_or_ends_too_early_is_damaged() {
    let mut text = tempfile::tempfile().unwrap();
    text.write_all(b"hello").unwrap();
    assert!(matches!(Archive::check(text).unwrap_err(), ArchiveError::Damaged(_)));
    let whole = archive([file("coder/SOUL.md"), entry("coder/large", EntryType::Regular, &[7; 100_000])]);
    whole.set_len(whole.metadata().unwrap().len() / 2).unwrap();
    assert!(matches!(Archive::check(whole).unwrap_err(), ArchiveError::Damaged(_)));
}

#[test]
fn the_directories_on_the_way_to_an_entry_are_counted() {
    let make = || archive([file("c/SOUL.md"), file("c/a/b/one"), file("c/a/b/two"), file("c/a/x/three")]);
    let budget = |entries| Budget { bytes: 1000, entries };
    assert!(Archive::check_within(make(), budget(7)).is_ok(), "four files, and a, a/b, a/x");
    let error = Archive::check_within(make(), budget(6)).unwrap_err();
    assert!(matches!(error, ArchiveError::Exceeded(Exceeded::Entries)), "{error}");
}

#[test]
fn all_members_of_a_file_of_several_are_read() {
    let whole = archive([file("coder/SOUL.md"), file("coder/notes")]);
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(whole).read_to_end(&mut tar).unwrap();
    let mut members = tempfile::tempfile().unwrap();
    for part in [&tar[..1024], &tar[1024..]] {
        let mut member = GzEncoder::new(Vec::new(), Compression::fast());
        member.write_all(part).unwrap();
        members.write_all(&member.finish().unwrap()).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    Archive::check(members).unwrap().unpack(directory.path()).unwrap();
    assert_eq!(names_in(directory.path()), [Path::new("SOUL.md"), Path::new("notes")]);
}

#[test]
fn a_sparse_file_is_refused_and_not_taken_for_its_map() {
    let sparse = entry("x", EntryType::XHeader, b"22 GNU.sparse.major=1\n");
    let error = Archive::check(archive([sparse, file("coder/SOUL.md")])).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("is sparse"), "{cause}");
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut whole = archive([file("coder/SOUL.md")]);
    let mut bytes = Vec::new();
    whole.read_to_end(&mut bytes).unwrap();
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    let mut wrong = tempfile::tempfile().unwrap();
    wrong.write_all(&bytes).unwrap();
    assert!(matches!(Archive::check(wrong).unwrap_err(), ArchiveError::Damaged(_)));
}

#[test]
fn an_archive_without_a_soul_holds_no_profile() {
    assert!(matches!(Archive::check(archive([file("coder/notes")])).unwrap_err(), ArchiveError::NoSoul));
    let nested = archive([file("coder/deeper/SOUL.md")]);
    assert!(matches!(Archive::check(nested).unwrap_err(), ArchiveError::NoSoul));
}

#[test]
fn more_than_a_profile_may_hold_is_refused_before_anything_is_written() {
    let make = || archive([file("c/SOUL.md"), entry("c/a", EntryType::Regular, &[0; 1000]), file("c/b")]);
    assert!(Archive::check_within(make(), Budget { bytes: 1002, entries: 3 }).is_ok());
    assert!(matches!(
        Archive::check_within(make(), Budget { bytes: 1001, entries: 3 }).unwrap_err(),
        ArchiveError::Exceeded(Exceeded::Bytes)
    ));
    assert!(matches!(
        Archive::check_within(make(), Budget { bytes: 1002, entries: 2 }).unwrap_err(),
        ArchiveError::Exceeded(Exceeded::Entries)
    ));
}

/// Removes a directory when the first byte of the archive is written: what the top holds is listed by then.
struct Removes<'d> {
    directory: &'d Path,
    archive: Vec<u8>,
}

impl Write for Removes<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = fs::remove_dir_all(self.directory);
        self.archive.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_directory_that_its_agent_removes_meanwhile_is_not_exported_and_the_rest_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("SOUL.md"), "x").unwrap();
    let directory = &folder.path().join("tmp");
    fs::create_dir_all(directory.join("deeper")).unwrap();
    let source = Source { directory: folder.path(), name: "coder", is_root: false, with_secrets: false };
    let mut to = Removes { directory, archive: Vec::new() };
    source.write(&mut to).unwrap();
    assert!(!directory.exists(), "it was there to the end: this test shows nothing");
    let mut read = tar::Archive::new(flate2::read::GzDecoder::new(to.archive.as_slice()));
    let names: Vec<_> =
        read.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [Path::new("coder/"), Path::new("coder/SOUL.md")]);
}

#[test]
fn no_file_lends_rights_and_secrets_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let found = Archive::check(archive([
        file("./coder/SOUL.md"),
        file("coder/.env"),
        file("coder/gateway.pid"),
        file("coder/gateway_state.json"),
        file("coder/skills/tool"),
    ]))
    .unwrap();
    assert_eq!(found.top(), "coder");
    found.unpack(folder.path()).unwrap();
    assert_eq!(names_in(folder.path()), [".env", "SOUL.md", "skills", "skills/tool"].map(PathBuf::from));
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(".env"), mode("skills/tool")), (0o600, 0o755));
}

#[test]
fn what_was_written_is_read_again_without_what_is_of_the_moment() {
    let from = tempfile::tempdir().unwrap();
    let long = "n".repeat(200);
    for directory in ["sessions", "logs", "empty"] {
        fs::create_dir(from.path().join(directory)).unwrap();
    }
    let name_of_bytes = std::ffi::OsStr::from_bytes(b"caf\xe9");
    for name in ["SOUL.md", ".env", "auth.json", "gateway.pid", "config.yaml.lock", "a.tmp", "logs/x", &long]
    {
        fs::write(from.path().join(name), name).unwrap();
    }
    fs::write(from.path().join(name_of_bytes), "x").unwrap();
    fs::write(from.path().join("sessions/Cargo.lock"), "somebody's work").unwrap();
    fs::write(from.path().join("sessions/.tick.lock"), "").unwrap();
    fs::write(from.path().join("sessions/logs"), "a session called logs").unwrap();
    symlink("/etc/passwd", from.path().join("link")).unwrap();
    let pack = |with_secrets| {
        let mut file = tempfile::tempfile().unwrap();
        let source = Source { directory: from.path(), name: "coder", is_root: false, with_secrets };
        let left = source.write(&mut file).unwrap();
        let to = tempfile::tempdir().unwrap();
        Archive::check(file).unwrap().unpack(to.path()).unwrap();
        (names_in(to.path()), left)
    };
    let (names, left) = pack(false);
    let mut expected: Vec<PathBuf> =
        ["SOUL.md", "empty", "sessions", "sessions/Cargo.lock", "sessions/logs", &long]
            .map(PathBuf::from)
            .into();
    expected.push(name_of_bytes.into());
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(left.secrets, [".env", "auth.json"].map(PathBuf::from));
    assert_eq!(left.specials, [PathBuf::from("link")]);
    let (names, left) = pack(true);
    assert!(names.contains(&".env".into()) && left.secrets.is_empty(), "{names:?}");
}

#[test]
fn of_the_root_only_what_is_the_default_profiles_is_written() {
    let from = tempfile::tempdir().unwrap();
    for name in ["SOUL.md", "profiles/coder/SOUL.md", "memories/a", "state.db", "mine.txt"] {
        let path = from.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    let source = Source { directory: from.path(), name: "default", is_root: true, with_secrets: false };
    source.write(&mut file).unwrap();
    let to = tempfile::tempdir().unwrap();
    Archive::check(file).unwrap().unpack(to.path()).unwrap();
    assert_eq!(names_in(to.path()), ["SOUL.md", "memories", "memories/a"].map(PathBuf::from));
}

#[rstest]
#[case::long_name(EntryType::GNULongName)]
#[case::long_link(EntryType::GNULongLink)]
#[case::pax(EntryType::XHeader)]
#[case::pax_global(EntryType::XGlobalHeader)]
fn a_header_that_declares_gigabytes_is_refused_before_it_is_read(#[case] kind: EntryType) {
    let (mut header, _) = entry("././@LongLink", kind, b"");
    header.set_size(3 << 30);
    header.set_cksum();
    let mut bytes = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
    bytes.write_all(header.as_bytes()).unwrap();
    bytes.write_all(&[b'a'; 1024]).unwrap();
    let error = Archive::check(bytes.finish().unwrap()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("a header in it is longer than 64 KiB"));
}

#[test]
fn a_pax_header_does_not_change_the_size_of_a_file() {
    let error = Archive::check(archive([entry("x", EntryType::XHeader, b"10 size=9\n"), file("p/SOUL.md")]))
        .unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("changes the size"));
}

#[test]
fn a_name_longer_than_a_file_system_takes_is_refused() {
    let with_name_of = |length| tar_with_long_name(&format!("coder/{}/notes", "n".repeat(length)));
    assert!(Archive::check(with_name_of(255)).is_ok());
    let error = Archive::check(with_name_of(256)).unwrap_err();
    assert!(matches!(error, ArchiveError::Entry { .. }), "{error}");
    assert!(error.to_string().ends_with("has a name of more than 255 bytes"), "{error}");
}

#[rstest]
#[case::two_files([file("c/a"), file("c/a")])]
#[case::a_file_as_directory([file("c/a"), file("c/a/b")])]
#[case::a_file_as_directory_of_a_directory([file("c/a"), file("c/a/b/c")])]
#[case::a_directory_in_the_place_of_a_file([file("c/a"), entry("c/a", EntryType::Directory, b"")])]
#[case::a_file_in_the_place_of_a_directory([file("c/a/b"), file("c/a")])]
fn entries_that_exclude_each_other_are_a_fault_of_the_archive(#[case] entries: [(Header, Vec<u8>); 2]) {
    let archive = Archive::check(archive([file("c/SOUL.md")].into_iter().chain(entries))).unwrap();
    let error = archive.unpack(tempfile::tempdir().unwrap().path()).unwrap_err();
    assert!(matches!(error, ArchiveError::Entry { .. }), "{error:?}");
    assert!(error.to_string().ends_with("conflicts with an entry before it"), "{error}");
}

#[test]
fn an_error_cuts_the_path_of_a_file() {
    let path = PathBuf::from(format!("/opt/data/profiles/{}file", "d/".repeat(1000)));
    let write = ArchiveError::Write { path: path.clone(), source: std::io::ErrorKind::StorageFull.into() };
    let source = Source { directory: &path, name: "coder", is_root: false, with_secrets: false };
    for message in [write.to_string(), source.write(std::io::sink()).unwrap_err().to_string()] {
        assert!(message.len() < 400, "{message}");
        assert!(message.contains("/opt/data/profiles/d/") && message.contains("/d/file"), "{message}");
    }
}

#[test]
fn an_import_takes_the_longest_path_of_an_export() {
    let top = "n".repeat(240);
    // With the slash at its end one byte more: 240 + 15 * 241 + 1 + `last` + 1.
    let export = |last: usize| {
        let folder = tempfile::tempdir().unwrap();
        let parents = vec!["d".repeat(240); 15].join("/");
        fs::create_dir_all(folder.path().join(parents).join("d".repeat(last))).unwrap();
        fs::write(folder.path().join("SOUL.md"), "x").unwrap();
        let source = Source { directory: folder.path(), name: &top, is_root: false, with_secrets: false };
        let mut to = tempfile::tempfile().unwrap();
        source.write(&mut to).map(|_| to)
    };
    Archive::check(export(239).unwrap()).unwrap();
    let error = export(240).unwrap_err().to_string();
    assert!(error.ends_with("has a path of more than 4096 bytes"), "{error}");
}

#[test]
fn a_message_cuts_the_name_that_it_quotes() {
    let long = format!("p/{}\0", "x".repeat(60_000));
    let entries = [entry("././@LongLink", EntryType::GNULongName, long.as_bytes()), file("p")];
    let error = Archive::check(archive(entries)).unwrap_err().to_string();
    assert!(error.len() < 400 && error.contains("has a path of more than"), "{error}");
}

#[test]
fn an_export_is_taken_by_an_import_and_what_would_not_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("coder");
    // With the folder at the top and its own name as many as an archive may have.
    let deepest = profile.join(vec!["d"; DEPTH_MAX - 2].join("/"));
    fs::create_dir_all(&deepest).unwrap();
    fs::write(profile.join("SOUL.md"), "x").unwrap();
    fs::write(deepest.join("file"), "x").unwrap();
    fs::write(profile.join("n".repeat(250)), "x").unwrap();
    let source = Source { directory: &profile, name: "coder", is_root: false, with_secrets: false };
    let mut to = tempfile::tempfile().unwrap();
    source.write(&mut to).unwrap();
    let imported = tempfile::tempdir().unwrap();
    Archive::check(to).unwrap().unpack(imported.path()).unwrap();
    assert_eq!(names_in(imported.path()), names_in(&profile));

    fs::create_dir(deepest.join("deeper")).unwrap();
    fs::write(deepest.join("deeper/file"), "x").unwrap();
    let error = source.write(std::io::sink()).unwrap_err().to_string();
    assert!(error.contains("deeper") && error.contains("lies too deep"), "{error}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_an_archive_or_an_error(blocks in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4096), at in 0_usize..1024) {
        // Whole headers with a few bytes changed, since random ones fail at once.
        let (header, _) = file("p/SOUL.md");
        let mut bytes = [header.as_bytes().as_slice(), &[0; 512]].concat();
        for (place, byte) in blocks.iter().take(3).enumerate() {
            bytes[(at + 97 * place) % 1024] = *byte;
        }
        for content in [&bytes, &blocks] {
            let mut packed = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::fast());
            packed.write_all(content).unwrap();
            if let Ok(archive) = Archive::check(packed.finish().unwrap()) {
                let folder = tempfile::tempdir().unwrap();
                let _ = archive.unpack(folder.path());
            }
        }
    }
}
