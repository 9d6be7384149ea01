//! Acquires, renews and releases the lease of a volume.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hermes_os::lock_file;
use hermes_os::whole_file::{self, ReadError, WriteError};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::record::{Holder, Lease, TTL};
use crate::home::Home;
use crate::timestamp;

/// The longest lease file that is read, in bytes.
const FILE_MAX: u64 = 16 * 1024;

/// The lease of another holder, which may be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The lease in the file; `None` if the bytes hold no lease.
    pub lease: Option<Lease>,
    /// The other holder has the lock, so it is alive. If `false`, its beats decide.
    pub is_locked: bool,
    /// The bytes of the file, for a comparison with later ones.
    bytes: Vec<u8>,
}

impl Obstacle {
    /// Returns the time for which the file must stay unchanged until its holder counts as dead.
    pub fn ttl(&self) -> Duration {
        self.lease.as_ref().map_or(TTL, Lease::ttl)
    }

    /// Returns `true` if the holder was alive between `earlier` and this observation.
    pub fn has_moved_since(&self, earlier: &Self) -> bool {
        self.is_locked || self.bytes != earlier.bytes
    }
}

/// The reason why the lease was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The lock file could not be locked.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The lease could not be removed.
    #[error("failed to remove {}", path.display())]
    Remove {
        /// The file of the lease.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The lease could not be read.
    #[error("failed to read the lease of the volume")]
    Read(#[source] ReadError),
    /// The lease could not be written.
    #[error("failed to write the lease of the volume")]
    Write(#[source] WriteError),
}

/// The lease of one volume, seen by one holder.
#[derive(Debug)]
pub struct VolumeLease {
    home: Home,
    me: Holder,
}

/// The result of an attempt to acquire the lease.
#[derive(Debug)]
pub enum Acquire {
    /// The caller holds the lease.
    Held(Held),
    /// Another holder may live; the lease was not changed.
    Obstacle(Obstacle),
}

/// The result of a beat.
#[derive(Debug)]
pub enum Renewal {
    /// The caller still holds the lease.
    Renewed,
    /// Another holder took the lease.
    Lost(Obstacle),
}

/// The proof that this process holds the lease. Dropping it releases the lock.
#[derive(Debug)]
pub struct Held {
    _lock: Option<File>,
    beat: u64,
}

impl VolumeLease {
    /// Returns the lease of `home` for the holder `me`.
    pub fn new(home: Home, me: Holder) -> Self {
        Self { home, me }
    }

    /// Returns the holder that uses this value.
    pub fn me(&self) -> &Holder {
        &self.me
    }

    /// Takes the lease unless another holder may be alive.
    ///
    /// # Errors
    /// Fails if the lock or the file cannot be opened, read or written.
    pub fn take(&self) -> Result<Acquire, LeaseError> {
        self.acquire(None)
    }

    /// Takes the lease from `dead`, which gave no sign of life for its [`ttl`](Obstacle::ttl).
    ///
    /// # Errors
    /// Fails as [`take`](Self::take) does.
    pub fn take_over(&self, dead: &Obstacle) -> Result<Acquire, LeaseError> {
        self.acquire(Some(dead))
    }

    fn acquire(&self, dead: Option<&Obstacle>) -> Result<Acquire, LeaseError> {
        let lock = self.lock()?;
        let (bytes, lease) = self.read()?;
        let obstacle = |is_locked| Obstacle {
            lease: lease.clone(),
            is_locked,
            bytes: bytes.clone().unwrap_or_default(),
        };
        let lock = match lock {
            Lock::Taken(lock) => Some(lock),
            Lock::HeldByOther => return Ok(Acquire::Obstacle(obstacle(true))),
            Lock::NotSupported => None,
        };
        let is_free = match (&bytes, &lease) {
            (None, _) => true,
            (_, Some(lease)) if lease.holder.instance == self.me.instance => true,
            // The lock works within one kernel, and no process of this kernel has it.
            (_, Some(lease)) => lock.is_some() && lease.holder.host == self.me.host,
            (_, None) => false,
        };
        let is_dead = dead.is_some_and(|dead| !obstacle(false).has_moved_since(dead));
        if !is_free && !is_dead {
            return Ok(Acquire::Obstacle(obstacle(false)));
        }
        let mut held = Held { _lock: lock, beat: lease.map_or(0, |lease| lease.beat) };
        self.write(&mut held)?;
        Ok(Acquire::Held(held))
    }

    /// Writes the next beat.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written. The lease may then expire.
    pub fn renew(&self, held: &mut Held) -> Result<Renewal, LeaseError> {
        let (bytes, lease) = self.read()?;
        if let Some(other) = lease.as_ref().filter(|lease| lease.holder.instance != self.me.instance) {
            let lease = Some(other.clone());
            let bytes = bytes.unwrap_or_default();
            return Ok(Renewal::Lost(Obstacle { lease, is_locked: false, bytes }));
        }
        self.write(held).map(|()| Renewal::Renewed)
    }

    /// Releases the lease and removes the file, if this holder still has it.
    ///
    /// # Errors
    /// Fails if the file cannot be read or removed. The lease then expires.
    pub fn give_back(&self, held: Held) -> Result<(), LeaseError> {
        let (_, lease) = self.read()?;
        if lease.is_some_and(|lease| lease.holder.instance == self.me.instance) {
            let path = self.home.lease();
            rustix::fs::unlink(&path).map_err(|errno| LeaseError::Remove { path, source: errno.into() })?;
        }
        drop(held);
        Ok(())
    }

    /// Reads the bytes of the file, and the lease in them.
    fn read(&self) -> Result<(Option<Vec<u8>>, Option<Lease>), LeaseError> {
        let bytes = whole_file::read(&self.home.lease(), FILE_MAX).map_err(LeaseError::Read)?;
        let lease = bytes.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Ok((bytes, lease))
    }

    fn write(&self, held: &mut Held) -> Result<(), LeaseError> {
        // Any process may have written the file, so the counter may be at its maximum.
        held.beat = held.beat.wrapping_add(1);
        let lease = Lease {
            holder: self.me.clone(),
            beat: held.beat,
            heartbeat: timestamp::rfc3339(SystemTime::now()),
            ttl_seconds: Some(TTL.as_secs()),
        };
        let mut bytes = serde_json::json!(lease).to_string().into_bytes();
        bytes.push(b'\n');
        whole_file::write_for_now(&self.home.lease(), &bytes, 0o644).map_err(LeaseError::Write)
    }

    fn lock(&self) -> Result<Lock, LeaseError> {
        let path = self.home.lease_lock();
        let failed = |source: io::Error| LeaseError::Lock { path: path.clone(), source };
        let file = lock_file::open(&path).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock::Taken(file)),
            Err(Errno::WOULDBLOCK) => Ok(Lock::HeldByOther),
            // Some network file systems have no locks. Then only the beats decide.
            Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(Lock::NotSupported),
            Err(error) => Err(failed(error.into())),
        }
    }
}

enum Lock {
    Taken(File),
    HeldByOther,
    NotSupported,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
