//! Tests of the calls of a fake `launchctl`.

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::print::tests::{ENDED, RUNNING};
use super::*;
use crate::fake_tool::{Fake, prints};

const SOON: Wait = Wait::AtMost(Duration::from_secs(20));
const AT_ONCE: Wait = Wait::AtMost(Duration::from_millis(300));
const PRINT: &str = "print gui/501/ai.hermes.gateway.coder";
const BOOTOUT: &str = "bootout gui/501/ai.hermes.gateway.coder";
/// The answer of launchctl for an agent that is not loaded.
const UNKNOWN: &str = "echo 'Bad request.' >&2
    echo 'Could not find service \"ai.hermes.gateway.coder\" in domain for user gui: 501' >&2
    exit 113";

struct Machine {
    folder: TempDir,
    launchctl: Fake,
    launchd: Launchd,
    coder: ProfileName,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let launchctl = Fake::called(&bin, "launchctl");
        launchctl.on("print", [UNKNOWN]);
        let launchd = Launchd::new(
            Home::new(folder.path().join("home")).unwrap(),
            "/usr/local/bin/hermes".into(),
            folder.path().join("Library/LaunchAgents"),
            launchctl.program.clone(),
            501,
        );
        let coder = ProfileName::new("coder").unwrap();
        fs::create_dir_all(launchd.home.profile_directory(&coder)).unwrap();
        Self { folder, launchctl, launchd, coder }
    }

    fn installed(self) -> Self {
        self.launchd.install(&self.coder).unwrap();
        self.launchctl.calls();
        self
    }

    /// Sets the answers of `launchctl print`, one for each call.
    fn printed<S: AsRef<str>>(self, answers: impl IntoIterator<Item = S>) -> Self {
        self.launchctl.on("print", answers);
        self
    }

    fn gateway_says(self, state: &str, pid: u32) -> Self {
        let path = self.launchd.home.gateway_state(&self.coder);
        fs::write(path, format!(r#"{{"gateway_state":"{state}","pid":{pid}}}"#)).unwrap();
        self
    }

    fn agent(&self) -> PathBuf {
        self.folder.path().join("Library/LaunchAgents/ai.hermes.gateway.coder.plist")
    }

    fn bootstrap(&self) -> String {
        format!("bootstrap gui/501 {}", self.agent().display())
    }

    /// Returns the calls except `print`.
    fn orders(&self) -> Vec<String> {
        self.launchctl.calls().into_iter().filter(|call| call != PRINT).collect()
    }
}

#[test]
fn install_writes_the_agent_and_its_log_directory() {
    use std::os::unix::fs::PermissionsExt;

    let machine = Machine::new();
    for _ in 0..2 {
        machine.launchd.install(&machine.coder).unwrap();
        assert!(machine.orders().is_empty(), "launchd loads it at the next login");
    }
    let written = fs::read_to_string(machine.agent()).unwrap();
    assert!(written.contains("<string>/usr/local/bin/hermes</string>"), "{written}");
    assert_eq!(fs::metadata(machine.agent()).unwrap().permissions().mode() & 0o7777, 0o644);
    assert!(machine.folder.path().join("home/logs/gateways/coder").is_dir());
}

#[test]
fn only_a_changed_loaded_agent_is_reloaded() {
    let machine = Machine::new().installed().printed([prints(RUNNING)]);
    machine.launchd.install(&machine.coder).unwrap();
    assert!(machine.orders().is_empty());

    let machine = machine.printed([&prints(RUNNING), UNKNOWN]);
    let newer = Launchd { program: "/opt/hermes".into(), ..machine.launchd.clone() };
    newer.install(&machine.coder).unwrap();
    assert_eq!(machine.orders(), [BOOTOUT.to_owned(), machine.bootstrap()]);
    assert!(fs::read_to_string(machine.agent()).unwrap().contains("/opt/hermes"));
}

#[test]
fn a_repeated_install_reloads_after_an_interruption() {
    let machine = Machine::new().installed().printed([prints(RUNNING)]);
    let newer = Launchd { program: "/opt/hermes".into(), ..machine.launchd.clone() };
    machine.launchctl.on("bootout", ["exit 1", "exit 0"]);
    newer.install(&machine.coder).unwrap_err();
    assert_eq!(machine.orders(), [BOOTOUT]);

    let machine = machine.printed([&prints(RUNNING), UNKNOWN]);
    newer.install(&machine.coder).unwrap();
    assert_eq!(machine.orders(), [BOOTOUT.to_owned(), machine.bootstrap()]);
}

#[test]
fn an_agent_that_cannot_be_written_is_named() {
    let machine = Machine::new();
    fs::create_dir_all(machine.agent()).unwrap();
    let error = machine.launchd.install(&machine.coder).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Write { source, .. } if source.to_string().contains("coder.plist"))
    );
}

#[test]
fn uninstall_unloads_and_removes_the_agent() {
    let machine = Machine::new().installed().printed([&prints(RUNNING), UNKNOWN]);
    machine.launchd.uninstall(&machine.coder).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT, BOOTOUT, PRINT]);
    assert!(!machine.agent().exists());
}

#[test]
fn uninstall_of_an_unknown_agent_changes_nothing() {
    let machine = Machine::new();
    machine.launchd.uninstall(&machine.coder).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT]);
}

#[test]
fn an_agent_that_cannot_be_stopped_stays_installed() {
    let machine = Machine::new().installed().printed([prints(RUNNING)]);
    machine.launchctl.on("bootout", ["exit 1"]);
    machine.launchd.uninstall(&machine.coder).unwrap_err();
    assert!(machine.agent().exists());
}

#[test]
fn start_loads_the_agent_and_waits_for_readiness() {
    let another = RUNNING.replace("4711", "4710");
    let machine = Machine::new()
        .installed()
        .printed([UNKNOWN, &prints(&another), &prints(RUNNING)])
        .gateway_says("running", 4711);
    machine.launchd.start(&machine.coder, SOON).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT, &machine.bootstrap(), PRINT, PRINT]);
}

#[test]
fn start_leaves_a_running_agent_alone() {
    let machine = Machine::new().installed().printed([prints(RUNNING)]).gateway_says("running", 4711);
    machine.launchd.start(&machine.coder, SOON).unwrap();
    assert!(machine.orders().is_empty());
}

#[test]
fn start_restarts_a_loaded_agent_after_any_end() {
    let again = ENDED.replace("runs = 1", "runs = 2");
    let running = RUNNING.replace("runs = 3", "runs = 2");
    let machine = Machine::new()
        .installed()
        // The second answer still shows the state before the start.
        .printed([ENDED, ENDED, &running].map(prints))
        .gateway_says("running", 4711);
    machine.launchd.start(&machine.coder, SOON).unwrap();
    assert_eq!(machine.orders(), ["kickstart gui/501/ai.hermes.gateway.coder"]);

    let machine = machine.printed([ENDED, ENDED, &again].map(prints));
    let error = machine.launchd.start(&machine.coder, SOON).unwrap_err();
    assert_eq!(error.to_string(), "the gateway 'coder' does not come up: it ended with code 0");
}

#[test]
fn start_fails_for_a_wrong_configuration_or_at_the_limit() {
    let wrong = prints(&ENDED.replace("code = 0", "code = 78: EX_CONFIG"));
    let machine = Machine::new().installed().printed([UNKNOWN, &wrong]);
    let error = machine.launchd.start(&machine.coder, SOON).unwrap_err();
    assert_snapshot!(error, @"the gateway 'coder' does not come up: its configuration is wrong (it ended with code 78)");

    let machine = machine.printed([UNKNOWN, &prints(RUNNING)]).gateway_says("starting", 4711);
    let error = machine.launchd.start(&machine.coder, AT_ONCE).unwrap_err();
    assert_eq!(error.to_string(), "the gateway 'coder' is not ready after 300ms");
}

#[test]
fn restart_does_not_count_the_old_process_as_ready() {
    let new = RUNNING.replace("4711", "4712");
    let machine = Machine::new().installed().printed([RUNNING, RUNNING, &new].map(prints));
    // The old process reports readiness first.
    let machine = machine.gateway_says("running", 4711);
    let error = machine.launchd.restart(&machine.coder, AT_ONCE).unwrap_err();
    assert!(matches!(error, ServiceError::TimedOut { awaited: "ready", .. }), "{error}");
    machine.launchctl.calls();

    let machine = machine.printed([RUNNING, RUNNING, &new].map(prints)).gateway_says("running", 4712);
    machine.launchd.restart(&machine.coder, SOON).unwrap();
    assert_eq!(machine.orders(), ["kickstart -k gui/501/ai.hermes.gateway.coder"]);
}

#[test]
fn restart_starts_a_stopped_agent() {
    let machine = Machine::new().installed();
    machine.launchd.restart(&machine.coder, Wait::No).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT, &machine.bootstrap()]);
}

#[test]
fn stop_unloads_the_agent_and_waits() {
    let machine = Machine::new().installed().printed([&prints(RUNNING), &prints(RUNNING), UNKNOWN]);
    machine.launchctl.on("bootout", ["echo 'Boot-out failed: 36: Operation now in progress' >&2; exit 36"]);
    machine.launchd.stop(&machine.coder, SOON).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT, BOOTOUT, PRINT, PRINT]);
}

#[test]
fn stop_of_a_stopped_agent_does_nothing() {
    let machine = Machine::new().installed();
    machine.launchd.stop(&machine.coder, SOON).unwrap();
    assert_eq!(machine.launchctl.calls(), [PRINT]);
}

#[test]
fn stop_fails_at_its_limit() {
    let machine = Machine::new().installed().printed([prints(RUNNING)]);
    let down = "the gateway 'coder' is not down after 300ms";
    assert_eq!(machine.launchd.stop(&machine.coder, AT_ONCE).unwrap_err().to_string(), down);
    machine.launchctl.on("bootout", ["exec sleep 600"]);
    assert_eq!(machine.launchd.stop(&machine.coder, AT_ONCE).unwrap_err().to_string(), down);
}

#[test]
fn a_missing_installation_is_its_own_error() {
    let machine = Machine::new();
    let (launchd, coder) = (&machine.launchd, &machine.coder);
    for result in [launchd.start(coder, SOON), launchd.stop(coder, SOON), launchd.restart(coder, Wait::No)] {
        let error = result.unwrap_err();
        assert!(matches!(error, ServiceError::NotInstalled { manager: Kind::Launchd, .. }), "{error:?}");
        assert_eq!(error.to_string(), "the gateway 'coder' is not installed for launchd (user agents)");
    }
    assert!(machine.orders().is_empty());
    assert_eq!(launchd.status(coder).unwrap(), None);
}

#[test]
fn the_status_joins_launchd_and_the_gateway() {
    let machine = Machine::new().installed();
    let down = machine.launchd.status(&machine.coder).unwrap().unwrap();
    assert!(!down.up && !down.ready && !down.desired_up);

    let machine = machine.printed([prints(RUNNING)]).gateway_says("running", 4711);
    let up = machine.launchd.status(&machine.coder).unwrap().unwrap();
    assert!(up.up && up.ready && up.desired_up);
    assert_eq!((up.pid, up.restarts), (Some(4711), 2));
    assert!(machine.launchd.is_running(&machine.coder).unwrap());
}

#[test]
fn a_failure_holds_the_command_status_and_stderr() {
    let machine = Machine::new().installed();
    machine.launchctl.on("bootstrap", ["echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5"]);
    let error = machine.launchd.start(&machine.coder, SOON).unwrap_err();
    assert_eq!(error.to_string(), "failed to start the gateway 'coder'");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let cause = cause.replace(machine.launchctl.program.to_str().unwrap(), "launchctl");
    let cause = cause.replace(machine.folder.path().to_str().unwrap(), "/Users/ada");
    assert_snapshot!(cause, @"failed to run launchctl bootstrap gui/501 /Users/ada/Library/LaunchAgents/ai.hermes.gateway.coder.plist: exit status: 5: Bootstrap failed: 5: Input/output error");
}

#[test]
fn a_failed_print_does_not_mean_unloaded() {
    let machine = Machine::new().installed().printed(["exit 112"]);
    let error = machine.launchd.status(&machine.coder).unwrap_err();
    assert!(matches!(error, ServiceError::Tool { source: ToolError::Failed { .. }, .. }), "{error:?}");
    let machine = machine.printed([prints("Usage: launchctl")]);
    let error = machine.launchd.status(&machine.coder).unwrap_err();
    assert!(matches!(error, ServiceError::Unexpected { program: "launchctl print", .. }), "{error:?}");
}

#[test]
fn a_missing_launchctl_is_named() {
    let machine = Machine::new();
    let launchd = Launchd { launchctl: "/no/such/launchctl".into(), ..machine.launchd.clone() };
    let error = launchd.status(&machine.coder).unwrap_err();
    assert!(matches!(&error, ServiceError::Tool { source: ToolError::Run { command, .. }, .. }
            if command.starts_with("/no/such/launchctl print")));
}

#[test]
fn agents_cannot_be_registered_at_run_time() {
    let Machine { launchd, coder, launchctl, .. } = Machine::new();
    assert!(!launchd.supports_runtime_registration());
    for result in [launchd.register_profile_gateway(&coder), launchd.unregister_profile_gateway(&coder)] {
        assert!(matches!(result, Err(ServiceError::Unsupported { manager: Kind::Launchd, .. })));
    }
    assert!(matches!(launchd.list_profile_gateways(), Err(ServiceError::Unsupported { .. })));
    assert!(launchctl.calls().is_empty());
}

#[test]
fn paths_of_this_user_come_from_home_and_path() {
    let machine = Machine::new();
    let path = machine.folder.path().join("bin").into_os_string();
    let of = |home: &'static str| {
        Launchd::of_environment(Home::new("/data").unwrap(), "/hermes".into(), 501, |name| match name {
            "HOME" => Some(home.into()),
            "PATH" => Some(path.clone()),
            _ => None,
        })
    };
    let found = of("/Users/ada").unwrap();
    assert_eq!(found.agent_directory, Path::new("/Users/ada/Library/LaunchAgents"));
    assert_eq!(found.launchctl, machine.launchctl.program);
    let error = of("").unwrap_err();
    assert!(matches!(error, ServiceError::NoUserDirectory { manager: Kind::Launchd }));
}
