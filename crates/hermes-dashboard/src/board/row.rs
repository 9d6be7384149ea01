//! One profile, for the API and for its row.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;
use hermes_core::{DesiredState, timestamp};
use hermes_operations::{Condition, Gateway};
use hermes_os::printable::printable;
use serde::Serialize;
use utoipa::ToSchema;

use crate::process_usage::Usage;
use crate::span::span;

/// The time range of the sparkline and of one of its bars, in seconds.
const HOUR: u64 = 3600;
const BAR: u64 = 300;

/// The longest problem in a row, in characters.
const PROBLEM_MAX: usize = 100;

/// The tolerance for one start time, because s6 rounds to seconds.
const SAME: Duration = Duration::from_secs(2);

/// A profile, its gateway, and the usage of its process.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Profile {
    #[serde(flatten)]
    pub(crate) gateway: Gateway,
    /// The time since which it has been up, or down: RFC 3339.
    pub(crate) since: Option<String>,
    /// Resident memory of its process, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// The share of one processor since the last refresh, in percent; absent at first.
    pub(crate) cpu_percent: Option<f64>,
    /// Restarts in each five minutes of the last hour, the oldest first.
    pub(crate) restarts_per_5_minutes: Vec<u64>,
    #[serde(skip)]
    began: Option<SystemTime>,
}

impl Profile {
    pub(super) fn new(
        gateway: Gateway,
        usage: Option<Usage>,
        percent: Option<f64>,
        now: SystemTime,
        before: Option<&Self>,
    ) -> Self {
        let began = gateway.for_seconds.and_then(|seconds| now.checked_sub(Duration::from_secs(seconds)));
        // The earlier start time is kept, unless the difference exceeds the tolerance.
        let began = began.map(|began| {
            let before =
                before.filter(|before| before.gateway.pid == gateway.pid).and_then(|before| before.began);
            let is_same = |before: &SystemTime| {
                let apart = before.duration_since(began).or_else(|_| began.duration_since(*before));
                apart.is_ok_and(|apart| apart <= SAME)
            };
            before.filter(is_same).unwrap_or(began)
        });
        Self {
            since: began.map(timestamp::rfc3339),
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            cpu_percent: percent.map(|percent| (percent * 10.0).round() / 10.0),
            restarts_per_5_minutes: bars(&gateway.restarted_seconds_ago),
            began,
            gateway,
        }
    }

    pub(crate) fn restarts_last_hour(&self) -> u64 {
        self.restarts_per_5_minutes.iter().sum()
    }
}

fn bars(seconds_ago: &[u64]) -> Vec<u64> {
    let count = (HOUR / BAR) as usize;
    let mut bars = vec![0; count];
    for ago in seconds_ago.iter().filter(|ago| **ago < HOUR) {
        bars[count - 1 - (ago / BAR) as usize] += 1;
    }
    bars
}

/// The content of a row. Equal contents look the same.
#[derive(Clone, Debug, PartialEq, Template)]
#[template(path = "row.html")]
pub(crate) struct RowView {
    pub(crate) base: String,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) desired: Option<DesiredState>,
    /// `true` if the state is another one than the desired state.
    pub(crate) deviates: bool,
    /// Seconds since 1970.
    pub(crate) since: Option<u64>,
    /// The same time in RFC 3339.
    pub(crate) moment: Option<String>,
    pub(crate) spark: Spark,
    pub(crate) restarts: u64,
    pub(crate) pid: Option<u32>,
    pub(crate) port: Option<u16>,
    pub(crate) memory: String,
    pub(crate) cpu: String,
    pub(crate) problem: Option<String>,
    pub(crate) may_start: bool,
    pub(crate) may_stop: bool,
}

/// The restarts of the last hour, as bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spark {
    pub(crate) total: u64,
    bars: Vec<u64>,
}

impl Spark {
    /// Returns x, y and height of each bar that is not empty, in a picture of 60 by 16.
    pub(crate) fn bars(&self) -> Vec<(usize, u64, u64)> {
        let most = self.bars.iter().max().copied().unwrap_or(0).max(1);
        let bar = |(place, &count): (usize, &u64)| {
            (count > 0).then(|| {
                let height = (count * 14 / most).max(3);
                (place * 5, 16 - height, height)
            })
        };
        self.bars.iter().enumerate().filter_map(bar).collect()
    }
}

impl RowView {
    pub(crate) fn new(profile: &Profile, base: &str) -> Self {
        let gateway = &profile.gateway;
        let began = profile.began.and_then(|began| began.duration_since(UNIX_EPOCH).ok());
        Self {
            base: base.to_owned(),
            name: gateway.profile.clone(),
            state: gateway.state.word(),
            tone: tone(gateway.state),
            desired: gateway.desired_state,
            deviates: deviates(gateway),
            since: began.map(|began| began.as_secs()),
            moment: profile.since.clone(),
            spark: Spark {
                total: profile.restarts_last_hour(),
                bars: profile.restarts_per_5_minutes.clone(),
            },
            restarts: gateway.restarts,
            pid: gateway.pid,
            port: gateway.port,
            memory: profile.memory_bytes.map_or_else(|| "–".to_owned(), mebibytes),
            cpu: profile.cpu_percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %")),
            problem: gateway.problem.as_deref().map(|problem| printable(problem.as_bytes())),
            may_start: !gateway.state.is_alive(),
            may_stop: gateway.state.is_alive(),
        }
    }

    /// Returns the time in this state, for a person.
    pub(crate) fn since_text(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.since.map_or_else(|| "–".to_owned(), |since| span(now.saturating_sub(since)))
    }

    /// Returns the problem for the row: the beginning of one line. The agent's page has all of it.
    pub(crate) fn short_problem(&self) -> Option<String> {
        let problem = self.problem.as_deref()?;
        let mut line = problem.lines().next().unwrap_or_default();
        // The deepest cause says more than the steps that failed with it.
        while let Some((_, cause)) = line.split_once(": ").filter(|(step, _)| step.starts_with("failed to "))
        {
            line = cause;
        }
        let short: String = line.chars().take(PROBLEM_MAX).collect();
        Some(if short.len() < problem.len() { format!("{}…", short.trim_end()) } else { short })
    }

    pub(crate) fn html(&self) -> String {
        // Rendering into a string fails only if one of the values fails.
        self.render().unwrap_or_default()
    }

    /// Returns the part of the agent's page that changes with the agent. The page has it from the start, and streams send it.
    pub(crate) fn live_html(&self) -> String {
        Live { view: self }.render().unwrap_or_default()
    }
}

/// The state of an agent in full.
#[derive(Template)]
#[template(path = "live.html")]
struct Live<'v> {
    view: &'v RowView,
}

/// Returns `true` if a gateway runs that should be stopped, or the reverse.
fn deviates(gateway: &Gateway) -> bool {
    match gateway.desired_state {
        Some(DesiredState::Running) => !gateway.state.is_alive() || gateway.state == Condition::Crashed,
        Some(DesiredState::Stopped) => gateway.state.is_alive() && gateway.state != Condition::Draining,
        None => false,
    }
}

/// Returns the CSS class of a state: `good`, `busy`, `bad` or `quiet`.
fn tone(state: Condition) -> &'static str {
    match state {
        Condition::Running => "good",
        Condition::Starting | Condition::Draining | Condition::Degraded => "busy",
        Condition::Crashed | Condition::GivenUp => "bad",
        Condition::Stopped | Condition::Unsupervised => "quiet",
    }
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_in_five_minute_bars() {
        assert_eq!(bars(&[3600, 3599, 301, 299, 10, 0]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3]);
        assert_eq!(bars(&[]).len(), 12);
        let spark = Spark { total: 5, bars: bars(&[3599, 301, 299, 10, 0]) };
        assert_eq!(spark.bars(), [(0, 12, 4), (50, 12, 4), (55, 2, 14)]);
    }

    #[test]
    fn rounding_does_not_change_the_start_time() {
        let gateway = |seconds| Gateway { for_seconds: Some(seconds), ..crate::fake::gateway("coder") };
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let first = Profile::new(gateway(10), None, None, now, None);
        // s6 rounded the other way.
        let second = Profile::new(gateway(10), None, None, now + Duration::from_secs(1), Some(&first));
        assert_eq!(first.since, second.since);
        let other = Profile::new(gateway(0), None, None, now + Duration::from_secs(9), Some(&second));
        assert_ne!(other.since, second.since);
    }
}
