//! The key of the API. A generated key is read again when its file has changed, so that a rotation needs no restart.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hermes_core::chain;
use hermes_core::gateway::api_key::{self, ApiKey};
use tokio::time;

use crate::disk::Disk;
use crate::error::GatewayError;
use crate::options::Options;
use crate::say::warn;
use crate::settings;

/// The interval at which requests with a valid key cause a look at the file. A key that was replaced is refused after it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The longest wait for a look at the file, before a request with another key is refused.
const LOOK_WAIT: Duration = Duration::from_secs(2);

/// The key of the API.
#[derive(Debug)]
pub(crate) enum Keys {
    /// The operator configured it.
    Configured(ApiKey),
    /// It is generated.
    Generated {
        /// The file.
        file: Arc<KeyFile>,
        /// The thread that looks at the file.
        disk: Disk,
    },
}

/// The file of a generated key.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    known: Mutex<Known>,
}

/// The last content of the file. Without a key, no request is accepted.
#[derive(Debug)]
struct Known {
    key: Option<ApiKey>,
    version: Option<Version>,
    looked_at: Instant,
}

/// Differs after each replacement of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Keys {
    /// Reads the key of the gateway that `options` describe. Generates it if there is none. A file that cannot be read or written is a
    /// warning: the Unix socket needs no key.
    ///
    /// # Errors
    /// The configured key cannot be used.
    pub(crate) fn open(options: &Options, disk: Disk) -> Result<Self, GatewayError> {
        if let Some(configured) = settings::configured_key(options)? {
            return Ok(Self::Configured(configured.key));
        }
        let path = options.home.api_key(&options.profile);
        if let Err(error) = api_key::load_or_generate(&path) {
            warn(format_args!("{}; the port accepts no key", chain(&error)));
        }
        let known = Mutex::new(Known { key: None, version: None, looked_at: Instant::now() });
        let file = Arc::new(KeyFile { path, known });
        file.look();
        Ok(Self::Generated { file, disk })
    }

    /// Tells whether `candidate` is the key.
    pub(crate) async fn accepts(&self, candidate: &[u8]) -> bool {
        match self {
            Self::Configured(key) => key.is(candidate),
            Self::Generated { file, disk } => {
                let looking = |file: &Arc<KeyFile>| {
                    let file = Arc::clone(file);
                    disk.start(move || file.look())
                };
                if file.is(candidate) {
                    if file.is_due() {
                        drop(looking(file));
                    }
                    return true;
                }
                // A disk that hangs must not hold the request.
                let _ = time::timeout(LOOK_WAIT, looking(file)).await;
                file.is(candidate)
            }
        }
    }
}

impl KeyFile {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, candidate: &[u8]) -> bool {
        self.known().key.as_ref().is_some_and(|key| key.is(candidate))
    }

    /// Tells whether the last look is [`LOOK_INTERVAL`] ago. Counts as a look.
    fn is_due(&self) -> bool {
        let mut known = self.known();
        let is_due = known.looked_at.elapsed() >= LOOK_INTERVAL;
        if is_due {
            known.looked_at = Instant::now();
        }
        is_due
    }

    /// Reads the file if it has changed.
    fn look(&self) {
        let version = Version::of(&self.path);
        if version == self.known().version {
            return;
        }
        let key = api_key::generated(&self.path).unwrap_or_else(|error| {
            warn(format_args!("{}; the port accepts no key", chain(&error)));
            None
        });
        let mut known = self.known();
        // The version is older than the key, or of the same file: a change between the two causes another look.
        (known.key, known.version) = (key, version);
    }
}

impl Version {
    /// Returns `None` if there is no file.
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { inode: found.ino(), length: found.len(), changed: (found.ctime(), found.ctime_nsec()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::gateway::{TestHome, coder};

    #[tokio::test]
    async fn a_rotated_key_is_accepted_at_once() {
        let home = TestHome::new();
        let keys = Keys::open(&home.options(), Disk::open().unwrap()).unwrap();
        let path = home.home.api_key(&coder());
        let old = api_key::generated(&path).unwrap().unwrap();
        assert!(keys.accepts(old.reveal().as_bytes()).await);
        for wrong in [&b""[..], b"hk_", b"Bearer"] {
            assert!(!keys.accepts(wrong).await);
        }
        let new = api_key::replace(&path).unwrap();
        assert!(keys.accepts(new.reveal().as_bytes()).await);
        assert!(!keys.accepts(old.reveal().as_bytes()).await);
    }

    #[tokio::test]
    async fn a_replaced_key_is_refused_after_a_moment() {
        let home = TestHome::new();
        let keys = Keys::open(&home.options(), Disk::open().unwrap()).unwrap();
        let path = home.home.api_key(&coder());
        let old = api_key::generated(&path).unwrap().unwrap();
        api_key::replace(&path).unwrap();
        let give_up = Instant::now() + Duration::from_secs(20);
        while keys.accepts(old.reveal().as_bytes()).await {
            assert!(Instant::now() < give_up, "the old key stays valid");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn without_its_file_no_key_is_accepted() {
        let home = TestHome::new();
        let path = home.home.api_key(&coder());
        std::fs::write(&path, "two words\n").unwrap();
        let keys = Keys::open(&home.options(), Disk::open().unwrap()).unwrap();
        for key in [&b""[..], b"two words", b"two"] {
            assert!(!keys.accepts(key).await);
        }
        let new = api_key::replace(&path).unwrap();
        assert!(keys.accepts(new.reveal().as_bytes()).await);
    }
}
