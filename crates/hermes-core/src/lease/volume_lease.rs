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

/// The longest file that is read as a lease, in bytes.
const FILE_MAX: u64 = 16 * 1024;

/// The lease of another holder that may live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The other's lease, as it lies there; nothing where the bytes are none.
    pub lease: Option<Lease>,
    /// The other lives: it has the lock. Else it may be dead, and its beat tells.
    pub is_locked: bool,
    /// The bytes of the file, to be compared with later ones.
    bytes: Vec<u8>,
}

impl Obstacle {
    /// For how long the file has to stay as it is until its holder counts as dead.
    pub fn ttl(&self) -> Duration {
        self.lease.as_ref().map_or(TTL, Lease::ttl)
    }

    /// Whether the holder gave a sign of life between `earlier` and this.
    pub fn has_moved_since(&self, earlier: &Self) -> bool {
        self.is_locked || self.bytes != earlier.bytes
    }
}

/// Why the lease was not looked at, or not written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The lock beside it.
    #[error("lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What lies there.
    #[error("read the lease of the volume")]
    Read(#[source] ReadError),
    /// The new lease.
    #[error("write the lease of the volume")]
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
    /// The lease of `home`, for `me`.
    pub fn new(home: Home, me: Holder) -> Self {
        Self { home, me }
    }

    /// Who looks.
    pub fn me(&self) -> &Holder {
        &self.me
    }

    /// Takes the volume, if nobody who may live has it.
    ///
    /// # Errors
    /// The lock or the file cannot be opened, read or written.
    pub fn take(&self) -> Result<Acquire, LeaseError> {
        self.try_to_take(None)
    }

    /// Takes the volume although `dead` has it, which gave no sign of life for its [`ttl`](Obstacle::ttl).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_over(&self, dead: &Obstacle) -> Result<Acquire, LeaseError> {
        self.try_to_take(Some(dead))
    }

    fn try_to_take(&self, dead: Option<&Obstacle>) -> Result<Acquire, LeaseError> {
        let lock = self.lock()?;
        let (bytes, lease) = self.look()?;
        let obstacle = |is_locked| Obstacle {
            lease: lease.clone(),
            is_locked,
            bytes: bytes.clone().unwrap_or_default(),
        };
        let lock = match lock {
            Lock::Taken(lock) => Some(lock),
            Lock::Others => return Ok(Acquire::Obstacle(obstacle(true))),
            Lock::NotSupported => None,
        };
        let is_free = match (&bytes, &lease) {
            (None, _) => true,
            (_, Some(lease)) if lease.holder.instance == self.me.instance => true,
            // The lock is this kernel's, and nobody of this kernel has it.
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

    /// Writes the next beat, which shows that the holder lives.
    ///
    /// # Errors
    /// The file cannot be read or written; the lease may run out.
    pub fn renew(&self, held: &mut Held) -> Result<Renewal, LeaseError> {
        let (bytes, lease) = self.look()?;
        if let Some(other) = lease.as_ref().filter(|lease| lease.holder.instance != self.me.instance) {
            let lease = Some(other.clone());
            let bytes = bytes.unwrap_or_default();
            return Ok(Renewal::Lost(Obstacle { lease, is_locked: false, bytes }));
        }
        self.write(held).map(|()| Renewal::Renewed)
    }

    /// Gives the volume back, if it is still the holder's.
    ///
    /// # Errors
    /// The file cannot be read or removed; then it runs out.
    pub fn give_back(&self, held: Held) -> Result<(), LeaseError> {
        let (_, lease) = self.look()?;
        if lease.is_some_and(|lease| lease.holder.instance == self.me.instance) {
            let path = self.home.lease();
            rustix::fs::unlink(&path).map_err(|errno| LeaseError::Lock { path, source: errno.into() })?;
        }
        drop(held);
        Ok(())
    }

    /// What lies there: the bytes, and the lease that they are, if they are one.
    fn look(&self) -> Result<(Option<Vec<u8>>, Option<Lease>), LeaseError> {
        let bytes = whole_file::read(&self.home.lease(), FILE_MAX).map_err(LeaseError::Read)?;
        let lease = bytes.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Ok((bytes, lease))
    }

    fn write(&self, held: &mut Held) -> Result<(), LeaseError> {
        // The file, which anybody may have written, said where to begin.
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
            Err(Errno::WOULDBLOCK) => Ok(Lock::Others),
            // What some network file systems say: then the beat alone tells.
            Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(Lock::NotSupported),
            Err(error) => Err(failed(error.into())),
        }
    }
}

enum Lock {
    Taken(File),
    Others,
    NotSupported,
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
