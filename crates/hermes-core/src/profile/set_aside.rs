//! Databases of sessions that were corrupt. They stay beside the new one, as `hermes.db.corrupt-TIME`.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::timestamp;

/// The middle of the name.
const CORRUPT: &str = ".corrupt-";

/// Returns the path for a database that is set aside at this time.
pub fn path(database: &Path, time: SystemTime) -> PathBuf {
    let time: String = timestamp::rfc3339(time).chars().filter(|character| *character != ':').collect();
    let mut path = database.as_os_str().to_owned();
    path.push(format!("{CORRUPT}{time}"));
    path.into()
}

/// Returns the databases beside `database` that were set aside, oldest first.
pub fn all(database: &Path) -> Vec<PathBuf> {
    let Some(mut start) = database.file_name().map(OsString::from) else { return Vec::new() };
    start.push(CORRUPT);
    let entries =
        database.parent().into_iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let is_aside = |entry: &DirEntry| {
        let name = entry.file_name();
        let (name, start) = (name.as_encoded_bytes(), start.as_encoded_bytes());
        name.starts_with(start) && !name.ends_with(b"-wal") && !name.ends_with(b"-shm")
    };
    let mut found: Vec<_> = entries.flatten().filter(is_aside).map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_found_without_the_parts_of_their_logs() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("hermes.db");
        let old = path(&database, SystemTime::UNIX_EPOCH);
        let new = path(&database, SystemTime::now());
        for file in [&new, &old, &database] {
            fs::write(file, "").unwrap();
            fs::write(format!("{}-wal", file.display()), "").unwrap();
        }
        assert_eq!(all(&database), [old, new]);
        assert!(all(Path::new("/")).is_empty());
    }
}
