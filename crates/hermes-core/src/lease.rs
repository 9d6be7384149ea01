//! Which container has the volume: `lease.json` at the root of `HERMES_HOME`, and the lock `lease.lock` beside it.
//!
//! Two signs tell that a holder lives, and neither is a clock that somebody can set:
//!
//! - The holder has the lock. The kernel releases it with the process, so on one machine (and on file systems that lock across
//!   machines) a holder that was killed is known to be dead at once.
//! - The holder's beat goes on. Who sees the file unchanged for as long as the lease itself says ([`Lease::ttl`]), by its own
//!   steady clock, takes a holder on another machine for dead.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::home::Home;
use crate::lock_file;
use crate::timestamp;
use crate::whole_file::{self, ReadError, WriteError};

/// From one beat of the holder to the next.
pub const BEAT: Duration = Duration::from_secs(10);
/// For how long a lease holds without a beat, where it does not say otherwise.
pub const TTL: Duration = Duration::from_secs(30);
/// The longest time without a beat that is believed.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// The longest file that is taken for a lease, in bytes.
const FILE_MAX: u64 = 16 * 1024;

/// Who may have the volume: one boot of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The container's host name: its short id, or what the operator called it.
    pub owner: String,
    /// The machine, by the id of its kernel's boot.
    pub host: String,
    /// This boot of the container, by a random id.
    pub instance: String,
}

/// What `lease.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who has the volume.
    #[serde(flatten)]
    pub holder: Holder,
    /// Goes up with each beat.
    pub beat: u64,
    /// When it last did, for people: RFC 3339. No decision is made from it.
    pub heartbeat: String,
    /// For how many seconds it holds without a beat.
    #[serde(default)]
    ttl_seconds: Option<u64>,
}

impl Lease {
    /// For how long it holds without a beat.
    pub fn ttl(&self) -> Duration {
        self.ttl_seconds.map_or(TTL, Duration::from_secs).clamp(Duration::from_secs(1), TTL_MAX)
    }
}

/// What stands in the way of who wants the volume.
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

/// The lease of one volume, as one holder sees it.
#[derive(Debug)]
pub struct Volume {
    home: Home,
    me: Holder,
}

/// The volume is the holder's, for as long as this is kept.
#[derive(Debug)]
pub struct Held {
    _lock: Option<File>,
    beat: u64,
}

impl Volume {
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
    pub fn take(&self) -> Result<Result<Held, Obstacle>, LeaseError> {
        self.try_to_take(None)
    }

    /// Takes the volume although `dead` has it, which gave no sign of life for its [`ttl`](Obstacle::ttl).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_over(&self, dead: &Obstacle) -> Result<Result<Held, Obstacle>, LeaseError> {
        self.try_to_take(Some(dead))
    }

    fn try_to_take(&self, dead: Option<&Obstacle>) -> Result<Result<Held, Obstacle>, LeaseError> {
        let lock = self.lock()?;
        let (bytes, lease) = self.look()?;
        let obstacle = |is_locked| Obstacle {
            lease: lease.clone(),
            is_locked,
            bytes: bytes.clone().unwrap_or_default(),
        };
        let lock = match lock {
            Lock::Taken(lock) => Some(lock),
            Lock::Others => return Ok(Err(obstacle(true))),
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
            return Ok(Err(obstacle(false)));
        }
        let mut held = Held { _lock: lock, beat: lease.map_or(0, |lease| lease.beat) };
        self.write(&mut held)?;
        Ok(Ok(held))
    }

    /// Shows that the holder lives. The error is what has taken its place: the volume is no longer its own.
    ///
    /// # Errors
    /// The file cannot be read or written; the lease may run out.
    pub fn beat(&self, held: &mut Held) -> Result<Result<(), Obstacle>, LeaseError> {
        let (bytes, lease) = self.look()?;
        if let Some(other) = lease.as_ref().filter(|lease| lease.holder.instance != self.me.instance) {
            let lease = Some(other.clone());
            return Ok(Err(Obstacle { lease, is_locked: false, bytes: bytes.unwrap_or_default() }));
        }
        self.write(held).map(Ok)
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
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn holder(owner: &str, host: &str) -> Holder {
        Holder { owner: owner.into(), host: host.into(), instance: format!("{owner} on {host}") }
    }

    fn volume(folder: &tempfile::TempDir, owner: &str, host: &str) -> Volume {
        Volume::new(Home::new(folder.path()).unwrap(), holder(owner, host))
    }

    fn on_disk(folder: &tempfile::TempDir) -> Lease {
        serde_json::from_slice(&fs::read(folder.path().join("lease.json")).unwrap()).unwrap()
    }

    #[test]
    fn the_first_has_the_volume_and_the_second_learns_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (volume(&folder, "one", "here"), volume(&folder, "two", "here"));
        let mut held = one.take().unwrap().unwrap();
        let obstacle = two.take().unwrap().unwrap_err();
        assert!(obstacle.is_locked);
        assert_eq!(obstacle.lease.unwrap().holder, holder("one", "here"));
        one.beat(&mut held).unwrap().unwrap();
        assert_eq!(on_disk(&folder).beat, 2);
    }

    #[test]
    fn a_holder_that_was_killed_on_this_machine_is_dead_at_once() {
        let folder = tempfile::tempdir().unwrap();
        // Dropped: what the kernel does with the lock of a process that was killed.
        drop(volume(&folder, "one", "here").take().unwrap().unwrap());
        assert_eq!(on_disk(&folder).holder.owner, "one");
        volume(&folder, "two", "here").take().unwrap().unwrap();
        assert_eq!(on_disk(&folder).holder.owner, "two");
    }

    #[test]
    fn a_holder_on_another_machine_is_dead_when_its_beat_has_stopped_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (there, here) = (volume(&folder, "one", "there"), volume(&folder, "two", "here"));
        // Its lock is not seen here.
        let mut held = there.take().unwrap().unwrap();
        held._lock = None;
        let first = here.take().unwrap().unwrap_err();
        assert!(!first.is_locked && first.ttl() == TTL);
        there.beat(&mut held).unwrap().unwrap();
        let second = here.take_over(&first).unwrap().unwrap_err();
        assert!(second.has_moved_since(&first), "it beats");
        here.take_over(&second).unwrap().unwrap();
        let lost = there.beat(&mut held).unwrap().unwrap_err();
        assert_eq!(lost.lease.unwrap().holder.owner, "two", "the first learns it at its next beat");
        assert_eq!(on_disk(&folder).holder.owner, "two", "and leaves the other's lease alone");
    }

    #[test]
    fn a_clock_that_jumps_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |heartbeat: &str| {
            let lease = format!(
                r#"{{"owner":"one","host":"there","instance":"x","beat":7,"heartbeat":"{heartbeat}","ttl_seconds":3}}"#
            );
            fs::write(folder.path().join("lease.json"), lease).unwrap();
        };
        for heartbeat in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
            write(heartbeat);
            let here = volume(&folder, "two", "here");
            let obstacle = here.take().unwrap().unwrap_err();
            assert_eq!(obstacle.ttl(), Duration::from_secs(3));
            here.take_over(&obstacle).unwrap().unwrap();
        }
    }

    #[test]
    fn a_lease_that_is_none_is_somebodys_until_it_has_not_moved() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in ["", "null", "[]", "{\"owner\":1}", "\u{fffd}"] {
            fs::write(folder.path().join("lease.json"), bytes).unwrap();
            let here = volume(&folder, "two", "here");
            let obstacle = here.take().unwrap().unwrap_err();
            assert_eq!((obstacle.lease.clone(), obstacle.ttl()), (None, TTL), "{bytes}");
            here.take_over(&obstacle).unwrap().unwrap();
        }
    }

    #[test]
    fn a_boot_that_goes_on_has_its_own_lease_and_one_that_ends_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let one = volume(&folder, "one", "here");
        drop(one.take().unwrap().unwrap());
        let held = one.take().unwrap().unwrap();
        one.give_back(held).unwrap();
        assert!(!folder.path().join("lease.json").exists());
    }

    #[test]
    fn what_is_no_longer_ones_own_is_not_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let one = volume(&folder, "one", "there");
        let mut held = one.take().unwrap().unwrap();
        held._lock = None;
        let two = volume(&folder, "two", "here");
        let dead = two.take().unwrap().unwrap_err();
        let _held = two.take_over(&dead).unwrap().unwrap();
        one.give_back(held).unwrap();
        assert_eq!(on_disk(&folder).holder.owner, "two");
    }

    proptest! {
        #[test]
        fn a_lease_of_any_content_can_be_taken_over(
            owner in "\\PC{0,8}", beat in prop_oneof![any::<u64>(), Just(u64::MAX)], ttl in any::<Option<u64>>(),
            host in "here|there", noise in prop::collection::vec(any::<u8>(), 0..60), cut in 0..200_usize,
        ) {
            let holder = Holder { owner, host, instance: "x".into() };
            let lease = Lease { holder, beat, heartbeat: String::new(), ttl_seconds: ttl };
            let whole = serde_json::to_vec(&lease).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Lease>(&whole).unwrap(), &lease);
            prop_assert!(lease.ttl() >= Duration::from_secs(1) && lease.ttl() <= TTL_MAX);
            let part = whole[..cut.min(whole.len())].to_vec();
            for bytes in [noise, part, whole] {
                let folder = tempfile::tempdir().unwrap();
                fs::write(folder.path().join("lease.json"), bytes).unwrap();
                let here = volume(&folder, "two", "here");
                let mut held = match here.take().unwrap() {
                    Ok(held) => held,
                    Err(obstacle) => here.take_over(&obstacle).unwrap().unwrap(),
                };
                here.beat(&mut held).unwrap().unwrap();
                prop_assert_eq!(on_disk(&folder).holder.owner, "two");
            }
        }
    }
}
