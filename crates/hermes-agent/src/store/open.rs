//! Opens the database: the kind of the file, locks, settings of the connection, corruption.
//!
//! The file itself is never opened here. Closing any descriptor of it would release the locks of SQLite in this process
//! (<https://sqlite.org/howtocorrupt.html>, 2.2).

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hermes_core::profile::set_aside;
use hermes_os::lock_file;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{StoreError, is_corruption};
use super::schema;

/// The time that a transaction waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// The files that belong to a database, by the ends of their names.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// The longest log that stays behind the last connection, in bytes. To put it into the database costs four syncs of the disk, more than
/// the turn of a short process. To read it costs about 0.1 ms.
const LOG_KEPT: u64 = 256 * 1024;

/// A connection with the lock that shows its use to other processes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) connection: Connection,
    log: PathBuf,
    /// The lock goes after the connection.
    _in_use: Option<Use>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let is_long = fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_KEPT);
        // Fails on a closed connection only.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_long);
    }
}

/// Opens the database.
pub(crate) fn open(path: &Path) -> Result<(Held, Vec<String>), StoreError> {
    let path = &resolve(path)?;
    let mut notices = Vec::new();
    let in_use = InUse::take(path);
    match connect(path, &in_use) {
        Err(StoreError::Open { source, .. }) if is_corruption(&source) && in_use.is_alone() => {
            notices.push(move_aside(path)?);
            forget_suspicion(path);
            let connection = connect(path, &in_use)?;
            Ok((held(path, connection, in_use), notices))
        }
        Err(StoreError::Open { source, .. }) if is_corruption(&source) => {
            Err(StoreError::Corrupt { path: path.clone() })
        }
        Err(error) => Err(error),
        Ok(connection) => Ok((held(path, connection, in_use), notices)),
    }
}

fn held(path: &Path, connection: Connection, in_use: InUse) -> Held {
    Held { connection, log: part(path, "-wal"), _in_use: in_use.share() }
}

/// Returns the path with the symlinks of its directory resolved, since SQLite refuses all symlinks here.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let access = |source| StoreError::Access { path: path.to_owned(), source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| access(io::ErrorKind::InvalidInput.into()))?;
    Ok(fs::canonicalize(directory).map_err(access)?.join(name))
}

/// Makes sure that a regular file of mode 0600 lies at the path.
fn prepare(path: &Path) -> Result<(), StoreError> {
    let access = |source| StoreError::Access { path: path.to_owned(), source };
    let mut created = false;
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Ok(_) => created = true,
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(access(error)),
            }
            fs::symlink_metadata(path).map_err(access)?
        }
        found => found.map_err(access)?,
    };
    let kind = found.file_type();
    if !kind.is_file() {
        return Err(StoreError::NotAFile { path: path.to_owned(), kind: name_of(kind) });
    }
    if !created && found.permissions().mode() & 0o777 != 0o600 {
        // Some volumes have no modes. Their database is used all the same.
        let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
    }
    Ok(())
}

fn name_of(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "directory",
        kind if kind.is_symlink() => "symlink",
        kind if kind.is_fifo() => "FIFO",
        kind if kind.is_socket() => "socket",
        _ => "device",
    }
}

fn connect(path: &Path, in_use: &InUse) -> Result<Connection, StoreError> {
    prepare(path)?;
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags).map_err(open)?;
    configure(&connection).map_err(open)?;
    let found = schema::version(&connection).map_err(open)?;
    if found > schema::NEWEST {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::NEWEST });
    }
    if in_use.is_alone() && suspicion(path).exists() {
        check_all(&connection).map_err(open)?;
        forget_suspicion(path);
    } else if in_use.was_killed() {
        check(&connection, "PRAGMA quick_check(1)").map_err(open)?;
    }
    schema::migrate(&mut connection).map_err(open)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode = |mode: &str| {
        connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get::<_, String>(0))
    };
    // SQLite keeps the former mode where the file system has no shared memory.
    match mode("WAL") {
        Ok(kept) if kept == "wal" => {}
        Err(error) if is_corruption(&error) => return Err(error),
        _ => {
            mode("DELETE")?;
        }
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -512; PRAGMA mmap_size = 0;
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
    )
}

fn check(connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
    match connection.query_row(pragma, [], |row| row.get::<_, String>(0))?.as_str() {
        "ok" => Ok(()),
        finding => Err(corruption(finding)),
    }
}

/// Checks the whole database. A broken search index is made again from the messages.
fn check_all(connection: &Connection) -> rusqlite::Result<()> {
    if check(connection, "PRAGMA integrity_check(1)").is_err() {
        connection.execute_batch("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")?;
        check(connection, "PRAGMA integrity_check(1)")?;
    }
    Ok(())
}

fn corruption(finding: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(finding.to_owned()))
}

fn move_aside(path: &Path) -> Result<String, StoreError> {
    let aside = set_aside::path(path, SystemTime::now());
    for end in PARTS {
        match fs::rename(part(path, end), part(&aside, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(|source| StoreError::SetAside { path: path.to_owned(), source })?,
        }
    }
    Ok(format!(
        "The database {} is corrupt. It is kept as {}, and a new one begins.",
        path.display(),
        aside.display()
    ))
}

/// Notes that a use of the database found it corrupt. The next process that has it alone checks it.
pub(crate) fn mark_as_suspect(path: &Path) {
    // On a full or read-only disk the next use finds the same.
    let _ = lock_file::open(&suspicion(path));
}

fn forget_suspicion(path: &Path) {
    // A mark that stays costs a check at the next start.
    let _ = fs::remove_file(suspicion(path));
}

fn suspicion(path: &Path) -> PathBuf {
    part(path, ".suspect")
}

fn part(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A lock beside the database that shows its use to other processes. A volume may have no locks: then nobody is alone.
///
/// The file holds a byte while somebody uses the database. A byte without a lock is left of a process that was killed.
struct InUse {
    path: PathBuf,
    file: Option<File>,
    alone: bool,
    marked: bool,
}

/// The use of the database by this process.
#[derive(Debug)]
struct Use {
    path: PathBuf,
    file: File,
}

impl InUse {
    fn take(database: &Path) -> Self {
        let path = part(database, ".lock");
        let without = |path| Self { path, file: None, alone: false, marked: false };
        let Ok(mut file) = lock_file::open(&path) else { return without(path) };
        match lock_file::try_lock(&path, &mut file) {
            Ok(()) => {
                let marked = is_marked(&file);
                Self { path, file: Some(file), alone: true, marked }
            }
            Err(TryLockError::WouldBlock) => {
                // A process that is alone checks the database, or sets it aside.
                let shared = file.lock_shared().is_ok();
                Self { path, file: shared.then_some(file), alone: false, marked: false }
            }
            Err(TryLockError::Error(_)) => without(path),
        }
    }

    fn is_alone(&self) -> bool {
        self.alone
    }

    /// Returns `true` if the last process that used the database was killed.
    fn was_killed(&self) -> bool {
        self.alone && self.marked
    }

    fn share(self) -> Option<Use> {
        let Self { path, file, .. } = self;
        let mut file = file?;
        // Without the lock, others may believe that they are alone. They then check a sound database.
        lock_file::try_lock_shared(&path, &mut file).ok()?;
        if !is_marked(&file) {
            // A full disk costs the check after a kill.
            let _ = file.write_all_at(b"1", 0);
        }
        Some(Use { path, file })
    }
}

impl Drop for Use {
    /// Removes the mark if no other process uses the database.
    fn drop(&mut self) {
        if lock_file::try_lock(&self.path, &mut self.file).is_ok() {
            // A mark that stays costs a check at the next start.
            let _ = self.file.set_len(0);
        }
    }
}

fn is_marked(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.len() > 0)
}
