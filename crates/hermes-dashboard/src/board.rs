//! How all agents are, looked at for as long as somebody watches: one look for all who do.
//!
//! Each row has the version in which it last changed. Whoever watches asks for the next change after the one it has seen, so a
//! slow reader misses states in between and never makes anything wait or grow.

mod row;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use crate::agents::{Failure, Gateway};
use crate::process_usage::Usage;
use crate::site::Site;

pub(crate) use row::{Profile, RowView, mebibytes};

/// Between two looks while somebody watches, at least.
const INTERVAL: Duration = Duration::from_secs(1);
/// A look may take this share of the time at most: between two, so many times as long passes.
const REST: u32 = 5;
/// A look that is not older than this is good enough for a page; of thousands of profiles, one that is not older than so many times
/// as long as it took.
const FRESH: Duration = Duration::from_millis(500);
const FRESH_LOOKS: u32 = 10;
/// How many removed profiles are remembered for those who watch; who has missed more is told of all.
const GONE_MAX: usize = 256;

/// All agents, as they were at the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// That of the last change.
    pub(crate) version: u64,
    pub(crate) rows: Vec<Row>,
    gone: VecDeque<(String, u64)>,
    /// Removals up to this version are forgotten.
    forgotten: u64,
    pub(crate) looked: Option<Instant>,
    /// How long that took.
    took: Duration,
    /// Why the last look failed, if it did; the rows are then those of the look before.
    pub(crate) failure: Option<Failure>,
}

/// A profile on the board.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) profile: Profile,
    pub(crate) view: RowView,
    pub(crate) version: u64,
    /// What streams send of it: rendered once for all of them.
    sent: Arc<OnceLock<Arc<str>>>,
}

impl Row {
    fn sent(&self) -> Arc<str> {
        Arc::clone(self.sent.get_or_init(|| self.view.html().into()))
    }
}

/// What changed next, after a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A row is new, or another.
    Row { version: u64, name: String, html: Arc<str> },
    /// A profile is gone.
    Gone { version: u64, name: String },
    /// What was seen so far may be too old to tell what is gone: all there is, up to this version. Each row follows.
    All { version: u64, names: Vec<String> },
}

/// What somebody who watches has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Rows up to this version.
    version: u64,
    /// Removals up to this one, where it is the later of the two.
    removals: u64,
}

impl Seen {
    /// Everything up to a version.
    pub(crate) fn up_to(version: u64) -> Self {
        Self { version, removals: version }
    }

    /// This too.
    pub(crate) fn and(self, change: &Change) -> Self {
        match *change {
            Change::Row { version, .. } | Change::Gone { version, .. } => {
                Self { version, removals: self.removals.max(version) }
            }
            Change::All { version, .. } => Self { version: 0, removals: version },
        }
    }
}

/// The last look, and those who wait for the next one.
#[derive(Debug)]
pub(crate) struct Board {
    latest: watch::Sender<Arc<Snapshot>>,
    /// Somebody watches now, or something was done.
    wake: Notify,
    looking: AsyncMutex<()>,
    usages: Mutex<HashMap<u32, Usage>>,
}

impl Board {
    /// Nothing was seen so far. Versions begin above all of an earlier dashboard, whose pages may still be open.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let beginning = u64::try_from(now.as_micros()).unwrap_or_default();
        let nothing = Snapshot { version: beginning, forgotten: beginning, ..Snapshot::default() };
        Self {
            latest: watch::Sender::new(Arc::new(nothing)),
            wake: Notify::default(),
            looking: AsyncMutex::default(),
            usages: Mutex::default(),
        }
    }

    /// The last look.
    pub(crate) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.borrow())
    }

    /// Tells when there was another look.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        let watched = self.latest.subscribe();
        self.wake.notify_one();
        watched
    }

    /// Something was done: whoever watches is to see it at once.
    pub(crate) fn look_again(&self) {
        self.wake.notify_one();
    }
}

/// A look that is fresh enough for a page.
///
/// # Errors
/// Nothing was seen yet, and the look failed.
pub(crate) async fn fresh(site: &Arc<Site>) -> Result<Arc<Snapshot>, Failure> {
    let seen = site.board.latest();
    let enough = FRESH.max(seen.took * FRESH_LOOKS);
    if seen.failure.is_none() && seen.looked.is_some_and(|looked| looked.elapsed() < enough) {
        return Ok(seen);
    }
    renew(site).await;
    let seen = site.board.latest();
    match &seen.failure {
        Some(failure) if seen.looked.is_none() => Err(failure.clone()),
        _ => Ok(seen),
    }
}

/// Looks for as long as the dashboard lives, when somebody watches.
pub(crate) async fn keep_looking(site: Arc<Site>) {
    loop {
        if site.board.latest.receiver_count() == 0 {
            site.board.wake.notified().await;
        }
        let began = Instant::now();
        renew(&site).await;
        let rest = INTERVAL.max(began.elapsed() * REST);
        // Until then, or until somebody has done something.
        let _ = tokio::time::timeout(rest, site.board.wake.notified()).await;
    }
}

/// Looks now, whatever was seen: something was done, and whoever did it is to see it.
pub(crate) async fn renew(site: &Arc<Site>) {
    let _looking = site.board.looking.lock().await;
    let looked = Arc::clone(site);
    let seen = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let gateways = looked.operations.gateways()?;
        let before = looked.board.latest();
        let next = before.then(gateways, &looked.board.usages, &looked.base());
        Ok(Snapshot { took: began.elapsed(), ..next })
    });
    let next = match seen.await {
        Ok(Ok(next)) => next,
        Ok(Err(failure)) => site.board.latest().failed(failure),
        Err(_) => return,
    };
    site.board.latest.send_replace(Arc::new(next));
}

impl Snapshot {
    /// What a look found, after this one.
    fn then(&self, gateways: Vec<Gateway>, usages: &Mutex<HashMap<u32, Usage>>, base: &str) -> Self {
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
            let (version, sent) = match before {
                Some(before) if before.view == view => (before.version, Arc::clone(&before.sent)),
                _ => {
                    version += 1;
                    (version, Arc::default())
                }
            };
            rows.push(Row { profile, view, version, sent });
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
            looked: Some(Instant::now()),
            took: Duration::ZERO,
            failure: None,
        }
    }

    fn failed(&self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self.clone() }
    }

    /// The first change after what was seen; nothing when there is none.
    pub(crate) fn change_after(&self, seen: Seen) -> Option<Change> {
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
                html: row.sent(),
            }),
            (_, Some((name, version))) => Some(Change::Gone { version: *version, name: name.clone() }),
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
#[path = "board/tests.rs"]
mod tests;
