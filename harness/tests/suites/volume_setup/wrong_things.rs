//! A symlink, a directory or a file in place of another kind. The set-up names each with a hint, and does not touch
//! it.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};

use crate::support::driving::look;
use crate::support::setting_up::{EVERYTHING, LeftBehind, has_said, idle, says, set_up};

/// A fault at a path: the script that creates it, and its message.
type Wrong = (&'static str, &'static str);

/// Faults in place of a file.
const NO_FILES: [Wrong; 3] = [
    (
        "ln -s /srv/precious/NAME NAME",
        "refusing to follow the symlink /opt/data/NAME: it is left alone; put the file itself there, or mount it there",
    ),
    (
        "ln -s /nowhere NAME",
        "refusing to follow the symlink /opt/data/NAME: it is left alone; put the file itself there, or mount it there",
    ),
    (
        "mkdir NAME; echo x >NAME/kept",
        "/opt/data/NAME is a directory where a file belongs; remove it (an engine makes a directory where a file that is \
            to be mounted does not exist)",
    ),
];

/// Faults in place of a directory.
const NO_DIRECTORIES: [Wrong; 3] = [
    (
        "ln -s /srv/precious/NAME NAME",
        "refusing to follow the symlink /opt/data/NAME: it is left alone; put a directory there, or mount one there",
    ),
    (
        "ln -s /nowhere NAME",
        "refusing to follow the symlink /opt/data/NAME: it is left alone; put a directory there, or mount one there",
    ),
    ("echo kept >NAME", "/opt/data/NAME is a file where a directory belongs; move it away"),
];

const FILES: [&str; 5] = ["auth.json", "gateway_state.json", "config.yaml", ".env", "SOUL.md"];
const DIRECTORIES: [&str; 5] = ["home", "logs", "cron", "platforms", "profiles"];

/// Creates the targets of the links, as root, with everything that a set-up looks for.
const PRECIOUS: &str = "mkdir -p /srv/precious; cd /srv/precious; umask 022
    for name in auth.json gateway_state.json config.yaml .env SOUL.md; do echo '{}' >$name; done
    mkdir -p home logs/gateways cron/x platforms/pairing profiles/coder; echo x >profiles/coder/.env
    echo x >cron/x/file; echo x >platforms/pairing/file; cd /opt/data";

/// Creates these faults at these paths, once for each owner. Checks that a set-up reports each fault and changes no
/// file.
async fn assert_wrong_things_reported(rows: [Wrong; 3], names: &[&str]) -> Result<()> {
    let container = idle().start_ready().await?;
    let everything = format!("{EVERYTHING} everything /srv/precious");
    look(&container, PRECIOUS).await?;
    let precious = look(&container, &everything).await?;
    for (plant, words) in rows {
        let of = |name: &str, text: &str| text.replace("NAME", name);
        let mut plants = "set -e; cd /opt/data".to_owned();
        for name in names {
            plants += &format!("; rm -rf {name}; {}", of(name, plant));
        }
        // The owner makes no difference.
        for owner in ["root", "hermes"] {
            let chown =
                names.iter().map(|name| format!("chown -h {owner} /opt/data/{name}")).collect::<Vec<_>>();
            look(&container, &format!("{plants}; {}", chown.join("; "))).await?;
            let boot = set_up(&container).await?.success();
            let expected: Vec<_> = names.iter().map(|name| of(name, words)).collect();
            says(&boot, &expected.iter().map(String::as_str).collect::<Vec<_>>())?;
            let kinds = format!("cd /opt/data; stat -c '%N %F %U' {}", names.join(" "));
            let kinds = look(&container, &kinds).await?;
            ensure!(kinds.lines().all(|line| line.ends_with(&format!(" {owner}"))), "handed over:\n{kinds}");
        }
    }
    let after = look(&container, &everything).await?;
    ensure!(precious == after, "before\n{precious}\nafter\n{after}");
    Ok(())
}

#[docker_test]
async fn wrong_things_in_place_of_files_are_refused() -> Result<()> {
    assert_wrong_things_reported(NO_FILES, &FILES).await
}

#[docker_test]
async fn wrong_things_in_place_of_directories_are_refused() -> Result<()> {
    assert_wrong_things_reported(NO_DIRECTORIES, &DIRECTORIES).await
}

#[docker_test]
async fn a_boot_reports_each_wrong_thing_once() -> Result<()> {
    let plant = "chown 1000:1000 .; mkdir config.yaml; ln -s /etc/shadow .env; ln -s /etc/shadow auth.json
        echo x >sessions; ln -s /etc pairing; ln -s /etc/skel cron";
    let container = idle()
        .left_behind(&format!("{PRECIOUS}; {plant}"))
        .env("HERMES_AUTH_JSON_BOOTSTRAP", "{}")
        .start_ready()
        .await?;
    let expected = [
        "/opt/data belonged to 1000:1000 and is the account's now (10000:10000); to keep its owner, set PUID=1000 and \
            PGID=1000",
        "refusing to follow the symlink /opt/data/cron: it is left alone; put a directory there, or mount one there",
        "/opt/data/sessions is a file where a directory belongs; move it away",
        "refusing to follow the symlink /opt/data/pairing: it is left alone; put a directory there, or mount one there",
        "refusing to follow the symlink /opt/data/.env: it is left alone; put the file itself there, or mount it there",
        "refusing to follow the symlink /opt/data/auth.json: it is left alone; put the file itself there, or mount it \
            there",
        "/opt/data/config.yaml is a directory where a file belongs; remove it (an engine makes a directory where a \
            file that is to be mounted does not exist)",
    ];
    has_said(&container, &expected).await?;
    let shadow = look(&container, "stat -c '%a %U:%G' /etc/shadow /etc/skel /etc").await?;
    ensure!(shadow == "640 root:shadow\n755 root:root\n755 root:root", "{shadow}");
    container.exec(["hermes", "profile", "create", "coder"]).await?.success();
    Ok(())
}

#[docker_test]
async fn the_set_up_never_waits_for_a_fifo() -> Result<()> {
    let container: Container = idle().start_ready().await?;
    let plant =
        "cd /opt/data; rm -f .env config.yaml; for name in .env auth.json config.yaml state.db active_profile
        do mkfifo $name; done; mkfifo profiles/fifo; mkdir -p profiles/coder; mkfifo profiles/coder/.env";
    container.exec_sh(plant).await?.success();
    let boot = set_up(&container).env("PUID", "").await?.success();
    ensure!(
        boot.stderr().starts_with("hermes-setup: PUID is empty and taken as not set\n"),
        "{}",
        boot.report("")
    );
    let kinds = look(&container, "stat -c '%F %U' /opt/data/.env /opt/data/profiles/coder/.env").await?;
    ensure!(kinds == "fifo hermes\nfifo hermes", "{kinds}");
    Ok(())
}
