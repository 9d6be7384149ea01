//! The board: the state of all agents, shared by all open pages.
//!
//! Each row has the version in which it last changed. A stream asks for the next change after the version that it has sent. So a
//! slow reader skips states in between, and makes nothing wait or grow.

mod row;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hermes_operations::{Gateway, Report};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use crate::process_usage::Usage;

pub(crate) use row::{Profile, RowView, mebibytes};

/// The number of removed profiles that are remembered for streams. A stream that missed more gets the names of all profiles.
const GONE_MAX: usize = 256;

/// The state of all agents at the last refresh.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The version of the last change.
    pub(crate) version: u64,
    pub(crate) rows: Vec<Row>,
    gone: VecDeque<(String, u64)>,
    /// The removals up to this version are forgotten.
    forgotten: u64,
    pub(crate) refreshed: Option<Instant>,
    /// The duration of the refresh.
    pub(crate) took: Duration,
    /// The failure of the last refresh. The rows are then those of the refresh before.
    pub(crate) failure: Option<Report>,
}

/// A profile on the board.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) profile: Profile,
    pub(crate) view: RowView,
    pub(crate) version: u64,
    /// The HTML that streams send. It is rendered once for all of them.
    sent_html: Arc<OnceLock<Arc<str>>>,
}

impl Row {
    pub(crate) fn name(&self) -> &str {
        &self.profile.gateway.profile
    }

    fn sent_html(&self) -> Arc<str> {
        Arc::clone(self.sent_html.get_or_init(|| self.view.html().into()))
    }
}

/// The next change after a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A row is new, or has changed.
    Row { version: u64, name: String, html: Arc<str> },
    /// A profile is gone.
    Gone { version: u64, name: String },
    /// The names of all profiles, for a reader whose version is too old to find removals. Each row follows.
    All { version: u64, names: Vec<String> },
}

/// The versions that a stream has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The rows up to this version.
    version: u64,
    /// The removals up to this version, if it is the later of the two.
    removals: u64,
}

impl Seen {
    /// Everything up to a version was sent.
    pub(crate) fn up_to(version: u64) -> Self {
        Self { version, removals: version }
    }

    /// Adds a change.
    pub(crate) fn with(self, change: &Change) -> Self {
        match *change {
            Change::Row { version, .. } | Change::Gone { version, .. } => {
                Self { version, removals: self.removals.max(version) }
            }
            Change::All { version, .. } => Self { version: 0, removals: version },
        }
    }
}

/// The latest snapshot, and the streams that wait for the next one.
#[derive(Debug)]
pub(crate) struct Board {
    latest: watch::Sender<Arc<Snapshot>>,
    /// A stream has begun, or an action has run.
    wake: Notify,
    pub(crate) refreshing: AsyncMutex<()>,
    usages: Mutex<HashMap<u32, Usage>>,
}

impl Board {
    /// Begins without a snapshot. Its versions are above those of an earlier dashboard, whose pages may still be open.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(now.as_micros()).unwrap_or_default();
        let empty = Snapshot { version: first, forgotten: first, ..Snapshot::default() };
        Self {
            latest: watch::Sender::new(Arc::new(empty)),
            wake: Notify::default(),
            refreshing: AsyncMutex::default(),
            usages: Mutex::default(),
        }
    }

    /// Returns the latest snapshot.
    pub(crate) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.borrow())
    }

    /// Returns a receiver of the snapshots. While one exists, the board is refreshed.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        let watched = self.latest.subscribe();
        self.wake.notify_one();
        watched
    }

    /// Asks for a refresh now, because an action begins.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until a refresh is asked for.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until there is a receiver of the snapshots, or a refresh is asked for.
    pub(crate) async fn wait_for_watcher(&self) {
        if self.latest.receiver_count() == 0 {
            self.woken().await;
        }
    }

    /// Returns the snapshot of these gateways, compared with the latest one.
    pub(crate) fn next_snapshot(&self, gateways: Vec<Gateway>, base: &str) -> Snapshot {
        self.latest().next(gateways, &self.usages, base)
    }

    /// Makes a snapshot the latest one.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.latest.send_replace(Arc::new(snapshot));
    }
}

impl Snapshot {
    /// Returns the snapshot after this one.
    fn next(&self, gateways: Vec<Gateway>, usages: &Mutex<HashMap<u32, Usage>>, base: &str) -> Self {
        let now = SystemTime::now();
        let mut usages = usages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = HashMap::new();
        let before: HashMap<&str, &Row> =
            self.rows.iter().map(|row| (row.profile.gateway.profile.as_str(), row)).collect();
        let mut version = self.version;
        let mut rows = Vec::with_capacity(gateways.len());
        for gateway in gateways {
            let usage = gateway.pid.and_then(Usage::of);
            let earlier = gateway.pid.and_then(|pid| usages.get(&pid));
            let percent = usage.zip(earlier).and_then(|(now, earlier)| now.percent_since(earlier));
            if let Some((pid, usage)) = gateway.pid.zip(usage) {
                used.insert(pid, usage);
            }
            let before = before.get(gateway.profile.as_str()).copied();
            let profile = Profile::new(gateway, usage, percent, now, before.map(|row| &row.profile));
            let view = RowView::new(&profile, base);
            let (version, sent_html) = match before {
                Some(before) if before.view == view => (before.version, Arc::clone(&before.sent_html)),
                _ => {
                    version += 1;
                    (version, Arc::default())
                }
            };
            rows.push(Row { profile, view, version, sent_html });
        }
        *usages = used;
        drop(usages);
        let mut gone = self.gone.clone();
        let mut forgotten = self.forgotten;
        let here: std::collections::HashSet<&str> =
            rows.iter().map(|row| row.profile.gateway.profile.as_str()).collect();
        for name in before.keys().filter(|name| !here.contains(**name)) {
            version += 1;
            gone.push_back(((*name).to_owned(), version));
        }
        while gone.len() > GONE_MAX {
            if let Some((_, version)) = gone.pop_front() {
                forgotten = version;
            }
        }
        Self {
            version,
            rows,
            gone,
            forgotten,
            refreshed: Some(Instant::now()),
            took: Duration::ZERO,
            failure: None,
        }
    }

    /// Returns the view of a profile.
    pub(crate) fn view(&self, name: &str) -> Option<&RowView> {
        self.rows.iter().find(|row| row.view.name == name).map(|row| &row.view)
    }

    pub(crate) fn failed(&self, failure: Report) -> Self {
        Self { failure: Some(failure), ..self.clone() }
    }

    /// Returns the first change after the sent ones. Returns `None` if there is none.
    pub(crate) fn next_change(&self, seen: Seen) -> Option<Change> {
        if seen.version == self.version {
            return None;
        }
        if seen.removals < self.forgotten || seen.removals > self.version {
            let names = self.rows.iter().map(|row| row.profile.gateway.profile.clone()).collect();
            return Some(Change::All { version: self.version, names });
        }
        let row = self.rows.iter().filter(|row| row.version > seen.version).min_by_key(|row| row.version);
        let gone = self.gone.iter().find(|(_, gone)| *gone > seen.removals);
        match (row, gone) {
            (None, None) => None,
            (Some(row), gone) if gone.is_none_or(|(_, gone)| row.version < *gone) => Some(Change::Row {
                version: row.version,
                name: row.profile.gateway.profile.clone(),
                html: row.sent_html(),
            }),
            (_, Some((name, version))) => Some(Change::Gone { version: *version, name: name.clone() }),
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
#[path = "board/tests.rs"]
mod tests;
