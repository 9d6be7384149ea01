//! The IDs that the account had at the last boot. A new container needs them, since its `/etc/passwd` does not show them.
//!
//! The record is root's file in `HERMES_HOME`. It counts only if the account can neither replace nor change it. So the directory
//! must be root's and sticky. The file must be root's, with one name, and not writable for others. It holds two numbers and no
//! file name.

use std::os::fd::AsFd;

use hermes_core::owned::OWNERSHIP_RECORD;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::directory::{Directory, Owner};

/// The longest record that is read, in bytes.
const RECORD_MAX: u64 = 64;

/// The start of a record, with the version of its format.
const HEADER: &str = "hermes account 2 ";

/// The name of the record while root writes it.
const TEMPORARY: &str = ".ownership.new";

/// Reads the record. Returns `None` if there is none that counts.
pub(crate) fn read(home: &Directory) -> Option<Owner> {
    if !is_protected(home) {
        return None;
    }
    let facts = home.look(OWNERSHIP_RECORD).ok()??;
    let is_roots = facts.kind == FileType::RegularFile && facts.owner.uid == 0;
    if !is_roots || facts.links != 1 || facts.mode & 0o022 != 0 {
        return None;
    }
    parse(&home.read_small(OWNERSHIP_RECORD, RECORD_MAX)?)
}

/// Writes the record if the account cannot change it there. Without a record, a boot looks at the same files.
pub(crate) fn write(home: &Directory, account: Owner) {
    if is_protected(home) && read(home) != Some(account) {
        // A full volume gets no record.
        let _ = replace(home, &to_text(account));
    }
}

fn replace(home: &Directory, text: &str) -> rustix::io::Result<()> {
    let _ = rustix::fs::unlinkat(home, TEMPORARY, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(home, TEMPORARY, flags, Mode::from_raw_mode(0o644))?;
    let written = rustix::io::write(&file, text.as_bytes())
        .and_then(|count| if count == text.len() { Ok(()) } else { Err(rustix::io::Errno::NOSPC) })
        .and_then(|()| rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(0o644)))
        .and_then(|()| rustix::fs::renameat(home, TEMPORARY, home, OWNERSHIP_RECORD));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(home, TEMPORARY, AtFlags::empty());
    }
    written
}

fn is_protected(home: &Directory) -> bool {
    home.facts()
        .is_ok_and(|facts| facts.owner.uid == 0 && (facts.mode & 0o1000 != 0 || facts.mode & 0o022 == 0))
}

fn to_text(account: Owner) -> String {
    format!("{HEADER}{} {}\n", account.uid, account.gid)
}

fn parse(bytes: &[u8]) -> Option<Owner> {
    let line = std::str::from_utf8(bytes).ok()?.strip_prefix(HEADER)?.strip_suffix('\n')?;
    let (uid, gid) = line.split_once(' ')?;
    let account = Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
    (to_text(account).as_bytes() == bytes && account.uid != 0).then_some(account)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parsed_record_has_the_only_text_of_its_ids(bytes: Vec<u8>) {
            if let Some(account) = parse(&bytes) {
                prop_assert_eq!(to_text(account).into_bytes(), bytes);
            }
        }

        #[test]
        fn written_record_is_read_back(uid in 1_u32.., gid: u32) {
            let account = Owner { uid, gid };
            prop_assert_eq!(parse(to_text(account).as_bytes()), Some(account));
        }
    }

    #[test]
    fn record_counts_only_if_the_account_cannot_change_it() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not checked: only root can change owners");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let home = Directory::open(folder.path()).unwrap();
        let account = Owner { uid: 1000, gid: 100 };
        let path = folder.path().join(OWNERSHIP_RECORD);
        let mode = |path: &std::path::Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(folder.path(), 0o1775);
        write(&home, account);
        assert_eq!(read(&home), Some(account));
        mode(folder.path(), 0o775);
        assert_eq!(read(&home), None, "the directory is not sticky");
        mode(folder.path(), 0o1775);
        mode(&path, 0o664);
        assert_eq!(read(&home), None, "its group can write it");
        mode(&path, 0o644);
        fs::hard_link(&path, folder.path().join("second-name")).unwrap();
        assert_eq!(read(&home), None, "it has two names");
        fs::remove_file(folder.path().join("second-name")).unwrap();
        lchown(&path, Some(10000), None).unwrap();
        assert_eq!(read(&home), None, "it is not root's");
        write(&home, account);
        assert_eq!(read(&home), Some(account), "root replaces it");
        lchown(folder.path(), Some(10000), None).unwrap();
        assert_eq!(read(&home), None, "the directory is not root's");
    }
}
