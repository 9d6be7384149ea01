//! Files of agents, of the account and of the supervision.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;
use serde_json::{Value, json};

use crate::support::driving::directory;

use super::scene::{ATTACKER, Attempt, CANARY, LOOSE, Scene, Surface};

/// The agents whose files the attacker wants.
const VICTIMS: [&str; 3] = ["default", ATTACKER, "writer"];

/// The files of each agent.
const FILES: [&str; 9] = [
    ".env",
    "hermes.db",
    "state.db",
    "config.yaml",
    ".api_key",
    "SOUL.md",
    ".bashrc",
    ".profile",
    "memories/MEMORY.md",
];

/// Files of the supervision.
const OF_SUPERVISION: [&str; 3] =
    ["/run/service/.lease.json", "/run/service/gateway-coder/down", "/run/service/.s6-svscan/finish"];

/// The directories in which the attacker plants files.
const DIRECTORIES: [&str; 10] = [
    "/opt/data",
    "/opt/data/profiles",
    "/opt/data/profiles/coder",
    "/opt/data/profiles/coder/skills",
    "/opt/data/profiles/coder/skills/sums",
    "/opt/data/profiles/coder/memories",
    "/opt/data/profiles/writer/workspace",
    "/opt/data/home",
    "/run/service",
    "/run/service/gateway-coder",
];

pub(super) fn attempts() -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for victim in VICTIMS {
        for file in FILES {
            let path = format!("{}/{file}", directory(victim));
            attempts.push(Attempt::new(format!("read {path}"), format!("head -c 200 {path}")));
            // Nothing is written if it succeeds.
            attempts.push(Attempt::new(format!("append to {path}"), format!(": >>{path}")));
        }
        attempts.push(Attempt::new(format!("list {victim}"), format!("ls {}", directory(victim))));
    }
    for path in OF_SUPERVISION {
        attempts.push(Attempt::new(
            format!("change {path}"),
            format!("[ -e {path} ] || made=1; : >>{path} && ${{made:+rm {path}}}"),
        ));
    }
    for directory in DIRECTORIES {
        let script = format!("echo x >{directory}/planted && rm {directory}/planted");
        attempts.push(Attempt::new(format!("plant in {directory}"), script));
        let script = format!("mkdir {directory}/evil && rmdir {directory}/evil");
        attempts.push(Attempt::new(format!("make a directory in {directory}"), script));
    }
    for fifo in ["gateway-coder/supervise/control", ".s6-svscan/control", "main-hermes/supervise/control"] {
        attempts.push(Attempt::new(
            format!("open the FIFO {fifo}"),
            format!("timeout 5 bash -c ': >/run/service/{fifo}'"),
        ));
    }
    let secret = "/run/s6/container_environment/OPENAI_API_KEY";
    attempts.push(Attempt::new("read the container's environment", format!("cat {secret}")));
    attempts.push(Attempt::new("list /run/service", "ls /run/service"));
    let run = "/run/service/gateway-coder/run";
    attempts.push(Attempt::new("replace a run script", format!("mv {run} {run}.old && mv {run}.old {run}")));
    attempts.extend(ways_around());
    attempts
}

/// Other ways to a file than its path. Each begins with its own decoy, which it may destroy.
fn ways_around() -> Vec<Attempt> {
    let ways = [
        ("by ..", "cat ../.env"),
        ("by .. to another profile", "cat ../../writer/.env"),
        ("by a symlink", "ln -sf ../.env here && cat here"),
        ("by a symlink of a directory", "ln -sfn /opt/data/profiles here-all && cat here-all/writer/.env"),
        ("by a symlink of a symlink", "ln -sf ../.env one && ln -sf one two && cat two"),
        ("write by a symlink", "ln -sf ../SOUL.md soul && : >>soul"),
        ("by /proc/self/cwd", "cat /proc/self/cwd/../.env"),
        ("by /proc/self/root", "cat /proc/self/root/opt/data/.env"),
        ("by a working directory outside", "cd ../../writer && cat .env"),
        ("copy a profile", "cp -r ../../writer/workspace/notes.md copied && cat copied"),
        ("source the environment", ". ../.env"),
        ("list the temporary directories", "ls /tmp"),
        ("remove", "rm -f ../decoy-1 || exit; [ ! -e ../decoy-1 ]"),
        ("truncate", "truncate -s 0 ../decoy-2"),
        ("chmod", "chmod 666 ../decoy-2"),
        ("chmod the profile", "chmod 755 .."),
        ("replace", "echo x >new && mv -f new ../decoy-3"),
        ("exchange the workspace", "mv ../../writer/workspace/decoy-dir ../../writer/moved"),
    ];
    let mut attempts: Vec<_> = ways.map(|(name, script)| Attempt::new(name, script)).into();
    let links = [
        ("hard link in", "rm -f hard; ln ../decoy-4 hard && cat hard"),
        ("hard link of a soul", "rm -f hard-soul; ln ../SOUL.md hard-soul && : >>hard-soul"),
        ("rename in", "mv ../decoy-5 here-now"),
    ];
    let links = links.map(|(name, script)| Attempt::new(name, script));
    attempts.extend(
        links.into_iter().map(|link| link.refused_with(&["Permission denied", "Invalid cross-device link"])),
    );
    attempts
}

/// Makes the decoys, as the account.
pub(super) const DECOYS: &str = "cd /opt/data/profiles/coder
for number in 1 2 3 4 5; do echo a decoy >decoy-$number; chmod 600 decoy-$number; done
mkdir -p ../writer/workspace/decoy-dir";

/// Prints a checksum of the decoys and of the files of agents.
pub(super) const SUM: &str = "cd /opt/data; find . -name 'decoy*' -o -name .env -o -name SOUL.md -o -name .bashrc -o -name config.yaml -o -name SKILL.md |
    sort | xargs stat -c '%n %a %U %F'; find . -name 'decoy-?' -o -name .env -o -name SOUL.md -o -name config.yaml | sort | xargs cat | sha256sum";

#[docker_test]
async fn no_command_reaches_files_outside_of_the_workspace() -> Result<()> {
    let scene = Scene::start().await?;
    let attempts = attempts();
    // Each agent has a database.
    for profile in ["default", "writer", LOOSE] {
        scene.model.script(&json!([]))?;
        scene.chat(profile).await?.success();
    }
    scene.container.exec_sh(DECOYS).await?.success();
    let before = scene.container.exec_sh(SUM).await?.success().stdout();
    for surface in [Surface::Chat, Surface::Gateway] {
        scene.must_fail(surface, &attempts).await?;
        let own = "cat notes.md && echo mine >>notes.md && mkdir -p $HOME/x && echo y >$TMPDIR/z && cat ../skills/sums/SKILL.md";
        let result = scene.command(surface, ATTACKER, own).await?;
        ensure!(result.contains("The workspace of coder.") && result.contains("Adds numbers"), "{result}");
        ensure!(result.contains("[exit code 0]"), "{result}");
    }
    // No approval opens these files.
    let of_loose: Vec<_> = attempts.iter().filter(|attempt| attempt.is_absolute()).cloned().collect();
    ensure!(of_loose.len() > 70, "{}", of_loose.len());
    scene.must_fail_for(Surface::Chat, LOOSE, &of_loose).await?;
    let after = scene.container.exec_sh(SUM).await?.success().stdout();
    ensure!(before == after, "before:\n{before}\nafter:\n{after}");
    scene.must_succeed_outside(&attempts).await?;
    Ok(())
}

/// Calls of the file tools for a path, each with a sign of its success.
pub(super) fn calls_of(path: &str) -> Vec<(&'static str, Value)> {
    let patch =
        json!({ "mode": "replace", "path": path, "old_string": "a", "new_string": "b", "replace_all": true });
    vec![
        ("read_file", json!({ "path": path })),
        ("search_files", json!({ "pattern": ".", "path": path })),
        ("patch", patch),
        ("write_file", json!({ "path": path, "content": "planted\n" })),
    ]
}

#[docker_test]
async fn no_file_tool_reaches_files_outside_of_the_workspace() -> Result<()> {
    let scene = Scene::start().await?;
    scene.container.exec_sh(DECOYS).await?.success();
    let links = "ln -sf ../.env link; ln -sfn /opt/data/profiles all; ln -sf ../decoy-2 decoy";
    scene.command(Surface::Chat, ATTACKER, links).await?;
    let before = scene.container.exec_sh(SUM).await?.success().stdout();
    for surface in [Surface::Chat, Surface::Gateway] {
        for path in [
            "/opt/data/.env",
            "/opt/data/profiles/coder/config.yaml",
            "../.env",
            "link",
            "decoy",
            "all/writer/.api_key",
            "../../writer/.env",
            "../SOUL.md",
            "../skills/sums/SKILL.md",
            "/opt/data/profiles/writer/workspace/notes.md",
            "/proc/self/cwd/../.env",
            "/opt/data/profiles/coder/../writer/SOUL.md",
        ] {
            let calls = calls_of(path);
            let results = scene.turn(surface, ATTACKER, &calls).await?;
            for ((tool, _), result) in calls.iter().zip(&results) {
                let is_own = path.contains("skills") && ["read_file", "search_files"].contains(tool);
                let is_refused = result.contains("Permission denied") || result.contains("sandbox");
                ensure!(is_refused != is_own, "{surface:?}: {tool} {path}:\n{result}");
            }
        }
    }
    let after = scene.container.exec_sh(SUM).await?.success().stdout();
    ensure!(before == after, "before:\n{before}\nafter:\n{after}");
    // The same calls work in the workspace.
    let [read, found, patched, written] =
        &scene.turn(Surface::Gateway, ATTACKER, &calls_of("notes.md")).await?[..]
    else {
        anyhow::bail!("four results");
    };
    ensure!(read.contains("The workspace of coder."), "{read}");
    ensure!(found.contains("The workspace of coder."), "{found}");
    let notes = scene
        .container
        .exec(["cat", "/opt/data/profiles/coder/workspace/notes.md"])
        .await?
        .success()
        .stdout();
    ensure!(notes == "planted\n", "{patched}\n{written}\n{notes}");
    // The search of everything finds no secret, and the secrets are there.
    let everything = json!({ "pattern": CANARY, "path": "/opt" });
    let result = scene.call(Surface::Gateway, ATTACKER, "search_files", everything).await?;
    ensure!(!result.contains("/opt/data/"), "{result}");
    scene.container.exec(["grep", "-rq", CANARY, "/opt/data"]).await?.success();
    Ok(())
}
