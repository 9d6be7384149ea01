//! Tests of the settings.

use hermes_core::config::Config;
use rstest::rstest;

use super::*;

fn resolve(environment: &[(&str, &str)], yaml: &str) -> Result<Settings, SettingsError> {
    let config = Config::parse(yaml).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Settings::resolve(&Sources {
        environment,
        config: Some(&config),
        in_container: true,
        ..Sources::default()
    })
}

#[test]
fn defaults_depend_on_the_container() {
    let settings = resolve(&[], "").unwrap();
    assert_eq!((settings.host.as_str(), settings.port), ("0.0.0.0", 9119));
    assert!(matches!(settings.credential, Credential::Token));
    assert_eq!(Settings::resolve(&Sources::default()).unwrap().host, "127.0.0.1");
}

#[test]
fn the_command_line_precedes_the_environment_and_the_file() {
    let yaml = "dashboard:\n  host: 10.0.0.1\n  port: 1001\n  base_path: /file\n";
    let settings = resolve(&[], yaml).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.base_path.as_str()),
        ("10.0.0.1", 1001, "/file")
    );
    assert_eq!(settings.port_set_by, "dashboard.port in config.yaml");
    let environment = [
        ("HERMES_DASHBOARD_HOST", "10.0.0.2"),
        ("HERMES_DASHBOARD_PORT", "1002"),
        ("HERMES_DASHBOARD_BASE_PATH", "/env/"),
    ];
    let settings = resolve(&environment, yaml).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.base_path.as_str()),
        ("10.0.0.2", 1002, "/env")
    );
    let sources = Sources {
        host: Some("::1".into()),
        port: Some(1003),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Sources::default()
    };
    let settings = Settings::resolve(&sources).unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.port_set_by.as_str()),
        ("::1", 1003, "--port")
    );
    // Compose passes a variable that is not set as an empty one.
    assert_eq!(resolve(&[("HERMES_DASHBOARD_PORT", "")], "").unwrap().port, 9119);
}

#[rstest]
#[case("HERMES_DASHBOARD_PORT", "0")]
#[case("HERMES_DASHBOARD_PORT", "65536")]
#[case("HERMES_DASHBOARD_PORT", "http")]
#[case("HERMES_DASHBOARD_HOST", "a b")]
#[case("HERMES_DASHBOARD_HOST", "http://x")]
#[case("HERMES_DASHBOARD_BASE_PATH", "hermes")]
#[case("HERMES_DASHBOARD_BASE_PATH", "/a/../b")]
#[case("HERMES_DASHBOARD_BASE_PATH", "/\"><script>")]
#[case("HERMES_DASHBOARD_BASE_PATH", "//evil")]
#[case("HERMES_DASHBOARD_TRUSTED_PROXIES", "everybody")]
#[case("HERMES_DASHBOARD_ALLOWED_HOSTS", "*.example.org")]
#[case("HERMES_DASHBOARD_ALLOWED_HOSTS", "agents.example.org:443")]
#[case("HERMES_DASHBOARD_ALLOWED_HOSTS", "https://agents.example.org")]
#[case("HERMES_DASHBOARD_ALLOWED_HOSTS", "a.example, .")]
fn invalid_values_are_refused_by_name(#[case] name: &str, #[case] value: &str) {
    let error = resolve(&[(name, value)], "").unwrap_err().to_string();
    assert!(error.starts_with(name) && error.contains("must be"), "{error}");
}

#[test]
fn a_service_link_as_the_port_only_warns() {
    let link = [("HERMES_DASHBOARD_PORT", "tcp://10.96.12.7:9119")];
    for (yaml, port) in [("", 9119), ("dashboard: {port: 9200}", 9200)] {
        let settings = resolve(&link, yaml).unwrap();
        assert_eq!(settings.port, port);
        let warning = &settings.warnings[0];
        assert!(warning.starts_with("HERMES_DASHBOARD_PORT in the environment is "), "{warning}");
        assert!(warning.contains("service link"), "{warning}");
    }
}

#[test]
fn hosts_and_proxies_are_lists() {
    let settings = resolve(
        &[
            ("HERMES_DASHBOARD_ALLOWED_HOSTS", "a.example, b.example. 192.168.1.5,::1,*"),
            ("HERMES_DASHBOARD_TRUSTED_PROXIES", "10.0.0.1 172.16.0.0/12"),
        ],
        "",
    )
    .unwrap();
    assert_eq!(settings.allowed_hosts, ["a.example", "b.example", "192.168.1.5", "::1", "*"]);
    assert_eq!(settings.trusted_proxies.len(), 2);
    let settings =
        resolve(&[], "dashboard:\n  allowed_hosts: [c.example]\n  trusted_proxies: 10.0.0.0/8\n").unwrap();
    assert_eq!(settings.allowed_hosts, ["c.example"]);
    assert_eq!(settings.trusted_proxies.len(), 1);
}

#[test]
fn a_password_has_three_sources() {
    let user_of = |settings: Settings| match settings.credential {
        Credential::Password { user, password: Password::Plain(text) } => (user, text),
        Credential::Password { user, password: Password::Hash(_) } => (user, "(hash)".to_owned()),
        other => panic!("{other:?}"),
    };
    let of = |environment: &[(&str, &str)], yaml: &str| user_of(resolve(environment, yaml).unwrap());
    assert_eq!(of(&[(PASSWORD, "secret ")], ""), ("hermes".into(), "secret ".into()));
    assert_eq!(of(&[(USERNAME, "me"), (PASSWORD, "secret")], ""), ("me".into(), "secret".into()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), " from a file\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(of(&[(PASSWORD_FILE, path)], ""), ("hermes".into(), " from a file".into()));
    let hash = crate::auth::hash_password("x").unwrap();
    let yaml = format!("dashboard:\n  username: me\n  password_hash: '{hash}'\n");
    assert_eq!(of(&[], &yaml), ("me".into(), "(hash)".into()));
    // The set-up of a container has read the file. The dashboard may not read it.
    let hashed = [(PASSWORD_HASH, hash.as_str()), (PASSWORD_FILE, "/no/such/file")];
    assert_eq!(of(&hashed, ""), ("hermes".into(), "(hash)".into()));
}

#[test]
fn the_configuration_does_not_change_a_password_of_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret").unwrap();
    let hash = crate::auth::hash_password("secret").unwrap();
    let variables =
        [(PASSWORD, "secret"), (PASSWORD_HASH, &hash), (PASSWORD_FILE, file.path().to_str().unwrap())];
    for variable in variables {
        let settings = resolve(&[variable], "").unwrap();
        for yaml in ["dashboard:\n  auth: none\n", "dashboard:\n  password_hash: nonsense\n", ""] {
            let config = Config::parse(yaml).unwrap();
            let credential = settings.credential_with(Some(&config)).unwrap();
            assert!(
                matches!(credential, Credential::Password { .. }),
                "{variable:?} {yaml:?}: {credential:?}"
            );
        }
    }
}

#[rstest]
#[case(&[(USERNAME, "me")], "")]
#[case(&[(PASSWORD_FILE, "/dev/null")], "")]
#[case(&[], "dashboard:\n  password_hash: hunter2\n")]
#[case(&[(PASSWORD_HASH, "!")], "")]
#[case(&[], "dashboard:\n  auth: off\n")]
#[case(&[], "dashboard:\n  auth: false\n")]
fn incomplete_logins_are_refused_without_their_secret(
    #[case] environment: &[(&str, &str)],
    #[case] yaml: &str,
) {
    let error = resolve(environment, yaml).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[rstest]
#[case(None, "is not there")]
#[case(Some(&b"\n"[..]), "is empty")]
#[case(Some(&b"\xff"[..]), "is no text in UTF-8")]
fn a_file_without_a_password_is_refused_by_its_name(#[case] holds: Option<&[u8]>, #[case] problem: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    if let Some(bytes) = holds {
        std::fs::write(&file, bytes).unwrap();
    }
    let path = file.to_str().unwrap();
    let error = resolve(&[(PASSWORD_FILE, path)], "").unwrap_err().to_string();
    assert!(error.contains(path) && error.ends_with(problem), "{error}");
}

#[test]
fn insecure_only_warns() {
    let settings = resolve(&[(INSECURE, "1")], "").unwrap();
    assert!(matches!(settings.credential, Credential::Token));
    assert!(settings.warnings[0].contains("has no effect"), "{:?}", settings.warnings);
    assert!(resolve(&[(INSECURE, "0")], "").unwrap().warnings.is_empty());
}

#[test]
fn debug_output_has_no_secret() {
    let settings = resolve(&[(PASSWORD, "hunter2")], "").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}
