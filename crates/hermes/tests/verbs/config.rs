//! `hermes config …`.

use std::fs;

use crate::volume::Volume;
use predicates::prelude::*;

const TEXT: &str = "# mine\ngateway:\n  port: 9300 # chosen\n  api_key: planted-secret\n";

fn volume() -> Volume {
    let volume = Volume::new();
    volume.write("profiles/coder/SOUL.md", "x");
    volume.write("profiles/coder/config.yaml", TEXT);
    volume
}

#[test]
fn a_value_is_read_and_set_and_nothing_else_changes() {
    let volume = volume();
    volume.hermes(["-p", "coder", "config", "get", "gateway.port"]).assert().success().stdout("9300\n");
    volume.hermes(["-p", "coder", "config", "set", "gateway.port", "9301"]).assert().success();
    volume
        .hermes(["-p", "coder", "config", "get", "gateway.port", "--json"])
        .assert()
        .success()
        .stdout("9301\n");
    assert_eq!(volume.read("profiles/coder/config.yaml"), TEXT.replace("9300", "9301"));
    volume
        .hermes(["-p", "coder", "config", "path"])
        .assert()
        .success()
        .stdout(format!("{}\n", volume.path("profiles/coder/config.yaml").display()));
}

#[test]
fn unset_removes_one_value_and_nothing_else() {
    let volume = volume();
    volume.hermes(["-p", "coder", "config", "unset", "gateway.port"]).assert().success();
    assert_eq!(volume.read("profiles/coder/config.yaml"), TEXT.replace("  port: 9300 # chosen\n", ""));
    volume
        .hermes(["-p", "coder", "config", "unset", "gateway.port"])
        .assert()
        .code(1)
        .stderr("error: the configuration has no gateway.port\nhint: see what there is: hermes -p coder config list\n");
    volume.hermes(["config", "unset", "a.b"]).assert().code(1);
    assert!(!volume.path("config.yaml").exists());
}

#[test]
fn a_missing_key_fails_and_says_where_to_look() {
    volume()
        .hermes(["-p", "coder", "config", "get", "gateway.hots"])
        .assert()
        .code(1)
        .stderr("error: the configuration has no gateway.hots\nhint: see what there is: hermes -p coder config list\n");
}

#[test]
fn a_secret_is_shown_to_who_asks_for_exactly_that_and_nowhere_else() {
    let volume = volume();
    volume
        .hermes(["-p", "coder", "config", "get", "gateway.api_key"])
        .assert()
        .success()
        .stdout("planted-secret\n");
    volume
        .hermes(["-p", "coder", "config", "list"])
        .assert()
        .success()
        .stdout("gateway.port: 9300\ngateway.api_key: ***\n");
    for words in [["list", "--json"], ["get", "gateway"]] {
        let [one, two] = words;
        volume
            .hermes(["-p", "coder", "config", one, two])
            .assert()
            .success()
            .stdout(predicate::str::contains("***").and(predicate::str::contains("planted").not()));
    }
}

#[test]
fn a_value_that_no_gateway_can_start_with_is_warned_about() {
    volume()
        .hermes(["-p", "coder", "config", "set", "gateway.port", "many"])
        .assert()
        .success()
        .stderr(predicate::str::starts_with("warning: gateway.port in line 3 of config.yaml is \"many\""));
}

#[test]
fn a_configuration_of_a_later_version_is_changed_as_any_other_with_a_warning() {
    let volume = volume();
    volume.write("profiles/coder/config.yaml", "version: 7\nnew: {of: it}\n");
    volume.hermes(["-p", "coder", "config", "set", "gateway.port", "9301"]).assert().success().stderr(
        "warning: the configuration is of version 7 and this hermes knows 1; what is new in it stays, and is ignored\n",
    );
    assert_eq!(
        volume.read("profiles/coder/config.yaml"),
        "version: 7\nnew: {of: it}\ngateway:\n  port: 9301\n"
    );
    volume.hermes(["-p", "coder", "config", "get", "gateway.port"]).assert().success().stdout("9301\n");
    volume.hermes(["-p", "coder", "config", "set", "version", "one"]).assert().success().stderr(
        "warning: version in line 1 is \"one\", and must be a whole number such as 1; until that is corrected no boot \
         migrates the configuration\n",
    );
}

#[test]
fn a_configuration_that_a_command_makes_names_its_version() {
    let volume = Volume::new();
    volume.hermes(["config", "set", "gateway.drain_timeout", "7"]).assert().success().stderr("");
    assert_eq!(volume.read("config.yaml"), "version: 1\ngateway:\n  drain_timeout: 7\n");
    volume.hermes(["profile", "create", "coder"]).assert().success();
    assert_eq!(volume.read("profiles/coder/config.yaml"), "version: 1\ngateway:\n  port: 9653\n");
}

#[test]
fn a_profile_that_is_not_there_has_no_configuration() {
    let volume = Volume::new();
    volume.hermes(["-p", "nobody", "config", "set", "a", "b"]).assert().code(1);
    assert!(!volume.path("profiles").exists());
}

/// The files beside the configuration after the editor has ended.
fn copies(volume: &Volume) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(volume.path("profiles/coder")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "tmp"))
        .collect()
}

#[test]
fn what_an_editor_made_replaces_the_file_and_leaves_no_copy() {
    let volume = volume();
    volume
        .hermes(["-p", "coder", "config", "edit"])
        .env("EDITOR", "sed -i s/9300/9301/")
        .assert()
        .success()
        .stdout(predicate::str::starts_with("wrote "));
    assert_eq!(volume.read("profiles/coder/config.yaml"), TEXT.replace("9300", "9301"));
    volume
        .hermes(["-p", "coder", "config", "edit"])
        .env("VISUAL", "true")
        .env("EDITOR", "false")
        .assert()
        .success()
        .stdout("nothing was changed\n");
    assert!(copies(&volume).is_empty());
}

#[test]
fn a_file_with_an_error_never_replaces_a_good_one_and_is_kept() {
    let volume = volume();
    volume
        .hermes(["-p", "coder", "config", "edit"])
        .env("EDITOR", "printf 'a: 1\\nb: [1, 2\\n' >")
        .assert()
        .code(78)
        .stderr(
            predicate::str::contains("this is no configuration: line ")
                .and(predicate::str::contains("what you wrote is in ")),
        );
    assert_eq!(volume.read("profiles/coder/config.yaml"), TEXT);
    let copies = copies(&volume);
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), "a: 1\nb: [1, 2\n");
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let volume = volume();
    volume
        .hermes(["-p", "coder", "config", "edit"])
        .env("EDITOR", "false")
        .assert()
        .code(1)
        .stderr(predicate::str::contains("nothing was changed"));
    assert_eq!(volume.read("profiles/coder/config.yaml"), TEXT);
    assert!(copies(&volume).is_empty());
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_lost() {
    let volume = volume();
    let file = volume.path("profiles/coder/config.yaml");
    let editor = format!("f() {{ echo 'theirs: 1' >{}; echo 'mine: 1' >\"$1\"; }}; f", file.display());
    volume.hermes(["-p", "coder", "config", "edit"]).env("EDITOR", editor).assert().code(75);
    assert_eq!(volume.read("profiles/coder/config.yaml"), "theirs: 1\n");
    assert_eq!(fs::read_to_string(&copies(&volume)[0]).unwrap(), "mine: 1\n");
}
