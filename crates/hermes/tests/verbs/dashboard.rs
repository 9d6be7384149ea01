//! `hermes dashboard`, on a volume of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

use crate::volume::Volume;

/// A dashboard that runs, ended when this is dropped.
struct Running {
    child: Child,
    link: String,
}

impl Running {
    fn start(volume: &Volume, arguments: &[&str]) -> Self {
        Self::start_with(volume, arguments, &[])
    }

    fn start_with(volume: &Volume, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hermes"))
            .env_clear()
            .env("HERMES_HOME", volume.path(""))
            .env("HERMES_DASHBOARD_INSECURE", "1")
            .envs(variables.iter().copied())
            .arg("dashboard")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let link =
            lines.find_map(|line| line.unwrap().strip_prefix("dashboard: open ").map(str::to_owned)).unwrap();
        Self { child, link }
    }

    fn get(&self, path: &str, cookie: &str) -> String {
        let address = self.link.split('/').nth(2).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The status of an answer to nobody in particular.
    fn status(&self, path: &str) -> String {
        self.get(path, "").split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn a_start_without_a_service_manager_is_recorded() {
    let volume = Volume::new();
    std::fs::create_dir_all(volume.path("runtime/systemd")).unwrap();
    // Without HOME, the directory of systemd's units is unknown.
    let output = Command::new(env!("CARGO_BIN_EXE_hermes"))
        .env_clear()
        .env("HERMES_HOME", volume.path(""))
        .env("XDG_RUNTIME_DIR", volume.path("runtime"))
        .arg("dashboard")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let record = std::fs::read_to_string(volume.path("dashboard/state.json")).expect(&said);
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["dashboard_state"], "startup_failed");
    let reason = record["exit_reason"].as_str().unwrap();
    assert!(said.contains(reason) && reason.contains("systemd"), "{reason:?} in {said}");
}

#[test]
fn the_link_opens_it_and_a_logout_of_all_closes_it_again() {
    let volume = Volume::new();
    volume.hermes(["dashboard", "link"]).assert().code(1).stderr(contains("has never run on this volume"));
    let port = free_port();
    let dashboard = Running::start(&volume, &["--port", &port]);
    let mode = std::fs::metadata(volume.path("dashboard/token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let printed = volume.hermes(["dashboard", "link"]).assert().success();
    let printed = String::from_utf8(printed.get_output().stdout.clone()).unwrap();
    assert_eq!(printed.trim().replace("localhost", "127.0.0.1"), dashboard.link);

    let path = format!("/{}", dashboard.link.splitn(4, '/').nth(3).unwrap());
    let answer = dashboard.get(&path, "");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(dashboard.get("/api/profiles", cookie).starts_with("HTTP/1.0 200"));
    assert!(dashboard.get("/api/profiles", "").starts_with("HTTP/1.0 401"));
    volume.hermes(["dashboard", "logout"]).assert().code(2);
    volume.hermes(["dashboard", "logout", "--all"]).assert().success();
    assert!(dashboard.get("/api/profiles", cookie).starts_with("HTTP/1.0 401"));
    // A second one is refused, and is no reason to think that the first does not run.
    volume.hermes(["dashboard", "--port", &port]).assert().code(78).stderr(contains("the port is taken"));
    volume.hermes(["dashboard", "status"]).assert().success().stdout(contains(format!("127.0.0.1:{port}")));
}

#[test]
fn without_authentication_it_is_served_to_this_machine_alone() {
    let volume = Volume::new();
    volume.write("config.yaml", "dashboard:\n  auth: none\n");
    let port = free_port();
    let open = Running::start(&volume, &["--port", &port]);
    assert_eq!((open.status("/").as_str(), open.status("/api/profiles").as_str()), ("200", "200"));
    assert!(!open.link.contains("token"), "{}", open.link);
    drop(open);
    let closed = Running::start(&volume, &["--port", &port, "--host", "0.0.0.0"]);
    assert_eq!((closed.status("/").as_str(), closed.status("/api/profiles").as_str()), ("303", "401"));
    assert!(closed.link.contains("/login?token="), "{}", closed.link);
}

#[test]
fn open_gives_the_link_to_the_machines_browser() {
    let volume = Volume::new();
    // The stand-in for the browser writes down its argument.
    let browser = volume.path("bin/xdg-open");
    volume.write("bin/xdg-open", "#!/bin/sh\nprintf %s \"$1\" >\"$HERMES_HOME/opened.new\" && mv \"$HERMES_HOME/opened.new\" \"$HERMES_HOME/opened\"\n");
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", volume.path("bin").display());
    let dashboard = Running::start_with(&volume, &["--port", &free_port(), "--open"], &[("PATH", &path)]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !volume.path("opened").exists() {
        assert!(Instant::now() < deadline, "nothing was opened");
        std::thread::yield_now();
    }
    assert_eq!(volume.read("opened"), dashboard.link);
}

#[test]
fn what_it_cannot_start_with_is_told_with_the_mend_and_recorded() {
    let volume = Volume::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases = [
        ("HERMES_DASHBOARD_PORT", port.as_str(), "the port is taken", "HERMES_DASHBOARD_PORT"),
        ("HERMES_DASHBOARD_PORT", "http", "must be a number from 1 to 65535", "correct it"),
        ("HERMES_DASHBOARD_HOST", "no.such.invalid", "no.such.invalid", "HERMES_DASHBOARD_HOST"),
        ("HERMES_DASHBOARD_HOST", "203.0.113.1", "203.0.113.1", "HERMES_DASHBOARD_HOST"),
        ("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE", "/nowhere", "the file is not there", "mount the file"),
    ];
    for (variable, value, what, hint) in cases {
        let failed = volume.hermes(["dashboard"]).env(variable, value).assert();
        failed
            .code(78)
            .stderr(contains("the dashboard does not run").and(contains(what)).and(contains(hint)));
        let state: serde_json::Value = serde_json::from_str(&volume.read("dashboard/state.json")).unwrap();
        assert_eq!(state["dashboard_state"], "startup_failed", "{variable}");
        assert!(state["exit_reason"].as_str().unwrap().contains(what), "{state}");
        volume.hermes(["dashboard", "status"]).assert().code(1).stdout(contains(what));
        volume.hermes(["doctor"]).assert().code(1).stdout(contains("the dashboard does not run"));
    }
    volume.write("config.yaml", "a: [");
    volume.hermes(["dashboard"]).assert().code(78).stderr(contains("config.yaml"));
    volume.hermes(["dashboard", "--port", "0"]).assert().code(2);
}

#[test]
fn a_password_is_hashed_for_the_configuration_and_shown_nowhere() {
    let volume = Volume::new();
    let hashed =
        volume.hermes(["dashboard", "hash-password"]).write_stdin("correct horse\n").assert().success();
    let hash = String::from_utf8(hashed.get_output().stdout.clone()).unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains("correct"), "{hash}");
    volume.hermes(["dashboard", "hash-password"]).write_stdin("\n").assert().code(1);
    volume.hermes(["config", "set", "dashboard.password_hash", hash.trim()]).assert().success();
    volume.hermes(["config", "list"]).assert().success().stdout(contains("$argon2id").not());
    volume
        .hermes(["dashboard", "link"])
        .assert()
        .code(1)
        .stderr(contains("a password is configured").and(contains("$argon2id").not()));
}
