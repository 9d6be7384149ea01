//! A kernel without Landlock: each call of a tool asks a person.

use anyhow::{Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::hermes;

use super::scene::{ATTACKER, Attempt, Scene, Surface};

/// Answers the calls of Landlock as a kernel without it.
fn without_landlock(builder: ContainerBuilder) -> ContainerBuilder {
    let calls = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];
    let denied = json!({ "names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": 38 });
    let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied] });
    builder.security_opt(&format!("seccomp={filter}"))
}

async fn waiting(container: &Container) -> Result<Value> {
    let asked = async |container: &Container| {
        let list = hermes(container, "-p coder approvals list --json").await?.success().stdout();
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        Ok(Look::from_option(list["waiting"].get(0).cloned(), || list.to_string()))
    };
    Ok(container.wait_until("a question waits", asked, secs(20)).await?)
}

#[docker_test]
async fn without_landlock_each_call_asks() -> Result<()> {
    let scene = Scene::start_with("127.0.0.1:1", without_landlock).await?;
    for surface in [Surface::Chat, Surface::Gateway] {
        let calls = [
            ("terminal", json!({ "command": "echo ran >by-terminal" })),
            ("write_file", json!({ "path": "by-file", "content": "x" })),
            ("read_file", json!({ "path": "../.env" })),
        ];
        for result in scene.turn(surface, ATTACKER, &calls).await? {
            ensure!(result.contains("nobody answered in time"), "{surface:?}: {result}");
        }
    }
    let made = "ls /opt/data/profiles/coder/workspace";
    scene.container.exec_sh(made).await?.success().stdout_is("notes.md");
    Ok(())
}

#[docker_test]
async fn without_landlock_an_approved_call_has_the_other_parts() -> Result<()> {
    let scene = Scene::start_with("127.0.0.1:1", without_landlock).await?;
    hermes(&scene.container, "-p coder config set approvals.timeout 60").await?.success();
    let attempts = [
        Attempt::perl(
            "ptrace",
            &format!(
                "syscall({}, 0, 0, 0, 0) == 0 or die $!",
                if cfg!(target_arch = "x86_64") { 101 } else { 117 }
            ),
        ),
        Attempt::perl("socket: UDP", "socket(my $s, 2, 2, 0) or die $!"),
        Attempt::perl("socket: Unix", "socket(my $s, 1, 1, 0) or die $!"),
        Attempt::new("connect to a gateway", "exec 9<>/dev/tcp/127.0.0.1/9301"),
        Attempt::new("unshare", "unshare --user true"),
    ];
    let turn = scene.must_fail(Surface::Chat, &attempts);
    let answer = async {
        let question = waiting(&scene.container).await?;
        ensure!(question["reason"] == "no_sandbox" && question["tool"] == "terminal", "{question}");
        let id = question["id"].as_str().unwrap_or_default();
        hermes(&scene.container, &format!("-p coder approvals answer {id} once")).await?.success();
        Ok(())
    };
    let (failed, answered) = tokio::join!(turn, answer);
    answered?;
    failed?;
    scene.must_succeed_outside(&attempts).await
}
