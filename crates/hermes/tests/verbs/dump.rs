//! `hermes dump`: enough for a bug report, and no secret in it.

use crate::volume::Volume;

fn dump(volume: &Volume) -> String {
    let output = volume
        .hermes(["dump"])
        .env("HERMES_WEBHOOK", "planted-in-a-variable")
        .env("API_KEY", "planted-in-api-key")
        .env("OPENAI_API_KEY", "planted-elsewhere")
        .env("PUID", "99")
        .assert()
        .success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn it_says_what_runs_where_and_how_the_profiles_are() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume.write("profiles/coder/gateway_state.json", r#"{"desired_state":"running"}"#);
    volume.write("gateway_state.json", "{");
    volume.write("profiles/stray/x", "");
    let text = dump(&volume);
    for expected in [
        format!("version: {} [(unknown)]\n", env!("CARGO_PKG_VERSION")),
        "\nservice manager: none\n".to_owned(),
        "\n  HERMES_WEBHOOK is set\n".to_owned(),
        "\n  PUID=99\n".to_owned(),
        "\n  coder: wanted running, unregistered (not as it is wanted), restarts 0, port 9653; gateway_state.json: ok; \
         config.yaml: ok; .env: missing\n"
            .to_owned(),
        "gateway_state.json: it is no JSON: ".to_owned(),
        "not a profile: \"stray\": it has no SOUL.md\n".to_owned(),
        "container-boot.log:\n  (missing)\n".to_owned(),
        "MiB free".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected:?} is not in:\n{text}");
    }
}

#[test]
fn no_secret_is_in_it_wherever_it_was_planted() {
    let volume = Volume::new();
    volume.write(".env", "TELEGRAM_BOT=planted-in-env\nAPI_SERVER_PORT=planted-as-port\n");
    volume.write(
        "config.yaml",
        "provider:\n  api_key: planted-in-config\n  url: https://me:planted-in-url@host/\n",
    );
    // The carriers of a secret: a log, a reason, an error about a value.
    volume.write(
        "logs/container-boot.log",
        "x failed reason=planted-in-env\ntoken=planted-in-log\nplanted-in-config planted-in-a-variable \
         planted-elsewhere planted-in-api-key\nBearer planted-bearer https://me:planted-in-url@host/\n",
    );
    volume.write(
        "gateway_state.json",
        r#"{"gateway_state":"startup_failed","exit_reason":"refused with planted-in-config, password: planted-word"}"#,
    );
    // A file that is no YAML and no .env: its error must not quote it.
    volume.write("profiles/broken/SOUL.md", "x");
    volume.write("profiles/broken/config.yaml", "key: [planted-in-broken\n");
    volume.write("profiles/broken/.env", "planted in broken\n");
    let text = dump(&volume);
    assert!(text.contains("broken: ") && text.contains("reason=***"), "{text}");
    let found: Vec<_> = text.lines().filter(|line| line.contains("planted")).collect();
    assert!(found.is_empty(), "{found:#?}");
}
