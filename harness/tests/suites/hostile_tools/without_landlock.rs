//! A kernel without Landlock: each call of a tool asks a person.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::probe::Request;
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use serde_json::{Value, json};

use crate::support::driving::hermes;

use super::files::{DECOYS, SUM, attempts, calls_of};
use super::leftovers::DAEMONS;
use super::scene::{ATTACKER, Attempt, PORTS, Scene, Surface};
use super::{network, processes, system_calls};

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

/// Sends a request to the gateway of the attacker, and returns the answer.
async fn send(scene: &Scene, request: Request) -> Result<Value> {
    let request = request.header("Authorization", &format!("Bearer {}", scene.key));
    let answer = scene.container.http(PORTS[1], &request).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(serde_json::from_str(&answer.text())?)
}

/// Makes a call that a person must deny: it is asked, and it does not run.
async fn deny(scene: &Scene, tool: &str, arguments: Value, subject: &str) -> Result<()> {
    let turn = scene.call(Surface::Gateway, ATTACKER, tool, arguments);
    let answer = async {
        let asked = async |_: &Container| {
            let listed = send(scene, Request::get("/api/approvals")).await?;
            Ok(Look::from_option(listed["data"].get(0).cloned(), || listed.to_string()))
        };
        let question = scene.container.wait_until("a question waits", asked, secs(30)).await?;
        ensure!(question["reason"] == "no_sandbox" && question["tool"] == tool, "{question}");
        let asked = question["subject"].as_str().unwrap_or_default();
        ensure!(asked == subject, "{question}");
        let path = format!("/api/approvals/{}", question["id"].as_str().unwrap_or_default());
        send(scene, Request::post(&path).json(r#"{"choice": "deny"}"#)).await?;
        Ok::<_, anyhow::Error>(())
    };
    let (result, answered) = tokio::join!(turn, answer);
    answered.with_context(|| format!("{tool}: {subject}"))?;
    let result = result?;
    ensure!(result.contains("A person denied this.") && !result.contains("exit code"), "{subject}: {result}");
    Ok(())
}

/// Starts a container whose kernel has no Landlock, and lets the attacker's questions wait for a person.
async fn that_asks() -> Result<(Scene, String)> {
    let scene = Scene::start_with("127.0.0.1:1", without_landlock).await?;
    hermes(&scene.container, "-p coder config set approvals.timeout 60").await?.success();
    hermes(&scene.container, "-p coder gateway restart").await?.success();
    scene.container.exec_sh(DECOYS).await?.success();
    let before = scene.container.exec_sh(SUM).await?.success().stdout();
    Ok((scene, before))
}

/// Nothing of the denied calls ran.
async fn nothing_ran(scene: &Scene, before: &str) -> Result<()> {
    let after = scene.container.exec_sh(SUM).await?.success().stdout();
    ensure!(before == after, "before:\n{before}\nafter:\n{after}");
    scene
        .container
        .exec_sh("ls -A /opt/data/profiles/coder/workspace")
        .await?
        .success()
        .stdout_is("notes.md");
    let notes = scene.container.exec_sh("cat /opt/data/profiles/coder/workspace/notes.md").await?.success();
    notes.stdout_is("The workspace of coder.");
    Ok(())
}

#[docker_test]
async fn without_landlock_the_level_is_shown() -> Result<()> {
    let scene = Scene::start_with("127.0.0.1:1", without_landlock).await?;
    let status = hermes(&scene.container, "-p coder status").await?.success().stdout();
    let line = status.lines().find(|line| line.to_lowercase().contains("sandbox"));
    let line = line.with_context(|| status.clone())?;
    ensure!(line.contains("seccomp") && !line.contains("landlock"), "{line}");
    let doctor = hermes(&scene.container, "doctor").await?.either_way().stdout();
    ensure!(doctor.contains("this kernel has no Landlock (sandbox: seccomp)"), "{doctor}");
    Ok(())
}

/// The attacks on other processes, on the network and by system calls are asked, too.
#[docker_test]
async fn without_landlock_each_attack_on_the_system_asks() -> Result<()> {
    let (scene, before) = that_asks().await?;
    let targets = processes::targets(&scene).await?;
    let attempts: Vec<_> = processes::attempts(&targets)
        .into_iter()
        .chain(network::direct("127.0.0.1", PORTS[2]))
        .chain(system_calls::attempts())
        .collect();
    ensure!(attempts.len() > 100, "{}", attempts.len());
    for attempt in &attempts {
        deny(&scene, "terminal", json!({ "command": attempt.script }), &attempt.script).await?;
    }
    nothing_ran(&scene, &before).await
}

#[docker_test]
async fn without_landlock_each_attack_by_a_command_asks() -> Result<()> {
    let (scene, before) = that_asks().await?;
    let daemons =
        DAEMONS.iter().map(|(name, script)| Attempt::new(*name, script.replace("MARK", "86400.99")));
    let attempts: Vec<_> = attempts().into_iter().chain(daemons).collect();
    ensure!(attempts.len() > 100, "{}", attempts.len());
    for attempt in &attempts {
        deny(&scene, "terminal", json!({ "command": attempt.script }), &attempt.script).await?;
    }
    nothing_ran(&scene, &before).await?;
    let processes = scene.container.processes().await?;
    let is_left = |argument: &String| argument.contains("86400.99") || argument.contains("tool-run");
    let left: Vec<_> = processes.iter().filter(|process| process.argv.iter().any(is_left)).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[docker_test]
async fn without_landlock_each_attack_by_a_file_tool_asks() -> Result<()> {
    let (scene, before) = that_asks().await?;
    for path in
        ["/opt/data/.env", "../.env", "../SOUL.md", "../../writer/.env", "/proc/self/cwd/../.env", "notes.md"]
    {
        for (tool, arguments) in calls_of(path) {
            deny(&scene, tool, arguments, &format!("{tool} {path}")).await?;
        }
    }
    nothing_ran(&scene, &before).await
}
