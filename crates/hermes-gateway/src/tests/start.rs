//! The start of a gateway, and its failures.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process;

use hermes_core::{ProfileName, chain};
use hermes_os::process::ProcessStat;
use rstest::rstest;

use super::gateway::{Running, TestHome, coder, free_port, taken_port};
use crate::error::GatewayError;
use crate::http;
use crate::state::STATE_INTERVAL;

/// Checks the files after a start that failed with the lock.
#[track_caller]
fn assert_left_as_failed(home: &TestHome, error: &GatewayError) {
    let state = home.state();
    assert_eq!(home.observed(), Some("startup_failed"));
    assert_eq!(state.exit_reason(), Some(chain(error).as_str()));
    assert!(!home.home.gateway_pid(&coder()).exists());
}

#[test]
fn readiness_follows_the_state_running() {
    let home = TestHome::new();
    let gateway = home.start();
    let state = home.state();
    assert_eq!(home.observed(), Some("running"));
    assert_eq!(state.pid(), Some(process::id()));
    assert_eq!(state.start_time(), Some(ProcessStat::of(std::process::id()).unwrap().start_ticks));
    assert_eq!(state.kind(), Some("hermes-gateway"));
    assert_eq!(state.argv(), Some(vec!["hermes", "-p", "coder"]));
    assert_eq!(state.exit_reason(), None);
    let pid = home.home.gateway_pid(&coder());
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", process::id()));
    assert_eq!(fs::metadata(&pid).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(gateway.get("/health").status, 200);
    gateway.stop();
}

#[test]
fn a_second_gateway_of_a_profile_is_refused() {
    let home = TestHome::new();
    let gateway = home.start();
    let before = home.state();
    let error = home.failure();
    let expected = format!("another gateway of the profile 'coder' runs (PID {})", process::id());
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_configuration());
    assert_eq!(home.state(), before);
    assert!(home.home.gateway_pid(&coder()).exists());
    assert_eq!(gateway.get("/health").status, 200);
    gateway.stop();
    home.start().stop();
}

#[test]
fn files_of_a_dead_gateway_do_not_block_a_start() {
    let home = TestHome::new();
    fs::write(home.home.gateway_lock(&coder()), "").unwrap();
    fs::write(home.home.gateway_pid(&coder()), "1\n").unwrap();
    fs::write(home.home.gateway_state(&coder()), "{\"gateway_state\": \"running\", \"pid\": 1, \"mine\": 7}")
        .unwrap();
    let socket = home.home.gateway_socket(&coder());
    drop(UnixListener::bind(&socket).unwrap());
    assert!(fs::symlink_metadata(&socket).is_ok(), "it is left");
    let gateway = home.start();
    assert_eq!(gateway.get("/health").status, 200);
    assert_eq!(home.state().field("mine"), Some(&serde_json::json!(7)));
    gateway.stop();
}

#[test]
fn a_profile_without_a_directory_is_named() {
    let home = TestHome::new();
    let mut options = home.options();
    options.profile = ProfileName::new("nobody").unwrap();
    let error = home.failure_of(options);
    assert!(error.to_string().starts_with("the profile 'nobody' is gone: "), "{error}");
    assert!(error.is_configuration());
    assert_eq!(error.hint().unwrap(), "hermes profile create nobody");
    assert!(!home.home.profile_directory(&ProfileName::new("nobody").unwrap()).exists());
}

#[test]
fn a_symlink_in_place_of_the_lock_is_refused() {
    let home = TestHome::new();
    let target = home.home.root().join("target");
    symlink(&target, home.home.gateway_lock(&coder())).unwrap();
    let error = home.failure();
    assert!(matches!(error, GatewayError::Lock { .. }), "{error:?}");
    assert!(error.is_configuration());
    assert!(error.hint().unwrap().contains("symlink"), "{:?}", error.hint());
    assert!(!target.exists());
}

#[rstest]
#[case("config.yaml", "gateway: [\n", "correct that line in ")]
#[case("config.yaml", "gateway:\n  port: many\n", "gateway.port in line 2 of config.yaml")]
#[case("config.yaml", "gateway:\n  host: \"a b\"\n", "gateway.host in line 2 of config.yaml")]
#[case("config.yaml", "gateway:\n  drain_timeout: -1\n", "gateway.drain_timeout in line 2 of config.yaml")]
#[case(".env", "API_SERVER_PORT=70000\n", "API_SERVER_PORT")]
fn settings_that_are_broken_are_configuration_errors_with_a_hint(
    #[case] file: &str,
    #[case] contents: &str,
    #[case] hint: &str,
) {
    let home = TestHome::new();
    fs::write(home.home.profile_directory(&coder()).join(file), contents).unwrap();
    let error = home.failure();
    assert!(error.is_configuration(), "{error:?}");
    let given = error.hint().unwrap();
    assert!(given.contains(hint), "{given}");
    assert!(!format!("{}{given}", chain(&error)).contains("SECRET"), "{error}");
    assert_left_as_failed(&home, &error);
}

#[test]
fn a_faulty_line_of_the_dot_env_is_a_warning() {
    let home = TestHome::new();
    let dot_env = home.home.dot_env(&coder());
    fs::write(&dot_env, "AKEY='it\\'s'\nSECRET\nB='SECRET\nAPI_SERVER_PORT=9300\n").unwrap();
    let settings =
        hermes_core::gateway::settings::settings_of(&home.home, &coder(), &BTreeMap::new()).unwrap();
    assert_eq!((settings.port, settings.warnings.len()), (Some(9300), 2));
    for (warning, line) in settings.warnings.iter().zip([2, 3]) {
        assert!(warning.starts_with(&format!("{}, line {line}: ", dot_env.display())), "{warning}");
        assert!(!warning.contains("SECRET"), "{warning}");
    }
}

#[test]
fn a_directory_as_a_settings_file_is_a_configuration_error() {
    for file in ["config.yaml", ".env"] {
        let home = TestHome::new();
        fs::create_dir(home.home.profile_directory(&coder()).join(file)).unwrap();
        let error = home.failure();
        assert!(error.is_configuration() && error.hint().unwrap().contains(file), "{error:?}");
        assert_left_as_failed(&home, &error);
    }
}

#[test]
fn a_file_at_the_socket_path_is_kept() {
    let home = TestHome::new();
    let path = home.home.gateway_socket(&coder());
    fs::write(&path, "precious").unwrap();
    let error = home.failure();
    assert!(error.is_configuration());
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert_left_as_failed(&home, &error);
}

#[test]
fn a_port_in_use_is_reported_with_its_profile() {
    let home = TestHome::new();
    let (_listener, port) = taken_port();
    home.make_profile("writer");
    home.configure("coder", &format!("gateway:\n  port: {port}\n"));
    home.configure("writer", &format!("gateway:\n  port: {port}\n"));
    home.make_profile("third");
    home.configure("third", "gateway:\n  port: 9200\n");
    let error = home.failure();
    assert_eq!(
        error.to_string(),
        format!(
            "failed to serve on 127.0.0.1:{port}: the port is taken; the profile 'writer' is configured with it too"
        )
    );
    assert!(error.is_configuration());
    assert_eq!(error.hint().unwrap(), "hermes -p coder config set gateway.port 9201");
    assert_left_as_failed(&home, &error);
    assert!(!home.home.gateway_socket(&coder()).exists(), "the door that was open is closed");

    home.configure("writer", "");
    let error = home.failure();
    assert_eq!(error.to_string(), format!("failed to serve on 127.0.0.1:{port}: the port is taken"));

    let dot_env = home.home.dot_env(&coder());
    fs::write(&dot_env, format!("API_SERVER_PORT={port}\n")).unwrap();
    let hint = home.failure().hint().unwrap();
    assert_eq!(hint, format!("set API_SERVER_PORT=9201 in {}", dot_env.display()));
}

#[test]
fn an_address_of_another_machine_is_a_configuration_error() {
    let home = TestHome::new();
    // TEST-NET-1 (RFC 5737): no machine has it.
    home.configure("coder", "gateway:\n  host: 192.0.2.1\n  port: 9300\n");
    let error = home.failure();
    assert_eq!(error.to_string(), "failed to serve on 192.0.2.1:9300");
    assert!(error.is_configuration());
    assert_eq!(error.hint().unwrap(), "hermes -p coder config set gateway.host 127.0.0.1");
    assert_left_as_failed(&home, &error);
}

#[test]
fn under_s6_the_environments_port_is_the_default_profiles() {
    let home = TestHome::new();
    let (mine, containers) = (free_port(), free_port());
    let start = |supervised: bool, profile: &str| {
        let mut options = home.options();
        options.supervised = supervised;
        options.profile = ProfileName::new(profile).unwrap();
        options.environment.insert("API_SERVER_PORT".into(), containers.to_string());
        let mut gateway = Running::start(&home, options, http::router, STATE_INTERVAL);
        gateway.wait_ready();
        gateway
    };
    let is_served = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();

    let gateway = start(true, "coder");
    assert!(!is_served(containers));
    gateway.stop();
    let gateway = start(true, "default");
    assert!(is_served(containers));
    gateway.stop();
    let gateway = start(false, "coder");
    assert!(is_served(containers));
    gateway.stop();
    fs::write(home.home.dot_env(&coder()), format!("API_SERVER_PORT={mine}\n")).unwrap();
    let gateway = start(true, "coder");
    assert!(is_served(mine) && !is_served(containers));
    gateway.stop();
}

#[test]
fn a_gateway_runs_without_its_state_and_pid_files() {
    let home = TestHome::new();
    // Nobody can replace a directory by a file, root included.
    for path in [home.home.gateway_state(&coder()), home.home.gateway_pid(&coder())] {
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "").unwrap();
    }
    let gateway = home.start();
    assert_eq!(gateway.get("/health").status, 200);
    let metrics = gateway.get("/metrics").body;
    assert!(metrics.contains("\nhermes_gateway_state_write_failures_total 2\n"), "{metrics}");
    let inode = fs::metadata(home.home.gateway_state(&coder())).unwrap().ino();
    gateway.stop();
    assert_eq!(fs::metadata(home.home.gateway_state(&coder())).unwrap().ino(), inode);
}
