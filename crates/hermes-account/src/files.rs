//! `/etc/passwd` and `/etc/group`: passwd(5), group(5).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

/// The account's name in `/etc/passwd` of the image.
pub const NAME: &str = "hermes";

/// The file with the accounts.
pub const PASSWD: &str = "/etc/passwd";
/// The file with the groups.
pub(crate) const GROUP: &str = "/etc/group";

/// The reason why the lookup of the account failed.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// `/etc/passwd` or `/etc/group` could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The groups of this process could not be read.
    #[error("failed to read the groups of this process")]
    OwnGroups {
        /// The error of the kernel.
        source: nix::Error,
    },
    /// The account is missing.
    #[error("{PASSWD} has no account '{NAME}'")]
    NoAccount,
    /// The account has UID 0: a process that becomes it does not leave root.
    #[error("the account '{NAME}' has UID 0 in {PASSWD}")]
    IsRoot,
    /// The entry has another number of fields than seven, or an invalid ID.
    #[error("the entry of '{name}' in {PASSWD} is malformed")]
    Malformed {
        /// The account.
        name: String,
    },
}

/// The needed fields of a line of `/etc/passwd`.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) home: PathBuf,
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LookupError> {
    fs::read(path).map_err(|source| LookupError::Read { path: path.to_owned(), source })
}

/// Returns the first entry of that name.
pub(crate) fn user(passwd: &[u8], name: &str) -> Result<Option<User>, LookupError> {
    let mut lines = passwd.split(|&byte| byte == b'\n').map(fields);
    let Some(fields) = lines.find(|fields| fields[0] == name.as_bytes()) else { return Ok(None) };
    let user = match fields[..] {
        [_, _, uid, gid, _, home, _] => id(uid).zip(id(gid)).map(|(uid, gid)| User {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            home: OsString::from_vec(home.to_vec()).into(),
        }),
        _ => None,
    };
    user.map(Some).ok_or_else(|| LookupError::Malformed { name: name.to_owned() })
}

/// Returns the groups that list that name as a member. Skips malformed lines.
pub(crate) fn groups_of(group: &[u8], name: &str) -> Vec<Gid> {
    let lines = group.split(|&byte| byte == b'\n').map(fields);
    let of_member = lines.filter_map(|fields| match fields[..] {
        [_, _, gid, members] => {
            let listed = members.split(|&byte| byte == b',').any(|member| member == name.as_bytes());
            listed.then(|| id(gid)).flatten().map(Gid::from_raw)
        }
        _ => None,
    });
    of_member.collect()
}

/// Tells if a group has this ID.
pub(crate) fn has_group(group: &[u8], gid: u32) -> bool {
    group
        .split(|&byte| byte == b'\n')
        .map(fields)
        .any(|fields| fields.get(2).is_some_and(|text| id(text) == Some(gid)))
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&byte| byte == b':').collect()
}

/// Parses the ID of an account or a group. Returns `None` for the largest number: setresuid(2) takes it for "do not change".
fn id(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten();
    number.filter(|&number| number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Generates bytes with the separators of both files.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b':'), Just(b'\n'), Just(b','), Just(b'0'), Just(b'h'), any::<u8>()];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn arbitrary_files_never_yield_the_reserved_id(bytes in bytes()) {
            if let Ok(Some(user)) = user(&bytes, "h") {
                prop_assert!(user.uid.as_raw() != u32::MAX && user.gid.as_raw() != u32::MAX);
            }
            for gid in groups_of(&bytes, "h") {
                prop_assert!(gid.as_raw() != u32::MAX && has_group(&bytes, gid.as_raw()));
            }
            prop_assert!(!has_group(&bytes, u32::MAX));
        }

        #[test]
        fn first_entry_of_a_name_is_returned(
            uid in 0..u32::MAX, gid in 0..u32::MAX, home in "[^:\n]{0,12}", before in "([a-g]:[^\n]{0,9}\n){0,3}",
            after in bytes(), group in 0..u32::MAX, others in "([a-g],){0,3}",
        ) {
            let mut passwd = format!("{before}h:x:{uid}:{gid}:H:{home}:/bin/sh\n").into_bytes();
            passwd.extend(&after);
            let found = user(&passwd, "h").unwrap().unwrap();
            prop_assert_eq!((found.uid.as_raw(), found.gid.as_raw()), (uid, gid));
            prop_assert_eq!(found.home, PathBuf::from(home));
            let line = format!("h:x:{group}:{others}h\nz:x:5:{others}hh\n");
            prop_assert_eq!(groups_of(line.as_bytes(), "h"), [Gid::from_raw(group)]);
        }

        #[test]
        fn malformed_id_is_an_error(id in "(|-1|\\+1|4294967295|[1-9][0-9]{10,13}| 1|1 |0x1|[a-z]{1,3})") {
            let passwd = format!("h:x:{id}:1:H:/h:/bin/sh\n");
            let found = user(passwd.as_bytes(), "h");
            prop_assert!(matches!(found, Err(LookupError::Malformed { .. })), "{:?}", found);
        }
    }
}
