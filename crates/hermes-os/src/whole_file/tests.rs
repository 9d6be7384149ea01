//! Tests of whole-file reads and writes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn written_content_and_mode_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write(&path, b"one", 0o600).unwrap();
    write(&path, b"two", 0o664).unwrap();
    assert_eq!(read(&path, 3).unwrap().unwrap(), b"two");
    assert_eq!(mode_of(&path).unwrap(), Some(0o664), "the umask takes nothing away");
    assert_eq!(names_in(folder.path()), ["x"]);
}

#[test]
fn missing_files_are_none_and_unreadable_ones_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&folder.path().join("x"), 1).unwrap().is_none());
    assert!(read(&folder.path().join("no/x"), 1).unwrap().is_none());

    let file = folder.path().join("file");
    fs::write(&file, "four").unwrap();
    assert!(
        matches!(read(&file.join("x"), 1).unwrap_err(), ReadError::Open { .. }),
        "a parent that is a file"
    );
    assert!(matches!(read(&file, 3).unwrap_err(), ReadError::TooLarge { limit: 3, .. }));
    assert!(matches!(read(folder.path(), 3).unwrap_err(), ReadError::NotAFile { kind: "directory", .. }));

    let link = folder.path().join("link");
    symlink("nowhere", &link).unwrap();
    assert!(matches!(read(&link, 3).unwrap_err(), ReadError::Open { .. }));
}

#[test]
fn a_fifo_is_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(matches!(read(&path, 3).unwrap_err(), ReadError::NotAFile { kind: "FIFO", .. }));
    assert!(matches!(write(&path, b"x", 0o600).unwrap_err(), WriteError::NotAFile { kind: "FIFO", .. }));
}

#[test]
fn symlinks_directories_and_sockets_are_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    fs::write(&precious, "old").unwrap();
    let link = folder.path().join("link");
    symlink(&precious, &link).unwrap();
    assert!(matches!(write(&link, b"x", 0o600).unwrap_err(), WriteError::NotAFile { kind: "symlink", .. }));
    assert_eq!(fs::read(&precious).unwrap(), b"old");
    assert!(link.is_symlink());

    let directory = folder.path().join("directory");
    fs::create_dir(&directory).unwrap();
    assert!(matches!(
        write(&directory, b"x", 0o600).unwrap_err(),
        WriteError::NotAFile { kind: "directory", .. }
    ));
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(matches!(write(&socket, b"x", 0o600).unwrap_err(), WriteError::NotAFile { kind: "socket", .. }));
    assert_eq!(names_in(folder.path()), ["directory", "link", "precious", "socket"]);
}

#[test]
fn a_new_file_never_replaces_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write_new(&path, b"old", 0o640).unwrap();
    assert_eq!(mode_of(&path).unwrap(), Some(0o640));
    assert!(matches!(write_new(&path, b"new", 0o600).unwrap_err(), WriteError::Exists { .. }));
    assert_eq!(read(&path, 3).unwrap().unwrap(), b"old");
    symlink("nowhere", folder.path().join("y")).unwrap();
    let error = write_new(&folder.path().join("y"), b"new", 0o600).unwrap_err();
    assert!(matches!(error, WriteError::NotAFile { kind: "symlink", .. }), "{error:?}");

    // Another process created the file after the check.
    let directory = open_directory_of(&path).unwrap();
    let (temporary, _) = Temporary::create(directory, OsStr::new("x")).unwrap();
    assert_eq!(temporary.become_new(OsStr::new("x")).unwrap_err(), Errno::EXIST);
    assert_eq!(names_in(folder.path()), ["x", "y"]);
}

#[test]
fn an_unused_temporary_file_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open_directory_of(&folder.path().join("x")).unwrap();
    let (temporary, file) = Temporary::create(directory, OsStr::new("x")).unwrap();
    assert_eq!(names_in(folder.path()).len(), 1);
    drop((temporary, file));
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn a_full_disk_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write(&path, b"old", 0o600).unwrap();
    let fill = |mut file: File| {
        file.write_all(b"ne")?;
        assert_eq!(names_in(folder.path()).len(), 2);
        Err(Errno::NOSPC.into())
    };
    let error = write_by(&path, fill, Temporary::replace).unwrap_err();
    assert!(matches!(error, WriteError::Write { .. }), "{error:?}");
    assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull));
    assert_eq!(read(&path, 3).unwrap().unwrap(), b"old");
    assert_eq!(names_in(folder.path()), ["x"]);
}

#[test]
fn a_missing_directory_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/x");
    let error = write(&path, b"x", 0o600).unwrap_err();
    assert!(matches!(error, WriteError::OpenDirectory { .. }));
    assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn readers_see_the_old_or_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let versions: [Vec<u8>; 2] = [vec![b'a'; 50_000], vec![b'b'; 100_000]];
    write(&path, &versions[0], 0o600).unwrap();
    // Kept open, so that its inode number is not reused.
    let first = File::open(&path).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..50 {
                write(&path, &versions[round % 2], 0o600).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = read(&path, 1 << 20).unwrap().unwrap();
            assert!(versions.contains(&seen), "{} bytes", seen.len());
        }
    });
    assert_ne!(fs::metadata(&path).unwrap().ino(), first.metadata().unwrap().ino());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn reading_a_file_that_comes_and_goes_never_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("x"), folder.path().join("aside"));
    fs::write(&aside, "whole").unwrap();
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            for _ in 0..50_000 {
                fs::rename(&aside, &path).unwrap();
                fs::rename(&path, &aside).unwrap();
            }
        });
        while !mover.is_finished() {
            if let Some(seen) = read(&path, 5).unwrap() {
                assert_eq!(seen, b"whole");
            }
        }
    });
}

#[test]
fn root_writes_nothing_through_a_symlinked_directory() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked: others may follow their own links");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("precious")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("precious"), folder.path().join("dashboard")).unwrap();
    let path = folder.path().join("dashboard/sessions.json");
    assert!(matches!(write(&path, b"x", 0o600), Err(WriteError::OpenDirectory { .. })));
    assert!(crate::lock_file::open(&path).is_err());
    assert_eq!(fs::read_dir(folder.path().join("precious")).unwrap().count(), 0);
    let directory = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
    assert!(open_step_by_step(&folder.path().join("dashboard"), directory).is_err());
    assert!(open_step_by_step(&folder.path().join("precious"), directory).is_ok());
}

#[test]
fn a_bounded_read_follows_only_links_that_stay_inside() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("profile");
    fs::create_dir_all(inside.join("real")).unwrap();
    fs::write(inside.join("real/file"), "inside").unwrap();
    fs::write(folder.path().join("secret"), "outside").unwrap();
    symlink("real", inside.join("link")).unwrap();
    symlink("../../secret", inside.join("real/up")).unwrap();
    symlink(folder.path().join("secret"), inside.join("absolute")).unwrap();
    symlink("missing", inside.join("dangling")).unwrap();
    let of = |relative: &str| read_within(&inside, Path::new(relative), 100);
    assert_eq!(of("real/file").unwrap().unwrap(), b"inside");
    assert_eq!(of("link/file").unwrap().unwrap(), b"inside");
    assert_eq!(of("real/none").unwrap(), None);
    assert_eq!(read_within(&folder.path().join("none"), Path::new("x"), 1).unwrap(), None);
    for outside in ["real/up", "absolute", "../secret"] {
        assert!(matches!(of(outside).unwrap_err(), ReadError::Outside { .. }), "{outside}");
    }
    assert!(matches!(of("dangling").unwrap_err(), ReadError::Open { .. }));
    assert!(matches!(of("real").unwrap_err(), ReadError::NotAFile { kind: "directory", .. }));
}

#[test]
fn without_openat2_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    fs::write(folder.path().join("real/file"), "inside").unwrap();
    symlink("real", folder.path().join("link")).unwrap();
    let of = |relative: &str| {
        let root = rustix::fs::open(folder.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        open_without_links(root, Path::new(relative))
            .map(|file| io::read_to_string(File::from(file)).unwrap())
    };
    assert_eq!(of("real/file").unwrap(), "inside");
    assert!(matches!(of("link/file").unwrap_err(), Errno::LOOP | Errno::NOTDIR));
    assert_eq!(of("../x").unwrap_err(), Errno::XDEV);
}
