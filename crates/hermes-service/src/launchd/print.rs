//! Parses `launchctl print`.
//!
//! launchctl(1) promises no format. The parser reads only `state`, `pid`, `runs`, `last exit code` and `last
//! terminating signal`, each on a line of its own, one tab deep. Deeper lines belong to other objects.

/// The state of a loaded agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AgentState {
    /// The PID, while there is a process.
    pub(super) pid: Option<u32>,
    /// The number of starts since the agent was loaded.
    pub(super) runs: u64,
    ended: Option<Ended>,
}

/// The end of the last process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Code(i32),
    /// The text of launchd: `Killed: 9`.
    Signal(String),
}

/// Parses the output of `launchctl print`. Returns `None` if it has no state.
pub(super) fn parse(text: &str) -> Option<AgentState> {
    let property = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix('\t')?.strip_prefix(name)?.strip_prefix(" = ").map(str::trim))
    };
    property("state")?;
    let signal = property("last terminating signal").map(|signal| Ended::Signal(signal.to_owned()));
    // Examples: `0`, `78: EX_CONFIG`, `(never exited)`.
    let code = || property("last exit code")?.split(':').next()?.trim().parse().ok().map(Ended::Code);
    Some(AgentState {
        pid: match property("pid") {
            Some(pid) => Some(pid.parse().ok().filter(|&pid| pid != 0)?),
            None => None,
        },
        runs: property("runs").and_then(|runs| runs.parse().ok()).unwrap_or(0),
        ended: signal.or_else(code),
    })
}

impl AgentState {
    /// Returns the number of restarts since the agent was loaded.
    pub(super) fn restarts(&self) -> u64 {
        self.runs.saturating_sub(1)
    }

    /// Returns the reason why no start is to be expected, in words: the gateway ended on purpose, or with a
    /// wrong configuration.
    pub(super) fn why_down(&self) -> Option<String> {
        match (self.pid, &self.ended) {
            (None, Some(Ended::Code(78))) => {
                Some("its configuration is wrong (it ended with code 78)".to_owned())
            }
            (None, Some(Ended::Code(0))) => Some("it ended with code 0".to_owned()),
            _ => None,
        }
    }

    /// Returns `true` if launchd runs the agent or will start it again.
    pub(super) fn is_wanted_up(&self) -> bool {
        self.pid.is_some() || self.ended != Some(Ended::Code(0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;

    pub(crate) const RUNNING: &str = "\
gui/501/ai.hermes.gateway.coder = {
\tactive count = 1
\tpath = /Users/ada/Library/LaunchAgents/ai.hermes.gateway.coder.plist
\ttype = LaunchAgent
\tstate = running

\tprogram = /usr/local/bin/hermes
\targuments = {
\t\t/usr/local/bin/hermes
\t\t-p
\t\tcoder
\t\tgateway
\t\trun
\t}

\tstdout path = /Users/ada/.hermes/logs/gateways/coder/current
\tstderr path = /Users/ada/.hermes/logs/gateways/coder/current
\tdefault environment = {
\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin
\t}

\tenvironment = {
\t\tHERMES_HOME => /Users/ada/.hermes
\t\tXPC_SERVICE_NAME => ai.hermes.gateway.coder
\t}

\tdomain = gui/501 [100005]
\tasid = 100005
\tminimum runtime = 10
\texit timeout = 90
\truns = 3
\tpid = 4711
\timmediate reason = semaphore
\tforks = 0
\texecs = 1
\tinitialized = 1
\tlast exit code = 1

\tsemaphores = {
\t\tsuccessful exit => 0
\t}

\tspawn type = daemon (3)
\tproperties = keepalive | runatload | inferred program
}
";
    pub(crate) const ENDED: &str = "\
gui/501/ai.hermes.gateway.coder = {
\tactive count = 0
\tstate = not running

\truns = 1
\tlast exit code = 0
}
";

    #[test]
    fn a_running_agent_has_its_pid_and_restarts() {
        let state = parse(RUNNING).unwrap();
        assert_eq!((state.pid, state.restarts(), state.why_down()), (Some(4711), 2, None));
        assert!(state.is_wanted_up());
    }

    #[rstest]
    #[case::on_purpose("last exit code = 0", false, Some("it ended with code 0"))]
    #[case::crashed("last exit code = 1", true, None)]
    #[case::configuration(
        "last exit code = 78: EX_CONFIG",
        true,
        Some("its configuration is wrong (it ended with code 78)")
    )]
    #[case::killed("last terminating signal = Killed: 9", true, None)]
    #[case::not_started("last exit code = (never exited)", true, None)]
    fn a_stopped_agent_reports_its_last_end(
        #[case] line: &str,
        #[case] wanted: bool,
        #[case] why: Option<&str>,
    ) {
        let state = parse(&ENDED.replace("last exit code = 0", line)).unwrap();
        assert_eq!(state.pid, None);
        assert_eq!((state.is_wanted_up(), state.why_down().as_deref()), (wanted, why));
    }

    #[test]
    fn deeper_lines_are_ignored() {
        let deeper = "\tenvironment = {\n\t\tpid = 1\n\t\truns = 99\n\t\tlast exit code = 78\n\t}\n\tstate =";
        let state = parse(&ENDED.replace("\tstate =", deeper)).unwrap();
        assert_eq!((state.pid, state.restarts(), state.is_wanted_up()), (None, 0, false));
    }

    #[test]
    fn an_unknown_format_is_no_state() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("Usage: launchctl print <target>"), None);
        assert_eq!(parse(&RUNNING.replace("\tstate = ", "\tmode = ")), None);
        assert_eq!(parse(&RUNNING.replace("pid = 4711", "pid = none")), None);
    }
}
