//! The sessions. They are kept on the volume, so they survive a restart of the dashboard, and `hermes dashboard logout --all` reaches
//! a running dashboard.
//!
//! Only the browser knows the ID of its session. The file holds the digest of the ID.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hermes_core::{Home, chain};
use hermes_os::lock_file::LockFile;
use hermes_os::whole_file::{self, WriteError};
use serde::{Deserialize, Serialize};

use super::file_version::FileVersion;
use super::token::{TokenError, make_directory};
use super::{of_text, random};
use crate::say::warn;

/// The longest life of a session.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// The life of an unused session.
const IDLE: Duration = Duration::from_secs(24 * 3600);
/// The resolution of the time of the last use, in seconds. It avoids a write for each request.
const USE_STEP: u64 = 300;
/// The maximum number of sessions. The least recently used one ends first.
const SESSIONS_MAX: usize = 256;
/// The longest wait for another process that holds the lock.
const LOCKED: Duration = Duration::from_secs(2);
/// The beginning of the name of the cookie. The rest is specific to the installation: cookies ignore ports, and two dashboards of one host must not
/// share a cookie.
const COOKIE_PREFIX: &str = "hermes_session_";
/// The number of characters of the cookie's name that are specific to the installation.
const COOKIE_LENGTH: usize = 8;
/// The maximum length of the file, in bytes.
const FILE_MAX: u64 = 256 * 1024;

/// The session of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The ID in the cookie.
    pub(crate) id: String,
    /// The CSRF token of the session.
    pub(crate) csrf: String,
}

/// The record of a session. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    digest: String,
    began: u64,
    used: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Written {
    /// The end of the cookie's name.
    #[serde(default)]
    cookie: String,
    sessions: Vec<Kept>,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    path: PathBuf,
    /// Held from the read of the file to the write, so no write of another process is lost, above all a logout of all sessions.
    lock: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The end of the cookie's name: random, and the installation's own.
    cookie: String,
    kept: HashMap<String, Kept>,
    /// The version of the file that was read or written last.
    version: Option<FileVersion>,
    /// `true` after a warning.
    has_warned: bool,
}

impl Sessions {
    /// Loads the sessions of the volume.
    pub(crate) fn of(home: &Home) -> Self {
        let sessions = Self { path: home.dashboard_sessions(), lock: lock_of(home), state: Mutex::default() };
        sessions.reload(&mut sessions.state());
        sessions
    }

    /// Returns the name of the cookie of this installation.
    pub(crate) fn cookie(&self) -> String {
        let mut state = self.state();
        self.reload(&mut state);
        name_cookie(&mut state);
        format!("{}{}", COOKIE_PREFIX, state.cookie)
    }

    /// Begins a session.
    ///
    /// # Errors
    /// The kernel returns no random ID.
    pub(crate) fn begin(&self, now: SystemTime) -> std::io::Result<Session> {
        let id = random()?;
        let now = seconds(now);
        let mut state = self.state();
        let _held = hold(&self.lock);
        self.reload(&mut state);
        name_cookie(&mut state);
        state.kept.retain(|_, session| session.is_alive(now));
        if state.kept.len() >= SESSIONS_MAX
            && let Some(oldest) = state.kept.values().min_by_key(|session| session.used)
        {
            let oldest = oldest.digest.clone();
            state.kept.remove(&oldest);
        }
        let digest = of_text(&id);
        state.kept.insert(digest.clone(), Kept { digest, began: now, used: now });
        self.keep(&mut state);
        Ok(Session::of(id))
    }

    /// Returns the session of this ID, if it exists and has not expired.
    pub(crate) fn find(&self, id: &str, now: SystemTime) -> Option<Session> {
        let now = seconds(now);
        let digest = of_text(id);
        let mut state = self.state();
        self.reload(&mut state);
        let session = state.kept.get(&digest).filter(|session| session.is_alive(now))?;
        if now >= session.used + USE_STEP {
            let _held = hold(&self.lock);
            self.reload(&mut state);
            state.kept.get_mut(&digest)?.used = now;
            self.keep(&mut state);
        }
        Some(Session::of(id.to_owned()))
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: &Session) {
        let mut state = self.state();
        let _held = hold(&self.lock);
        self.reload(&mut state);
        if state.kept.remove(&of_text(&session.id)).is_some() {
            self.keep(&mut state);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if another process has written it. A missing or malformed file means no sessions.
    fn reload(&self, state: &mut State) {
        let version = FileVersion::of(&self.path);
        if version == state.version {
            return;
        }
        let bytes = whole_file::read(&self.path, FILE_MAX).ok().flatten();
        let written: Written =
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        if is_cookie(&written.cookie) {
            state.cookie = written.cookie;
        }
        state.kept = written.sessions.into_iter().map(|session| (session.digest.clone(), session)).collect();
        state.version = version;
    }

    /// Writes the sessions. On a read-only volume they last as long as the process.
    fn keep(&self, state: &mut State) {
        let sessions = state.kept.values().cloned().collect();
        let text = serde_json::json!(Written { cookie: state.cookie.clone(), sessions }).to_string();
        match whole_file::write(&self.path, text.as_bytes(), 0o600) {
            Ok(()) => {
                state.version = FileVersion::of(&self.path);
                state.has_warned = false;
            }
            Err(error) if !state.has_warned => {
                warn(format_args!("logins end with this dashboard: {}", chain(&error)));
                state.has_warned = true;
            }
            Err(_) => {}
        }
    }
}

/// Ends all sessions of a volume. A running dashboard applies it from its next request on.
///
/// # Errors
/// The file cannot be written.
pub fn end_all(home: &Home) -> Result<(), TokenError> {
    make_directory(home)?;
    let _held = hold(&lock_of(home));
    let before = whole_file::read(&home.dashboard_sessions(), FILE_MAX).ok().flatten();
    let before: Written = before.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let text = serde_json::json!(Written { cookie: before.cookie, sessions: Vec::new() }).to_string();
    let written: Result<(), WriteError> =
        whole_file::write(&home.dashboard_sessions(), text.as_bytes(), 0o600);
    written.map_err(TokenError::Write)
}

/// Gives the installation's cookie a name if it has none.
fn name_cookie(state: &mut State) {
    if state.cookie.is_empty() {
        // Without random bits no session begins either.
        state.cookie = random().unwrap_or_default().chars().take(COOKIE_LENGTH).collect();
    }
}

fn is_cookie(text: &str) -> bool {
    text.len() == COOKIE_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn lock_of(home: &Home) -> PathBuf {
    home.dashboard_directory().join("sessions.lock")
}

/// Takes the lock of the file. Returns `None` if it cannot be taken in time; the caller then continues without it.
fn hold(lock: &Path) -> Option<LockFile> {
    LockFile::take(lock, LOCKED).ok()
}

impl Session {
    fn of(id: String) -> Self {
        let csrf = of_text(&format!("csrf {id}"));
        Self { id, csrf }
    }
}

impl Kept {
    fn is_alive(&self, now: u64) -> bool {
        now < self.began + LIFETIME.as_secs() && now < self.used + IDLE.as_secs()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        make_directory(&home).unwrap();
        (folder, home)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn a_session_is_found_by_its_id_after_a_restart() {
        let (_folder, home) = home();
        let sessions = Sessions::of(&home);
        let session = sessions.begin(at(0)).unwrap();
        assert_eq!(session.id.len(), 64);
        assert_ne!(session.csrf, session.id);
        for sessions in [&sessions, &Sessions::of(&home)] {
            assert_eq!(sessions.find(&session.id, at(1)), Some(session.clone()));
            assert_eq!(sessions.find(&session.csrf, at(1)), None);
            assert_eq!(sessions.find("", at(1)), None);
        }
        let text = std::fs::read_to_string(home.dashboard_sessions()).unwrap();
        assert!(!text.contains(&session.id) && !text.contains(&session.csrf), "{text}");
        assert!(!text.contains("null"));
    }

    #[test]
    fn a_session_ends_after_a_week_or_an_idle_day() {
        let (_folder, home) = home();
        let sessions = Sessions::of(&home);
        let idle = sessions.begin(at(0)).unwrap();
        assert!(sessions.find(&idle.id, at(IDLE.as_secs())).is_none());
        let used = sessions.begin(at(0)).unwrap();
        let mut hour = 0;
        while hour * 3600 < LIFETIME.as_secs() {
            assert!(sessions.find(&used.id, at(hour * 3600)).is_some(), "after {hour} hours");
            hour += 12;
        }
        assert!(sessions.find(&used.id, at(LIFETIME.as_secs())).is_none());
    }

    #[test]
    fn a_logout_ends_one_session_and_the_command_all() {
        let (_folder, home) = home();
        let sessions = Sessions::of(&home);
        let (one, other) = (sessions.begin(at(0)).unwrap(), sessions.begin(at(0)).unwrap());
        sessions.end(&one);
        assert!(sessions.find(&one.id, at(1)).is_none());
        assert!(sessions.find(&other.id, at(1)).is_some());
        end_all(&home).unwrap();
        assert!(sessions.find(&other.id, at(2)).is_none());
        let again = sessions.begin(at(3)).unwrap();
        std::fs::remove_file(home.dashboard_sessions()).unwrap();
        assert!(sessions.find(&again.id, at(4)).is_none(), "who removes the file means it");
    }

    #[test]
    fn a_logout_of_all_wins_over_concurrent_logins() {
        let (_folder, home) = home();
        let sessions = Sessions::of(&home);
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1.. {
                    if ended.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let session = sessions.begin(at(0)).unwrap();
                    sessions.find(&session.id, at(USE_STEP + number % 2));
                    sessions.end(&session);
                }
            });
            let back = (0..60).find(|_| {
                let session = sessions.begin(at(0)).unwrap();
                end_all(&home).unwrap();
                sessions.find(&session.id, at(1)).is_some()
            });
            ended.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(back, None, "who was logged out is logged in again");
        });
    }

    #[test]
    fn sessions_work_without_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("missing")).unwrap();
        let sessions = Sessions::of(&home);
        let session = sessions.begin(at(0)).unwrap();
        assert!(sessions.find(&session.id, at(1)).is_some());
    }

    #[test]
    fn the_number_of_sessions_is_limited() {
        let (_folder, home) = home();
        let sessions = Sessions::of(&home);
        let first = sessions.begin(at(0)).unwrap();
        for count in 0..SESSIONS_MAX as u64 {
            sessions.begin(at(1 + count)).unwrap();
        }
        assert!(sessions.find(&first.id, at(1000)).is_none());
        assert_eq!(sessions.state().kept.len(), SESSIONS_MAX);
    }
}
