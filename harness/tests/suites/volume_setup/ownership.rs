//! Owners on the volume. The set-up hands over whole directories of Hermes, and files with names of Hermes at the top,
//! and no other file.

use anyhow::{Result, ensure};
use hermes_harness::{Volume, docker_test};

use crate::support::driving::look;
use crate::support::gateways::{create_and_start, hermes};
use crate::support::setting_up::{EVERYTHING, has_said, idle, on_volume, owners, says, set_up, until_said};

/// Creates files of root at each place that Hermes uses. `docker exec` as root or a restored backup does the same.
const OF_ROOT: &str = "umask 022
    mkdir -p profiles/coder/a/b cron/jobs pairing/x platforms/pairing/y logs/gateways/coder sessions/s workspace/w
    for file in profiles/coder/SOUL.md profiles/coder/a/b/c cron/jobs/j pairing/x/p platforms/pairing/y/p \
        logs/gateways/coder/current sessions/s/f workspace/w/f photo.jpg .bashrc config.yaml.bak state.dbx
    do echo x >$file; done
    mkfifo profiles/coder/a/fifo; mknod profiles/coder/a/null c 1 3
    for file in auth.json auth.lock .env state.db state.db-wal state.db-shm gateway.pid gateway.lock gateway_state.json \
        processes.json active_profile config.yaml config.yaml.lock config.yaml.2026-01-01T00-00-00Z.bak lease.json \
        lease.lock .config.yaml.12-0.tmp .ownership SOUL.md
    do : >$file; done";

/// The paths that the set-up hands over, followed by the paths that it does not.
const ARE_HERMES: [&str; 44] = [
    ".config.yaml.12-0.tmp",
    ".env",
    ".turns",
    "SOUL.md",
    "active_profile",
    "auth.json",
    "auth.lock",
    "backups",
    "config.yaml",
    "config.yaml.2026-01-01T00-00-00Z.bak",
    "config.yaml.lock",
    "cron",
    "cron/jobs",
    "cron/jobs/j",
    "dashboard",
    "gateway.lock",
    "gateway.pid",
    "gateway_state.json",
    "home",
    "lease.json",
    "lease.lock",
    "logs",
    "logs/gateways",
    "logs/gateways/coder",
    "logs/gateways/coder/current",
    "pairing",
    "pairing/x",
    "pairing/x/p",
    "platforms",
    "platforms/pairing",
    "platforms/pairing/y",
    "platforms/pairing/y/p",
    "processes.json",
    "profiles",
    "profiles/coder",
    "profiles/coder/SOUL.md",
    "profiles/coder/a",
    "profiles/coder/a/b",
    "profiles/coder/a/b/c",
    "profiles/coder/a/fifo",
    "sessions",
    "state.db",
    "state.db-shm",
    "state.db-wal",
];
const ARE_NOT: [&str; 10] = [
    ".bashrc",
    ".ownership",
    "config.yaml.bak",
    "photo.jpg",
    "profiles/coder/a/null",
    "sessions/s",
    "sessions/s/f",
    "state.dbx",
    "workspace/w",
    "workspace/w/f",
];

#[docker_test]
async fn the_set_up_hands_over_only_files_of_hermes() -> Result<()> {
    let volume = Volume::new().await?;
    on_volume(&volume, OF_ROOT).await?;
    let container = idle().volume(&volume, "/srv/data").start_ready().await?;
    // The container runs already, so no other part of the boot changes owners.
    set_up(&container)
        .env("HERMES_HOME", "/srv/data")
        .env("HERMES_SKIP_CONFIG_MIGRATION", "1")
        .await?
        .success();
    let script = "find . -user hermes ! -name .seeds -printf '%P\\n' | LC_ALL=C sort";
    let look = |script: &'static str| container.exec_sh(script).as_root().workdir("/srv/data");
    let given = look(script).await?.success();
    let mut expected: Vec<_> = ARE_HERMES
        .into_iter()
        .chain(["agent-keys", "hooks", "memories", "plans", "skills", "skins", "tool-output", "workspace"])
        .collect();
    expected.sort_unstable();
    given.stdout_is(&expected.join("\n"));
    let kept = look("find . -mindepth 1 ! -user hermes -printf '%P\\n' | LC_ALL=C sort").await?.success();
    kept.stdout_is(&ARE_NOT.join("\n"));
    Ok(())
}

#[docker_test]
async fn gateways_can_use_repaired_public_files_of_root() -> Result<()> {
    let container = idle().start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    // An operator does this with `docker exec` and an editor.
    let by_hand = "umask 022; cd profiles/coder; mkdir -p way/to; cp config.yaml config.new; mv config.new config.yaml
        chmod 644 config.yaml; rm gateway_state.json; echo '{\"desired_state\":\"running\"}' >gateway_state.json
        echo A=b >.env; echo x >/opt/data/SOUL.md";
    container.exec_sh(by_hand).as_root().workdir("/opt/data").await?.success();
    container.restart().await?;
    container.ready().await?;
    let strange = container.exec_sh("find /opt/data/profiles ! -user hermes").as_root().await?.success();
    strange.stdout_is("");
    has_said(&container, &["4 files and directories are the account's now (10000:10000)"]).await?;
    hermes(&container, "coder", &["gateway", "restart"]).await?.success();
    container.exec_sh("cat config.yaml .env").workdir("/opt/data/profiles/coder").await?.success();
    Ok(())
}

#[docker_test]
async fn private_files_of_root_stay_and_the_hint_works() -> Result<()> {
    let container = idle().start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    let by_hand = "umask 077; cd profiles/coder; mkdir deep; echo x >deep/file";
    container.exec_sh(by_hand).as_root().workdir("/opt/data").await?.success();
    container.restart().await?;
    container.ready().await?;
    let line = "/opt/data/profiles/coder/deep belongs to 0:0 and stays so; to give it to the account: docker exec -u root \
        CONTAINER chown -hR hermes:hermes /opt/data/profiles/coder/deep";
    until_said(&container, line, |words| words.iter().any(|word| word.contains("/coder/deep"))).await?;
    ensure!(look(&container, "stat -c %u /opt/data/profiles/coder/deep/file").await? == "0");
    look(&container, "chown -hR hermes:hermes /opt/data/profiles/coder/deep").await?;
    says(&set_up(&container).await?.success(), &[])?;
    Ok(())
}

#[docker_test]
async fn links_of_root_are_refused_by_name() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = "mkdir -p /srv/precious/sub; echo x >/srv/precious/file; echo x >/srv/precious/sub/file
        echo x >precious; mkdir -p profiles/coder cron
        ln -s /srv/precious profiles/coder/directory; ln -s ../../precious profiles/coder/file
        ln /opt/data/precious cron/hard; ln -s /srv/precious cron/of-hermes; ln -s / cron/root
        chown hermes:hermes profiles/coder cron; chown -h hermes:hermes cron/of-hermes cron/root";
    container.exec_sh(plant).as_root().workdir("/opt/data").await?.success();
    let everything = format!("{EVERYTHING} everything /srv/precious /opt/data/precious /opt/data/cron/hard");
    let before = look(&container, &everything).await?;
    let boot = set_up(&container).await?.success();
    let expected = [
        "refusing to follow the symlink /opt/data/profiles/coder/directory: it is left alone; remove it, or give it \
            to the account (chown -h)",
        "refusing to follow the symlink /opt/data/profiles/coder/file: it is left alone; remove it, or give it to \
            the account (chown -h)",
        "refusing to hand /opt/data/cron/hard over: it is a hard link, and has other names elsewhere; copy it if \
            Hermes needs it",
    ];
    says(&boot, &expected)?;
    ensure!(look(&container, &everything).await? == before, "something was changed through a link");
    // A thousand links give no more lines than a few.
    let many = "perl -e 'symlink \"/etc/shadow\", \"cron/$_\" for 1..1000'";
    container.exec_sh(many).as_root().workdir("/opt/data").await?.success();
    let boot = set_up(&container).await?.success();
    let lines = boot.stderr().lines().count();
    ensure!(lines == 11, "{}", boot.report("ten refusals, and one line about the others"));
    ensure!(
        boot.stderr().contains("hermes-setup: 993 more links were refused\n"),
        "{}",
        boot.report("how many")
    );
    Ok(())
}

#[docker_test]
async fn mounts_inside_the_volume_keep_their_owner() -> Result<()> {
    let somebodys = Volume::new().await?;
    let fresh = Volume::new().await?;
    let script = "mkdir d; echo x >d/f; echo x >file; chown -R 1234:1234 .";
    on_volume(&somebodys, script).await?;
    let container = idle()
        .volume(&somebodys, "/opt/data/profiles/coder/mounted")
        .volume(&somebodys, "/opt/data/workspace")
        .volume(&fresh, "/opt/data/memories")
        .start_ready()
        .await?;
    let line = "/opt/data/workspace is mounted, and holds files of others: it still belongs to 1234:1234; to let \
        agents write there, change its owner at the source of the mount";
    let is_told =
        |words: &[String]| words.iter().filter(|word| !word.contains("the account's now")).eq([line]);
    until_said(&container, line, is_told).await?;
    for boot in 0..2 {
        let given = owners(&container, "/opt/data", &["memories", "profiles/coder"]).await?;
        let expected = ["memories 10000:10000 755", "profiles/coder 10000:10000 755"];
        ensure!(given == expected, "boot {boot}: {given:?}");
        let mounted = "find workspace profiles/coder/mounted ! -uid 1234 -o ! -gid 1234";
        let given = container.exec_sh(mounted).as_root().workdir("/opt/data").await?.success();
        given.stdout_is("");
        set_up(&container).await?.success();
    }
    Ok(())
}
