//! `hermes profile …` on a directory where no service manager runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;

use crate::volume::Volume;
use predicates::prelude::*;
use rustix::pty::OpenptFlags;

#[test]
fn a_created_profile_is_shown_with_its_port_and_without_its_secrets() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume.write("profiles/coder/.env", "TOKEN=planted-secret\n");
    let output = volume.hermes(["profile", "show", "coder", "--json"]).assert().success();
    let value: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(value["gateway"]["port"], 9653, "{value}");
    assert_eq!(value["files"], serde_json::json!({"soul": true, "config": true, "env": true}));
    assert!(!value.to_string().contains("planted-secret"));
    volume.hermes(["-p", "coder", "profile", "show"]).assert().success().stdout(
        predicate::str::contains("port       9653\n").and(predicate::str::contains(".env       yes\n")),
    );
}

#[test]
fn a_stray_directory_is_not_taken_over_and_the_mend_is_named() {
    let volume = Volume::new();
    volume.write("profiles/coder/notes.txt", "precious");
    volume.hermes(["profile", "create", "coder"]).assert().code(1).stderr(
        predicate::str::contains("is there already, and is no profile")
            .and(predicate::str::contains("hint: move it away: mv ")),
    );
    assert_eq!(volume.read("profiles/coder/notes.txt"), "precious");
}

#[test]
fn what_a_killed_create_left_is_in_nobodys_way() {
    let volume = Volume::new();
    volume.write("profiles/.new-4711/config.yaml", "gateway:\n  port: 9653\n");
    volume.hermes(["profile", "create", "coder"]).assert().success();
    assert!(!volume.path("profiles/.new-4711").exists());
    volume.hermes(["profile", "list"]).assert().success().stderr("");
}

#[test]
fn profiles_that_are_created_at_once_get_ports_of_their_own() {
    let volume = Volume::new();
    // The names of these have one port in common: 9260. Each but the first must see the others.
    let names = [
        "agent-7",
        "agent-101",
        "agent-722",
        "agent-1175",
        "agent-1203",
        "agent-1307",
        "agent-1364",
        "agent-1735",
    ];
    std::thread::scope(|scope| {
        for name in names {
            scope.spawn(|| volume.hermes(["profile", "create", name]).assert().success());
        }
    });
    let ports: BTreeSet<String> =
        names.iter().map(|name| volume.read(&format!("profiles/{name}/config.yaml"))).collect();
    assert_eq!(ports.len(), names.len(), "{ports:?}");
}

#[test]
fn the_active_profile_is_the_one_that_is_meant_and_must_exist() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume.hermes(["profile", "use", "coder"]).assert().success();
    assert_eq!(volume.read("active_profile"), "coder\n");
    volume
        .hermes(["profile", "show"])
        .assert()
        .success()
        .stdout(predicate::str::contains("profile    coder\n"));
    volume
        .hermes(["profile", "use", "nobody"])
        .assert()
        .code(1)
        .stderr("error: no such gateway 'nobody'\nhint: create it: hermes profile create nobody\n");
    assert_eq!(volume.read("active_profile"), "coder\n");
}

#[test]
fn a_renamed_profile_stays_active_and_keeps_its_port() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume.hermes(["profile", "use", "coder"]).assert().success();
    volume.hermes(["profile", "rename", "coder", "builder"]).assert().success();
    assert_eq!(volume.read("active_profile"), "builder\n");
    assert!(volume.read("profiles/builder/config.yaml").contains("9653"));
    assert!(!volume.path("profiles/coder").exists());
}

#[test]
fn the_default_profile_cannot_be_renamed_and_no_name_is_taken_twice() {
    let volume = Volume::new();
    for name in ["one", "two"] {
        volume.hermes(["profile", "create", name]).assert().success();
    }
    volume.hermes(["profile", "rename", "default", "other"]).assert().code(2);
    volume
        .hermes(["profile", "rename", "one", "two"])
        .assert()
        .code(1)
        .stderr(predicate::str::starts_with("error: the profile 'two' exists already\n"));
    assert!(volume.path("profiles/one/SOUL.md").exists());
}

#[test]
fn without_a_terminal_nothing_is_deleted_unless_it_was_meant() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    volume
        .hermes(["profile", "delete", "coder"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("hint: say that you mean it: hermes profile delete coder --yes"));
    assert!(volume.path("profiles/coder/SOUL.md").exists());
    volume.hermes(["profile", "delete", "coder", "--yes"]).assert().success();
    let left: Vec<_> =
        fs::read_dir(volume.path("profiles")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn a_gateway_that_runs_in_the_foreground_keeps_its_directory() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    let lock = fs::File::create(volume.path("profiles/coder/gateway.lock")).unwrap();
    lock.lock().unwrap();
    for words in [["rename", "coder", "builder"], ["delete", "coder", "--yes"]] {
        volume
            .hermes(["profile"])
            .args(words)
            .assert()
            .code(75)
            .stderr(predicate::str::contains("hint: end it where it was started"));
    }
    drop(lock);
    volume.hermes(["profile", "rename", "coder", "builder"]).assert().success();
}

/// A terminal: what a person types into it, and the side that the program sees.
fn terminal_saying(answer: &str) -> (fs::File, fs::File) {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::unlockpt(&ours).unwrap();
    let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut ours = fs::File::from(ours);
    ours.write_all(answer.as_bytes()).unwrap();
    (ours, theirs)
}

#[test]
fn on_a_terminal_the_name_is_asked_for_and_only_that_deletes() {
    let volume = Volume::new();
    volume.hermes(["profile", "create", "coder"]).assert().success();
    let delete = |answer| {
        let (_ours, theirs) = terminal_saying(answer);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("hermes"));
        command.env_clear().env("HERMES_HOME", volume.path("")).args(["profile", "delete", "coder"]);
        command.stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(std::process::Stdio::null());
        command.status().unwrap().code()
    };
    assert_eq!(delete("yes\n"), Some(1));
    assert!(volume.path("profiles/coder/SOUL.md").exists());
    assert_eq!(delete("coder\n"), Some(0));
    assert!(!volume.path("profiles/coder").exists());
}
