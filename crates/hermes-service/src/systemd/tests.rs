//! Tests of the calls of a fake `systemctl`.

use std::path::Path;

use hermes_core::ProfileName;
use insta::assert_snapshot;
use tempfile::TempDir;

use super::show::tests::{RUNNING, STOPPED, UNKNOWN, with};
use super::*;
use crate::fake_tool::{Fake, prints};

const SOON: Wait = Wait::AtMost(Duration::from_secs(20));
const AT_ONCE: Wait = Wait::AtMost(Duration::from_millis(300));
const SHOW: &str = "--user show hermes-gateway-coder.service -p LoadState,ActiveState,SubState,Result,MainPID,NRestarts,\
     ExecMainCode,ExecMainStatus,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic";

struct Machine {
    folder: TempDir,
    systemctl: Fake,
    systemd: Systemd,
    coder: ProfileName,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let systemctl = Fake::called(&bin, "systemctl");
        let systemd = Systemd::new(
            Home::new(folder.path().join("home")).unwrap(),
            "/usr/bin/hermes".into(),
            folder.path().join("config/systemd/user"),
            systemctl.program.clone(),
        );
        let coder = ProfileName::new("coder").unwrap();
        fs::create_dir_all(systemd.home.profile_directory(&coder)).unwrap();
        Self { folder, systemctl, systemd, coder }
    }

    /// Sets the answers of `systemctl show`, one for each call.
    fn shown<S: AsRef<str>>(self, answers: impl IntoIterator<Item = S>) -> Self {
        self.systemctl.on("show", answers.into_iter().map(|answer| prints(answer.as_ref())));
        self
    }

    fn gateway_says(self, state: &str, pid: u32) -> Self {
        let path = self.systemd.home.gateway_state(&self.coder);
        fs::write(path, format!(r#"{{"gateway_state":"{state}","pid":{pid}}}"#)).unwrap();
        self
    }

    fn unit(&self) -> PathBuf {
        self.folder.path().join("config/systemd/user/hermes-gateway-coder.service")
    }

    /// Returns the calls except `show`.
    fn orders(&self) -> Vec<String> {
        self.systemctl.calls().into_iter().filter(|call| call != SHOW).collect()
    }
}

fn failed_with(code: &str) -> String {
    with(STOPPED, &[("ActiveState", "failed"), ("Result", "exit-code"), ("ExecMainStatus", code)])
}

#[test]
fn install_writes_the_unit_and_enables_it() {
    use std::os::unix::fs::PermissionsExt;

    let machine = Machine::new();
    for _ in 0..2 {
        machine.systemd.install(&machine.coder).unwrap();
        assert_eq!(
            machine.systemctl.calls(),
            ["--user daemon-reload", "--user enable hermes-gateway-coder.service"]
        );
    }
    let written = fs::read_to_string(machine.unit()).unwrap();
    assert!(written.contains("ExecStart=/usr/bin/hermes -p coder gateway run\n"), "{written}");
    assert_eq!(fs::metadata(machine.unit()).unwrap().permissions().mode() & 0o7777, 0o644);
}

#[test]
fn a_failed_install_removes_only_its_own_unit() {
    let machine = Machine::new();
    machine.systemctl.on("daemon-reload", ["echo 'Failed to connect to bus: No medium found' >&2; exit 1"]);
    let error = machine.systemd.install(&machine.coder).unwrap_err();
    assert_eq!(error.to_string(), "failed to install the gateway 'coder'");
    assert!(!machine.unit().exists());

    machine.systemctl.on("daemon-reload", [""]);
    machine.systemd.install(&machine.coder).unwrap();
    machine.systemctl.on("enable", ["exit 1"]);
    machine.systemd.install(&machine.coder).unwrap_err();
    assert!(machine.unit().exists(), "the unit was installed before");
}

#[test]
fn a_unit_that_cannot_be_written_is_named() {
    let machine = Machine::new();
    fs::create_dir_all(machine.unit()).unwrap();
    let error = machine.systemd.install(&machine.coder).unwrap_err();
    assert!(
        matches!(&error, ServiceError::Write { source, .. } if source.to_string().contains("coder.service"))
    );
    assert!(machine.systemctl.calls().is_empty());
}

#[test]
fn uninstall_stops_disables_and_removes_the_unit() {
    let machine = Machine::new().shown([RUNNING, STOPPED]);
    machine.systemd.install(&machine.coder).unwrap();
    machine.systemctl.calls();
    machine.systemd.uninstall(&machine.coder).unwrap();
    assert!(!machine.unit().exists());
    assert_eq!(
        machine.orders(),
        [
            "--user stop hermes-gateway-coder.service",
            "--user disable hermes-gateway-coder.service",
            "--user daemon-reload",
        ]
    );
}

#[test]
fn uninstall_of_an_unknown_unit_changes_nothing() {
    let machine = Machine::new().shown([UNKNOWN]);
    machine.systemd.uninstall(&machine.coder).unwrap();
    assert_eq!(machine.systemctl.calls(), [SHOW]);
}

#[test]
fn uninstall_cleans_up_after_a_lost_unit_file() {
    let machine = Machine::new().shown([RUNNING.to_owned(), failed_with("1")]);
    machine.systemd.uninstall(&machine.coder).unwrap();
    assert_eq!(
        machine.orders(),
        [
            "--user stop hermes-gateway-coder.service",
            "--user reset-failed hermes-gateway-coder.service",
            "--user daemon-reload",
        ]
    );
}

#[test]
fn a_unit_that_cannot_be_stopped_stays_installed() {
    let machine = Machine::new().shown([RUNNING]);
    machine.systemd.install(&machine.coder).unwrap();
    machine.systemctl.on("stop", ["exit 1"]);
    machine.systemd.uninstall(&machine.coder).unwrap_err();
    assert!(machine.unit().exists());
}

#[test]
fn start_waits_for_readiness_of_the_running_process() {
    let running = with(RUNNING, &[("MainPID", "4712")]);
    let machine = Machine::new().shown([STOPPED, RUNNING, &running]).gateway_says("running", 4712);
    machine.systemd.start(&machine.coder, SOON).unwrap();
    let calls = machine.systemctl.calls();
    assert_eq!(calls, [SHOW, "--user start hermes-gateway-coder.service", SHOW, SHOW]);
}

#[test]
fn start_fails_without_readiness_in_time() {
    let machine = Machine::new().shown([STOPPED, RUNNING]).gateway_says("starting", 4711);
    let error = machine.systemd.start(&machine.coder, AT_ONCE).unwrap_err();
    assert_eq!(error.to_string(), "the gateway 'coder' is not ready after 300ms");
}

#[test]
fn start_fails_at_once_if_the_gateway_gives_up() {
    let machine = Machine::new().shown([STOPPED.to_owned(), failed_with("78")]);
    let error = machine.systemd.start(&machine.coder, SOON).unwrap_err();
    assert_snapshot!(error, @"the gateway 'coder' does not come up: its configuration is wrong (it ended with code 78)");
    assert!(matches!(error, ServiceError::GaveUp { .. }));
}

#[test]
fn orders_without_a_wait_do_not_block() {
    let machine = Machine::new().shown([STOPPED]);
    machine.systemd.start(&machine.coder, Wait::No).unwrap();
    machine.systemd.restart(&machine.coder, Wait::No).unwrap();
    machine.systemd.stop(&machine.coder, Wait::No).unwrap();
    assert_eq!(
        machine.orders(),
        [
            "--user --no-block start hermes-gateway-coder.service",
            "--user --no-block restart hermes-gateway-coder.service",
            "--user --no-block stop hermes-gateway-coder.service",
        ]
    );
}

#[test]
fn a_start_resets_a_failed_unit() {
    let machine = Machine::new().shown([failed_with("1"), RUNNING.to_owned()]).gateway_says("running", 4711);
    machine.systemd.start(&machine.coder, SOON).unwrap();
    assert_eq!(
        machine.orders(),
        ["--user reset-failed hermes-gateway-coder.service", "--user start hermes-gateway-coder.service",]
    );
}

#[test]
fn a_start_skips_the_back_off() {
    let waiting = with(STOPPED, &[("ActiveState", "activating"), ("SubState", "auto-restart")]);
    let machine = Machine::new().shown([&waiting, RUNNING]).gateway_says("running", 4711);
    machine.systemd.start(&machine.coder, SOON).unwrap();
    assert_eq!(
        machine.orders(),
        ["--user reset-failed hermes-gateway-coder.service", "--user restart hermes-gateway-coder.service",]
    );
}

#[test]
fn stop_returns_when_the_gateway_is_down() {
    let machine = Machine::new().shown([RUNNING]);
    machine.systemd.stop(&machine.coder, SOON).unwrap();
    assert_eq!(machine.systemctl.calls(), [SHOW, "--user stop hermes-gateway-coder.service"]);
}

#[test]
fn a_systemctl_that_hangs_is_killed_at_the_limit() {
    let machine = Machine::new().shown([RUNNING]);
    machine.systemctl.on("stop", ["exec sleep 600"]);
    let error = machine.systemd.stop(&machine.coder, AT_ONCE).unwrap_err();
    assert_eq!(error.to_string(), "the gateway 'coder' is not down after 300ms");
}

#[test]
fn a_missing_installation_is_its_own_error() {
    let machine = Machine::new().shown([UNKNOWN]);
    let (systemd, coder) = (&machine.systemd, &machine.coder);
    for result in [systemd.start(coder, SOON), systemd.stop(coder, SOON), systemd.restart(coder, Wait::No)] {
        let error = result.unwrap_err();
        assert!(matches!(error, ServiceError::NotInstalled { manager: Kind::Systemd, .. }), "{error:?}");
        assert_eq!(error.to_string(), "the gateway 'coder' is not installed for systemd (user units)");
    }
    assert!(machine.orders().is_empty());
    assert_eq!(systemd.status(coder).unwrap(), None);
    assert!(!systemd.is_running(coder).unwrap());
}

#[test]
fn the_status_joins_systemd_and_the_gateway() {
    let machine = Machine::new().shown([RUNNING]).gateway_says("degraded", 4711);
    let status = machine.systemd.status(&machine.coder).unwrap().unwrap();
    assert!(status.up && status.ready && status.desired_up);
    assert_eq!((status.pid, status.restarts, status.gave_up), (Some(4711), 2, None));
    assert!(machine.systemd.is_running(&machine.coder).unwrap());
}

#[test]
fn a_failure_holds_the_command_status_and_stderr() {
    let machine = Machine::new().shown([STOPPED]);
    machine.systemctl.on("start", ["printf 'Job failed.\\nSee journalctl.\\n' >&2; exit 1"]);
    let error = machine.systemd.start(&machine.coder, SOON).unwrap_err();
    assert_eq!(error.to_string(), "failed to start the gateway 'coder'");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let cause = cause.replace(machine.systemctl.program.to_str().unwrap(), "systemctl");
    assert_snapshot!(cause, @"failed to run systemctl --user start hermes-gateway-coder.service: exit status: 1: Job failed.; See journalctl.");
}

#[test]
fn a_missing_systemctl_is_named() {
    let machine = Machine::new();
    let systemd = Systemd { systemctl: "/no/such/systemctl".into(), ..machine.systemd.clone() };
    let error = systemd.status(&machine.coder).unwrap_err();
    assert!(matches!(&error, ServiceError::Tool { source: ToolError::Run { command, .. }, .. }
            if command.starts_with("/no/such/systemctl --user show")));
}

#[test]
fn an_unknown_format_is_an_error() {
    let machine = Machine::new().shown(["Usage: systemctl"]);
    let error = machine.systemd.status(&machine.coder).unwrap_err();
    assert_snapshot!(error, @r#"the state of the gateway 'coder' is not in what systemctl show printed: "Usage: systemctl\n""#);
}

#[test]
fn units_cannot_be_registered_at_run_time() {
    let Machine { systemd, coder, systemctl, .. } = Machine::new();
    assert!(!systemd.supports_runtime_registration());
    for result in [systemd.register_profile_gateway(&coder), systemd.unregister_profile_gateway(&coder)] {
        assert!(matches!(result, Err(ServiceError::Unsupported { manager: Kind::Systemd, .. })));
    }
    assert!(matches!(systemd.list_profile_gateways(), Err(ServiceError::Unsupported { .. })));
    assert!(systemctl.calls().is_empty());
}

#[test]
fn the_units_of_this_user_follow_xdg() {
    let of = |variables: &'static [(&str, &str)]| {
        let variable = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
        };
        Systemd::of_environment(Home::new("/data").unwrap(), "/hermes".into(), variable)
    };
    let directory = |variables| of(variables).unwrap().unit_directory;
    assert_eq!(directory(&[("HOME", "/home/ada")]), Path::new("/home/ada/.config/systemd/user"));
    assert_eq!(
        directory(&[("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "/conf")]),
        Path::new("/conf/systemd/user")
    );
    assert_eq!(
        directory(&[("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "conf")]),
        Path::new("/home/ada/.config/systemd/user")
    );
    let error = of(&[("HOME", "")]).unwrap_err();
    assert!(matches!(error, ServiceError::NoUserDirectory { manager: Kind::Systemd }));
}

#[test]
fn the_systemctl_of_this_user_is_found_on_path() {
    let machine = Machine::new();
    let path = machine.folder.path().join("bin").into_os_string();
    let variable = |name: &str| match name {
        "HOME" => Some("/home/ada".into()),
        "PATH" => Some(path.clone()),
        _ => None,
    };
    let found = Systemd::of_environment(Home::new("/data").unwrap(), "/hermes".into(), variable).unwrap();
    assert_eq!(found.systemctl, machine.systemctl.program);
}
