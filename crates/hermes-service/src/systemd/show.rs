//! Parses `systemctl show`: one line `Name=value` for each property (systemctl(1),
//! org.freedesktop.systemd1(5)).

use std::time::Duration;

use crate::manager::ServiceStatus;

/// The requested properties.
pub(super) const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,MainPID,NRestarts,ExecMainCode,\
     ExecMainStatus,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic";

/// The state of a unit in systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitState {
    load: String,
    active: String,
    sub: String,
    result: String,
    /// The PID, while there is a process.
    pub(super) pid: Option<u32>,
    restarts: u64,
    ended: Option<Ended>,
    /// Times on the monotonic clock, here and below.
    began_at: Option<Duration>,
    ended_at: Option<Duration>,
}

/// The end of the last process: `si_code` and `si_status` of waitid(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Code(u32),
    Signal(u32),
}

/// Parses the output of `systemctl show -p`. A property that this systemd does not know is missing. Returns
/// `None` if a state is missing.
pub(super) fn parse(text: &str) -> Option<UnitState> {
    let property = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let number = |name| property(name)?.parse::<u64>().ok();
    let status = number("ExecMainStatus").and_then(|status| u32::try_from(status).ok());
    let moment = |name| number(name).filter(|&moment| moment != 0).map(Duration::from_micros);
    Some(UnitState {
        load: property("LoadState")?.to_owned(),
        active: property("ActiveState")?.to_owned(),
        sub: property("SubState")?.to_owned(),
        result: property("Result").unwrap_or_default().to_owned(),
        pid: u32::try_from(number("MainPID")?).ok().filter(|&pid| pid != 0),
        restarts: number("NRestarts").unwrap_or(0),
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 before the first end.
        ended: match number("ExecMainCode") {
            Some(1) => status.map(Ended::Code),
            Some(2 | 3) => status.map(Ended::Signal),
            _ => None,
        },
        began_at: moment("ExecMainStartTimestampMonotonic"),
        ended_at: moment("ExecMainExitTimestampMonotonic"),
    })
}

impl UnitState {
    /// Returns `true` if systemd knows no such unit, and runs no process of a former one.
    pub(super) fn is_unknown(&self) -> bool {
        self.load == "not-found" && matches!(&*self.active, "inactive" | "failed")
    }

    /// Returns `true` if the unit failed. Only an order starts it again.
    pub(super) fn has_failed(&self) -> bool {
        self.active == "failed"
    }

    /// Returns `true` if the unit waits for its restart.
    pub(super) fn waits_for_restart(&self) -> bool {
        self.active == "activating" && self.sub.starts_with("auto-restart")
    }

    /// Returns the reason why the unit will not start by itself, in words; `None` if it runs or may start.
    pub(super) fn why_down(&self) -> Option<String> {
        match &*self.active {
            "failed" => Some(self.failure()),
            "inactive" => Some(match self.ended {
                Some(ended) => ended.words(),
                None => "systemd has not started it".to_owned(),
            }),
            _ => None,
        }
    }

    /// Returns the status at `now` on the monotonic clock.
    pub(super) fn status(&self, now: Duration, reports_ready: impl FnOnce(u32) -> bool) -> ServiceStatus {
        let up = self.pid.is_some();
        let moment = if up { self.began_at } else { self.ended_at };
        let gave_up = match &*self.load {
            "loaded" | "not-found" => self.has_failed().then(|| self.failure()),
            load => Some(format!("systemd cannot take its unit: {load}")),
        };
        ServiceStatus {
            up,
            ready: self.pid.is_some_and(reports_ready),
            desired_up: matches!(&*self.active, "active" | "activating" | "reloading" | "refreshing"),
            pid: self.pid,
            since: moment.map(|moment| now.saturating_sub(moment)),
            restarts: self.restarts,
            gave_up,
            ..ServiceStatus::default()
        }
    }

    fn failure(&self) -> String {
        let mut words = match (&*self.result, self.ended) {
            ("exit-code" | "signal" | "core-dump" | "success" | "start-limit-hit", Some(ended)) => {
                ended.words()
            }
            (result, _) => format!("systemd says {result}"),
        };
        // Depending on the version of systemd, too many starts have this result or that of the last crash.
        if self.result == "start-limit-hit" || self.restarts > 0 {
            let times = if self.restarts == 1 { "time" } else { "times" };
            words = format!("{words}, after it was started again {} {times}", self.restarts);
        }
        words
    }
}

impl Ended {
    fn words(self) -> String {
        match self {
            Self::Code(78) => "its configuration is wrong (it ended with code 78)".to_owned(),
            Self::Code(code) => format!("it ended with code {code}"),
            Self::Signal(signal) => format!("signal {signal} ended it"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use insta::assert_snapshot;

    use super::*;

    pub(crate) const RUNNING: &str = "\
Result=success
NRestarts=2
ExecMainStartTimestampMonotonic=61000000
ExecMainExitTimestampMonotonic=0
ExecMainCode=0
ExecMainStatus=0
MainPID=4711
LoadState=loaded
ActiveState=active
SubState=running
";
    pub(crate) const STOPPED: &str = "\
Result=success
NRestarts=0
ExecMainStartTimestampMonotonic=61000000
ExecMainExitTimestampMonotonic=90000000
ExecMainCode=1
ExecMainStatus=0
MainPID=0
LoadState=loaded
ActiveState=inactive
SubState=dead
";
    pub(crate) const UNKNOWN: &str = "\
Result=success
NRestarts=0
ExecMainStartTimestampMonotonic=0
ExecMainExitTimestampMonotonic=0
ExecMainCode=0
ExecMainStatus=0
MainPID=0
LoadState=not-found
ActiveState=inactive
SubState=dead
";

    /// Returns `text` with other values.
    pub(crate) fn with(text: &str, changes: &[(&str, &str)]) -> String {
        let changed = |line: &str| {
            let name = line.split('=').next().unwrap();
            let change = changes.iter().find(|(changed, _)| *changed == name);
            change.map_or_else(|| line.to_owned(), |(name, value)| format!("{name}={value}"))
        };
        text.lines().map(changed).collect::<Vec<_>>().join("\n")
    }

    const NOW: Duration = Duration::from_secs(100);

    fn status(text: &str) -> ServiceStatus {
        parse(text).unwrap().status(NOW, |pid| pid == 4711)
    }

    #[test]
    fn a_running_unit_is_up_since_its_process_began() {
        let up = ServiceStatus {
            up: true,
            ready: true,
            desired_up: true,
            pid: Some(4711),
            since: Some(Duration::from_secs(39)),
            restarts: 2,
            restarted_ago: Vec::new(),
            gave_up: None,
            last_words: None,
            comes_back: false,
        };
        assert_eq!(status(RUNNING), up);
        let unready = status(&with(RUNNING, &[("MainPID", "4712")]));
        assert_eq!(unready, ServiceStatus { ready: false, pid: Some(4712), ..up });
    }

    #[test]
    fn a_stopped_unit_is_down_and_not_given_up() {
        let down = status(STOPPED);
        assert!(!down.up && !down.ready && !down.desired_up);
        assert_eq!((down.pid, down.since, down.gave_up), (None, Some(Duration::from_secs(10)), None));
    }

    #[test]
    fn a_stopping_unit_is_up_and_not_desired() {
        let ending = status(&with(RUNNING, &[("ActiveState", "deactivating"), ("SubState", "stop-sigterm")]));
        assert!(ending.up && !ending.desired_up);
    }

    #[test]
    fn a_unit_that_waits_for_restart_is_desired_up() {
        let text = with(STOPPED, &[("ActiveState", "activating"), ("SubState", "auto-restart")]);
        let waiting = parse(&text).unwrap();
        assert!(waiting.waits_for_restart());
        assert_eq!(waiting.why_down(), None);
        let waiting = status(&text);
        assert!(!waiting.up && waiting.desired_up);
        assert_eq!(waiting.gave_up, None);
    }

    #[test]
    fn a_failed_unit_reports_its_reason() {
        let failed = |result, changes: &[(&str, &str)]| {
            let failed = [("ActiveState", "failed"), ("SubState", "failed"), ("Result", result)];
            let state = parse(&with(STOPPED, &[&failed[..], changes].concat())).unwrap();
            assert_eq!(state.status(NOW, |_| false).gave_up, state.why_down());
            state.why_down().unwrap()
        };
        assert_snapshot!(failed("exit-code", &[("ExecMainStatus", "78")]), @"its configuration is wrong (it ended with code 78)");
        assert_snapshot!(failed("exit-code", &[("ExecMainStatus", "1"), ("NRestarts", "8")]), @"it ended with code 1, after it was started again 8 times");
        assert_snapshot!(failed("start-limit-hit", &[("ExecMainStatus", "1"), ("NRestarts", "1")]), @"it ended with code 1, after it was started again 1 time");
        assert_snapshot!(failed("signal", &[("ExecMainCode", "2"), ("ExecMainStatus", "9")]), @"signal 9 ended it");
        assert_snapshot!(failed("timeout", &[]), @"systemd says timeout");
        assert_snapshot!(failed("resources", &[("ExecMainCode", "0")]), @"systemd says resources");
    }

    #[test]
    fn an_unreadable_unit_is_given_up() {
        let broken = status(&with(UNKNOWN, &[("LoadState", "bad-setting")]));
        assert_eq!(broken.gave_up.as_deref(), Some("systemd cannot take its unit: bad-setting"));
    }

    #[test]
    fn only_a_missing_unit_without_process_is_unknown() {
        assert!(parse(UNKNOWN).unwrap().is_unknown());
        assert!(!parse(STOPPED).unwrap().is_unknown());
        assert!(!parse(&with(RUNNING, &[("LoadState", "not-found")])).unwrap().is_unknown());
    }

    #[test]
    fn an_answer_without_states_is_refused() {
        for missing in ["LoadState=", "ActiveState=", "SubState=", "MainPID="] {
            let lines: Vec<_> = RUNNING.lines().filter(|line| !line.starts_with(missing)).collect();
            assert_eq!(parse(&lines.join("\n")), None, "{missing}");
        }
        assert_eq!(parse(""), None);
        assert_eq!(parse(&with(RUNNING, &[("MainPID", "x")])), None);
    }

    #[test]
    fn properties_of_later_systemd_versions_are_optional() {
        let lines: Vec<_> = RUNNING.lines().filter(|line| !line.starts_with("NRestarts")).collect();
        assert_eq!(parse(&lines.join("\n")).unwrap().restarts, 0);
    }
}
