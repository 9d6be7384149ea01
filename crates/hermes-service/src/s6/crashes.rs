//! The restart back-off of a gateway. It is restarted after a growing delay and finally given up. The policy
//! is `gateway.restart` in the configuration ([`RestartPolicy`]).
//!
//! s6 supports the final stop: `finish` exits 125 and the slot stays down. s6 keeps one second between two
//! starts. The `run` script of the slot waits for the rest of the delay, so that a stop or start is not
//! delayed. The two scripts share `crashes.json` in the slot. It does not outlive the container, whose
//! restart is a new chance.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use hermes_core::config::RestartPolicy;
use hermes_os::presence::if_present;
use hermes_os::whole_file::{self, ReadError, WriteError};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::status::SlotState;

/// The name of the file in the slot.
const FILE: &str = "crashes.json";
/// The longest file that is read, in bytes: hundreds of crashes.
const FILE_MAX: u64 = 64 * 1024;

/// The signal that asks a process to end, signal(7).
const SIGTERM: i32 = 15;

/// `EX_CONFIG` of sysexits.h: the gateway cannot run with its configuration.
const EX_CONFIG: i32 = 78;

/// Signals that end processes, with the numbers of signal(7) that all our architectures share.
const SIGNALS: [(i32, &str); 9] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
];

/// The end of a process, in the arguments of `finish` (s6-supervise(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The exit code.
    Code(i32),
    /// The signal.
    Signal(i32),
}

impl Ending {
    /// Converts the first two arguments of `finish`: the exit code, or 256 and the signal.
    pub fn of_finish(code: i32, signal: i32) -> Self {
        if code > 255 { Self::Signal(signal) } else { Self::Code(code) }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match SIGNALS.iter().find(|(number, _)| number == signal) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The decision about a gateway that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway ended as requested.
    Requested,
    /// The gateway is restarted after a delay.
    Again {
        /// The number of crashes within the window, with this one.
        crashes: u64,
        /// The time from the end to the next start.
        delay: Duration,
    },
    /// The gateway is given up.
    GivenUp {
        /// The reason in words.
        reason: String,
    },
}

/// The record of a gateway's crashes since the operator last started it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crashes {
    /// The number of restarts.
    #[serde(default)]
    pub restarts: u64,
    /// The times of the crashes within the window, in milliseconds after the boot of the machine. Nobody can
    /// set that clock.
    #[serde(default)]
    at: Vec<u64>,
    /// The times of the restarts within the last hour, in milliseconds on the same clock. A start by the
    /// operator keeps them.
    #[serde(default)]
    restarted_at: Vec<u64>,
    /// The reason why the gateway was given up, if it was.
    #[serde(default)]
    pub gave_up: Option<String>,
    /// The line that `finish` prints when it gives the gateway up: a start that fails waits until the log has it.
    #[serde(default)]
    pub last_words: Option<String>,
}

/// The time for which a restart is remembered.
const RESTARTS_KEPT: Duration = Duration::from_secs(3600);
/// The largest number of remembered restarts. A crash loop makes fewer in that time.
const RESTARTS_MAX: usize = 240;

impl Crashes {
    /// Reads the record in the slot; an empty one if there is no file.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read.
    pub fn load(slot: &Path) -> Result<Self, ReadError> {
        let bytes = whole_file::read(&slot.join(FILE), FILE_MAX)?;
        // Only hermes writes the file. A malformed file counts as an empty record.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Writes the record into the slot.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn save(&self, slot: &Path) -> Result<(), WriteError> {
        whole_file::write_for_now(&slot.join(FILE), serde_json::json!(self).to_string().as_bytes(), 0o644)
    }

    /// Discards the record except for the restarts of the last hour, for a start by the operator.
    pub(super) fn forget(slot: &Path) -> io::Result<()> {
        let left = Self::load(slot).unwrap_or_default().after_manual_start(Self::now());
        if left != Self::default() && left.save(slot).is_ok() {
            return Ok(());
        }
        if_present(std::fs::remove_file(slot.join(FILE))).map(drop)
    }

    /// Returns the remaining record after a start by the operator at `now`.
    fn after_manual_start(self, now: Duration) -> Self {
        let mut left = Self { restarted_at: self.restarted_at, ..Self::default() };
        left.retain_restarts(now);
        left
    }

    /// Returns `true` if the gateway crashed or was given up since the operator last started it.
    pub(super) fn has_failed(&self) -> bool {
        self.restarts > 0 || !self.at.is_empty() || self.gave_up.is_some()
    }

    /// Returns `true` if a gateway in that state is about to start without a crash: `finish` runs, or s6
    /// waits for its second.
    pub fn comes_back(&self, state: &SlotState) -> bool {
        !state.up && state.desired_up && !self.has_failed()
    }

    /// Returns the time since each restart of the last hour, oldest first.
    pub fn restarted_ago(&self, now: Duration) -> Vec<Duration> {
        let ago = |at: &u64| now.checked_sub(Duration::from_millis(*at));
        self.restarted_at.iter().filter_map(ago).filter(|ago| *ago < RESTARTS_KEPT).collect()
    }

    fn retain_restarts(&mut self, now: Duration) {
        let (now, begin) = (as_millis(now), as_millis(now.saturating_sub(RESTARTS_KEPT)));
        self.restarted_at.retain(|&at| at >= begin && at <= now);
        let from = self.restarted_at.len().saturating_sub(RESTARTS_MAX);
        self.restarted_at.drain(..from);
    }

    /// Records an end at `now` and decides. `desired_up` is `true` if s6 would restart the gateway.
    pub fn ended(
        &mut self,
        ending: Ending,
        desired_up: bool,
        policy: &RestartPolicy,
        now: Duration,
    ) -> Verdict {
        // A gateway exits 0 only on request. SIGTERM ends one that does not listen for it yet.
        if !desired_up || matches!(ending, Ending::Code(0) | Ending::Signal(SIGTERM)) {
            return Verdict::Requested;
        }
        if ending == Ending::Code(EX_CONFIG) {
            let reason = format!("it cannot run with its configuration ({ending})");
            return self.give_up(reason);
        }
        let now = as_millis(now);
        let begin = now.saturating_sub(as_millis(policy.window));
        self.at.retain(|&at| at >= begin && at <= now);
        self.at.push(now);
        let crashes = self.at.len() as u64;
        if crashes >= policy.max_crashes {
            let window = humantime::format_duration(policy.window);
            return self
                .give_up(format!("it crashed {crashes} times within {window}, at last with {ending}"));
        }
        self.restarts += 1;
        self.restarted_at.push(now);
        self.retain_restarts(Duration::from_millis(now));
        Verdict::Again { crashes, delay: self.delay(policy) }
    }

    fn give_up(&mut self, reason: String) -> Verdict {
        self.gave_up = Some(reason.clone());
        Verdict::GivenUp { reason }
    }

    /// Returns the time from the last crash to the next start: zero after the first crash, then one second,
    /// doubled with each crash up to the policy's limit.
    fn delay(&self, policy: &RestartPolicy) -> Duration {
        match self.at.len() {
            0 | 1 => Duration::ZERO,
            more => {
                let doublings = u32::try_from(more - 2).unwrap_or(u32::MAX).min(16);
                Duration::from_secs(1 << doublings).min(policy.max_delay)
            }
        }
    }

    /// Returns the rest of the delay at `now`.
    pub fn delay_left(&self, policy: &RestartPolicy, now: Duration) -> Duration {
        let Some(&last) = self.at.last() else { return Duration::ZERO };
        let passed = as_millis(now).saturating_sub(last);
        self.delay(policy).saturating_sub(Duration::from_millis(passed))
    }

    /// Returns the time since the boot of the machine, which includes suspension (CLOCK_BOOTTIME).
    pub fn now() -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy { max_crashes: 5, window: Duration::from_secs(60), max_delay: Duration::from_secs(3) }
    }

    fn crash(crashes: &mut Crashes, second: u64) -> Verdict {
        crashes.ended(Ending::Signal(9), true, &policy(), Duration::from_secs(second))
    }

    #[test]
    fn the_delay_grows_until_the_gateway_is_given_up() {
        let mut crashes = Crashes::default();
        let again = |crashes, seconds| Verdict::Again { crashes, delay: Duration::from_secs(seconds) };
        assert_eq!(crash(&mut crashes, 1), again(1, 0));
        assert_eq!(crash(&mut crashes, 2), again(2, 1));
        assert_eq!(crash(&mut crashes, 3), again(3, 2));
        assert_eq!(crash(&mut crashes, 4), again(4, 3));
        let Verdict::GivenUp { reason } = crash(&mut crashes, 5) else { panic!("not given up") };
        assert_eq!(reason, "it crashed 5 times within 1m, at last with SIGKILL");
        assert_eq!((crashes.restarts, crashes.gave_up), (4, Some(reason)));
    }

    #[test]
    fn old_crashes_do_not_count() {
        let mut crashes = Crashes::default();
        for second in [0, 100, 200, 300, 400, 500, 600] {
            let verdict = crash(&mut crashes, second);
            assert_eq!(verdict, Verdict::Again { crashes: 1, delay: Duration::ZERO }, "second {second}");
        }
        assert_eq!(crashes.restarts, 7);
    }

    #[test]
    fn a_requested_end_is_no_crash() {
        let mut crashes = Crashes::default();
        let now = Duration::from_secs(9);
        assert_eq!(crashes.ended(Ending::Code(0), true, &policy(), now), Verdict::Requested);
        assert_eq!(crashes.ended(Ending::Signal(15), true, &policy(), now), Verdict::Requested);
        assert_eq!(crashes.ended(Ending::Signal(9), false, &policy(), now), Verdict::Requested);
        assert_eq!(crashes.ended(Ending::Code(78), false, &policy(), now), Verdict::Requested);
        assert_eq!(crashes, Crashes::default());
    }

    #[test]
    fn a_wrong_configuration_is_given_up_at_once() {
        let verdict = Crashes::default().ended(Ending::Code(78), true, &policy(), Duration::from_secs(9));
        assert!(matches!(verdict, Verdict::GivenUp { reason } if reason.contains("configuration")));
    }

    #[test]
    fn the_delay_counts_from_the_crash() {
        let mut crashes = Crashes::default();
        for second in [10, 11, 12] {
            crash(&mut crashes, second);
        }
        let left = |millis| crashes.delay_left(&policy(), Duration::from_millis(millis));
        assert_eq!(left(12_000), Duration::from_secs(2));
        assert_eq!(left(13_500), Duration::from_millis(500));
        assert_eq!(left(20_000), Duration::ZERO);
    }

    #[test]
    fn restarts_of_the_last_hour_are_listed_oldest_first() {
        let mut crashes = Crashes::default();
        for second in [10, 3000, 3900] {
            crash(&mut crashes, second);
        }
        let ago = |second| -> Vec<u64> {
            let ago = crashes.restarted_ago(Duration::from_secs(second));
            ago.iter().map(Duration::as_secs).collect()
        };
        assert_eq!(ago(4000), [1000, 100], "the first is longer ago than an hour");
        assert_eq!(ago(3500), [500], "what is yet to come is not told");
        assert!(ago(9000).is_empty());
        assert_eq!(crashes.restarted_at, [3_000_000, 3_900_000], "and what is long past is not kept");
    }

    #[test]
    fn a_manual_start_keeps_only_recent_restarts() {
        let mut crashes = Crashes::default();
        for second in [10, 3000, 3010, 3011, 3012, 3013] {
            crash(&mut crashes, second);
        }
        assert!(crashes.has_failed() && crashes.gave_up.is_some(), "{crashes:?}");
        let left = crashes.after_manual_start(Duration::from_secs(4000));
        let restarted_at = vec![3_000_000, 3_010_000, 3_011_000, 3_012_000];
        assert_eq!(left, Crashes { restarted_at, ..Crashes::default() });
        assert!(!left.has_failed());
        assert_eq!(left.after_manual_start(Duration::from_secs(9000)), Crashes::default());
    }

    #[test]
    fn a_long_crash_loop_keeps_the_newest_restarts() {
        let policy = RestartPolicy {
            max_crashes: 1000,
            window: Duration::from_secs(60),
            max_delay: Duration::from_secs(3),
        };
        let mut crashes = Crashes::default();
        for second in 0..500 {
            crashes.ended(Ending::Signal(9), true, &policy, Duration::from_secs(second));
        }
        let ago = crashes.restarted_ago(Duration::from_secs(499));
        assert_eq!(ago, (0..240).rev().map(Duration::from_secs).collect::<Vec<_>>());
        let folder = tempfile::tempdir().unwrap();
        crashes.save(folder.path()).unwrap();
        assert_eq!(Crashes::load(folder.path()).unwrap(), crashes);
    }

    #[test]
    fn a_manual_start_keeps_the_file_while_restarts_remain() {
        let folder = tempfile::tempdir().unwrap();
        let mut crashes = Crashes::default();
        crashes.ended(Ending::Signal(9), true, &policy(), Crashes::now());
        crashes.save(folder.path()).unwrap();
        Crashes::forget(folder.path()).unwrap();
        let left = Crashes::load(folder.path()).unwrap();
        assert_eq!((left.restarted_at.len(), left.restarts, left.at.len()), (1, 0, 0));
        Crashes { restarts: 3, ..Crashes::default() }.save(folder.path()).unwrap();
        Crashes::forget(folder.path()).unwrap();
        assert!(!folder.path().join(FILE).exists(), "nothing is left to tell");
    }

    #[test]
    fn a_file_without_restart_times_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), r#"{"restarts":2,"at":[5,6],"gave_up":null}"#).unwrap();
        let crashes = Crashes::load(folder.path()).unwrap();
        assert_eq!(crashes, Crashes { restarts: 2, at: vec![5, 6], ..Crashes::default() });
        assert_eq!(crashes.last_words, None);
        assert!(crashes.restarted_ago(Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn the_record_stays_in_the_slot_until_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Crashes::load(folder.path()).unwrap(), Crashes::default());
        let mut crashes = Crashes::default();
        crash(&mut crashes, 1);
        crashes.restarted_at.clear();
        crashes.save(folder.path()).unwrap();
        assert_eq!(Crashes::load(folder.path()).unwrap(), crashes);
        Crashes::forget(folder.path()).unwrap();
        Crashes::forget(folder.path()).unwrap();
        assert_eq!(Crashes::load(folder.path()).unwrap(), Crashes::default());
    }
}
