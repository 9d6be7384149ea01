//! Files that a first boot creates on the volume, and that a later boot does not change.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Look, docker_test, secs};

use crate::support::driving::{look, must_be_down_for_good, wanted_and_said};
use crate::support::gateways::{gateway_is, hermes};
use crate::support::own_services::OwnServices;
use crate::support::setting_up::{LeftBehind, has_said, idle, owners, said, says, set_up};

/// The directories and the seeded files of a new volume.
const MADE: [&str; 23] = [
    ". 0:10000 1775",
    ".env 10000:10000 600",
    "SOUL.md 10000:10000 644",
    "agent-keys 10000:10000 700",
    "backups 10000:10000 700",
    "config.yaml 10000:10000 600",
    "cron 10000:10000 700",
    "dashboard 10000:10000 700",
    "home 10000:10000 755",
    "hooks 10000:10000 700",
    "logs 10000:10000 700",
    "logs/gateways 10000:10000 700",
    "memories 10000:10000 700",
    "pairing 10000:10000 700",
    "plans 10000:10000 755",
    "platforms 10000:10000 755",
    "platforms/pairing 10000:10000 700",
    "profiles 10000:10000 755",
    "sessions 10000:10000 700",
    "skills 10000:10000 700",
    "skins 10000:10000 755",
    "tool-output 10000:10000 700",
    "workspace 10000:10000 755",
];

/// Compares each seeded file with its template in the image.
const LIKE_THE_TEMPLATE: &str =
    "for name in .env config.yaml SOUL.md; do cmp /opt/hermes/docker/seed/$name $name || exit; done";

#[docker_test]
async fn a_first_boot_seeds_and_a_second_changes_nothing() -> Result<()> {
    let container = idle().start_ready().await?;
    let names = MADE.map(|line| line.split(' ').next().unwrap_or_default());
    let made = owners(&container, "/opt/data", &names).await?;
    ensure!(made == MADE, "{made:#?}");
    container.exec_sh(LIKE_THE_TEMPLATE).workdir("/opt/data").await?.success();
    // Each file belongs to the user from now on, and the user may remove it.
    container
        .exec_sh("echo mine >SOUL.md; chmod 640 SOUL.md; rm .env; rmdir skins")
        .workdir("/opt/data")
        .await?
        .success();
    container.restart().await?;
    container.ready().await?;
    ensure!(container.file("/opt/data/.env").await?.is_none(), "a file came back that was removed");
    let kept = owners(&container, "/opt/data", &["SOUL.md", "skins"]).await?;
    ensure!(kept == ["SOUL.md 10000:10000 640", "skins 10000:10000 755"], "{kept:?}");
    ensure!(container.read_file("/opt/data/SOUL.md").await? == b"mine\n");
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

#[docker_test]
async fn a_seed_never_replaces_an_existing_file() -> Result<()> {
    let script = "printf 'gateway: {port: 9001} # mine' >config.yaml; chmod 640 config.yaml
        : >.env; mkdir /srv/elsewhere; ln -s /srv/elsewhere/SOUL.md SOUL.md; echo '{}' >auth.json
        chown 10000:10000 config.yaml .env auth.json; chown -h 10000:10000 SOUL.md; chown 10000 /srv/elsewhere";
    let container = idle()
        .left_behind(script)
        .env("HERMES_AUTH_JSON_BOOTSTRAP", r#"{"token":"seeded"}"#)
        // Another test covers the migration of the configuration.
        .env("HERMES_SKIP_CONFIG_MIGRATION", "1")
        .start_ready()
        .await?;
    ensure!(container.read_file("/opt/data/config.yaml").await? == b"gateway: {port: 9001} # mine");
    ensure!(container.read_file("/opt/data/.env").await?.is_empty());
    ensure!(container.read_file("/opt/data/auth.json").await? == b"{}\n");
    container.exec(["ls", "-A", "/srv/elsewhere"]).await?.success().stdout_is("");
    let modes = owners(&container, "/opt/data", &["config.yaml", ".env", "auth.json", "SOUL.md"]).await?;
    let expected = [
        "config.yaml 10000:10000 640",
        ".env 10000:10000 600",
        "auth.json 10000:10000 600",
        "SOUL.md 10000:10000 777",
    ];
    ensure!(modes == expected, "{modes:?}");
    let link = "refusing to follow the symlink /opt/data/SOUL.md: it is left alone; put the file itself there, \
        or mount it there";
    has_said(&container, &[link]).await?;
    Ok(())
}

#[docker_test]
async fn files_with_secrets_are_closed_to_others_at_each_boot() -> Result<()> {
    let plant =
        "mkdir -p profiles/coder; for name in .env auth.json profiles/coder/.env profiles/coder/auth.json
        do echo SECRET=x >$name; chmod 666 $name; done; chmod 444 profiles/coder/auth.json";
    let container = idle().left_behind(plant).start_ready().await?;
    let files = [".env", "auth.json", "profiles/coder/.env", "profiles/coder/auth.json"];
    let closed = files.map(|name| format!("{name} 10000:10000 600"));
    let seen = owners(&container, "/opt/data", &files).await?;
    ensure!(seen == closed, "{seen:?}");
    // A file with a stricter mode keeps it.
    container
        .exec_sh("chmod 640 .env profiles/coder/.env; chmod 400 auth.json")
        .workdir("/opt/data")
        .await?
        .success();
    set_up(&container).await?.success();
    let seen = owners(&container, "/opt/data", &files).await?;
    ensure!(seen[1] == "auth.json 10000:10000 400", "{seen:?}");
    ensure!([0, 2, 3].iter().all(|&place| seen[place] == closed[place]), "{seen:?}");
    Ok(())
}

#[docker_test]
async fn only_a_first_boot_seeds_auth_json() -> Result<()> {
    let secret = r#"{"tokens": {"a": "s3cret-of-auth"}}"#;
    let container = idle().env("HERMES_AUTH_JSON_BOOTSTRAP", secret).start_ready().await?;
    let file = "/opt/data/auth.json";
    ensure!(container.read_file(file).await? == secret.as_bytes());
    ensure!(owners(&container, "/opt/data", &["auth.json"]).await? == ["auth.json 10000:10000 600"]);
    container.exec_sh("echo '{}' >auth.json").workdir("/opt/data").await?.success();
    container.restart().await?;
    container.ready().await?;
    ensure!(container.read_file(file).await? == b"{}\n", "it was seeded over");
    container.exec(["rm", file]).await?.success();
    says(&set_up(&container).await?.success(), &[])?;
    ensure!(container.file(file).await?.is_none(), "it was seeded a second time");

    for (home, nonsense) in
        [("/srv/1", "s3cret-of-auth"), ("/srv/2", r#"["s3cret-of-auth"]"#), ("/srv/3", "{")]
    {
        let first_boot =
            set_up(&container).env("HERMES_HOME", home).env("HERMES_AUTH_JSON_BOOTSTRAP", nonsense);
        let line = "HERMES_AUTH_JSON_BOOTSTRAP is not a JSON object, and auth.json is not created; give it the \
            whole content of an auth.json";
        says(&first_boot.await?.success(), &[line])?;
        ensure!(container.file(&format!("{home}/auth.json")).await?.is_none());
    }
    ensure!(!container.log().await?.contains("s3cret-of-auth"));
    Ok(())
}

#[docker_test]
async fn only_the_word_running_seeds_the_default_gateway() -> Result<()> {
    let name = "HERMES_GATEWAY_BOOTSTRAP_STATE";
    let container = idle().env(name, "running").start_ready().await?;
    container.wait_until("it runs", gateway_is("default", "running"), secs(10)).await?;
    hermes(&container, "default", &["gateway", "stop"]).await?.success();
    container.restart().await?;
    container.ready().await?;
    must_be_down_for_good(&container, "default").await?;
    ensure!(wanted_and_said(&container, "default").await?.0 == "stopped");
    container.exec(["rm", "/opt/data/gateway_state.json"]).await?.success();
    says(&set_up(&container).await?.success(), &[])?;
    ensure!(container.file("/opt/data/gateway_state.json").await?.is_none(), "it was seeded a second time");

    // Each value gets the first boot of another home.
    let rows = ["Running", "RUNNING", " running", "running ", "stopped", "true", "1", "", "running\n"];
    for (number, value) in rows.iter().enumerate() {
        let home = format!("/srv/{number}");
        says(&set_up(&container).env("HERMES_HOME", &home).env(name, value).await?.success(), &[])?;
    }
    let seen =
        look(&container, "cd /srv; ls -d */profiles | wc -l; ls -d */gateway_state.json 2>/dev/null || true")
            .await?;
    ensure!(seen == rows.len().to_string(), "first boots, and whom they seeded a state: {seen}");
    // An existing state stays.
    let script = r#"mkdir /srv/old; echo '{"desired_state":"stopped"}' >/srv/old/gateway_state.json"#;
    container.exec_sh(script).as_root().await?.success();
    set_up(&container).env("HERMES_HOME", "/srv/old").env(name, "running").await?.success();
    ensure!(
        container.read_file("/srv/old/gateway_state.json").await? == b"{\"desired_state\":\"stopped\"}\n",
        "it was seeded over"
    );
    Ok(())
}

#[docker_test]
async fn commands_during_the_first_boot_wait_for_the_seeds() -> Result<()> {
    let container = idle()
        .init_script("00-slow", "#!/bin/sh\nuntil [ -e /tmp/asked ]; do sleep 0.05; done\n")
        .env("HERMES_AUTH_JSON_BOOTSTRAP", "{}")
        .env("HERMES_GATEWAY_BOOTSTRAP_STATE", "running")
        .start()
        .await?;
    let booting = async |container: &Container| {
        let found = look(container, "ls /run/s6/basedir >/dev/null 2>&1 && echo yes || echo no").await?;
        Ok(Look::holds(found == "yes", || "nothing supervises yet".to_owned()))
    };
    container.wait_until("the boot is under way", booting, secs(10)).await?;
    // The boot continues only after the command has reported that it waits.
    let script =
        "hermes profile create coder 2>/tmp/said & until grep -q waiting /tmp/said; do sleep 0.05; done
        : >/tmp/asked; wait $!";
    container.exec_sh(script).deadline(secs(60)).await?.success();
    container.ready().await?;
    container.exec_sh(LIKE_THE_TEMPLATE).workdir("/opt/data").await?.success();
    ensure!(container.read_file("/opt/data/auth.json").await? == b"{}");
    container.wait_until("the default gateway runs", gateway_is("default", "running"), secs(10)).await?;
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    Ok(())
}

#[docker_test]
async fn a_profile_before_the_first_boot_prevents_no_seed() -> Result<()> {
    let container =
        idle().left_behind("mkdir -p profiles/coder; echo x >profiles/coder/SOUL.md").start_ready().await?;
    container.exec_sh(LIKE_THE_TEMPLATE).workdir("/opt/data").await?.success();
    hermes(&container, "coder", &["gateway", "start"]).await?.success();
    Ok(())
}
