//! A volume from a time at which the account had other IDs.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Volume, docker_test, secs};

use crate::support::driving::look;
use crate::support::gateways::{create_and_start, gateway_is, gateways};
use crate::support::setting_up::{idle, on_volume, said};

/// Creates files of the account and of other users, nested, in directories that both use.
const SHARED: &str = "for name in sessions memories workspace skills home plans backups hooks; do
        mkdir -p /opt/data/$name/d/alice/d; cd /opt/data/$name; echo x >own; echo x >d/own; echo x >d/alice/file
        echo x >d/alice/d/own; echo x >of-group; echo x >of-root; ln -s /etc/shadow link; mkfifo fifo; ln own hard
        chown -Rh 10000:10000 .; chown 1234:1234 d/alice d/alice/file; chown 10000:100 of-group; chown 0:0 of-root
    done; echo x >/opt/data/photo.jpg; chown 1234:10000 /opt/data/photo.jpg";

/// Returns the expected owners, for these IDs of the account.
fn expected(uid: u32, gid: u32) -> Vec<String> {
    let account = format!("{uid}:{gid}");
    let mut lines = Vec::new();
    for name in ["backups", "home", "hooks", "memories", "plans", "sessions", "skills", "workspace"] {
        for (path, owner) in [
            ("", account.as_str()),
            ("/d", &account),
            ("/d/alice", "1234:1234"),
            ("/d/alice/d", &account),
            ("/d/alice/d/own", &account),
            ("/d/alice/file", "1234:1234"),
            ("/d/own", &account),
            ("/fifo", &account),
            // This file has a second name, which may be in any directory.
            ("/hard", "10000:10000"),
            ("/link", "10000:10000"),
            ("/of-group", &account),
            ("/of-root", "0:0"),
            ("/own", "10000:10000"),
        ] {
            lines.push(format!("{name}{path} {owner}"));
        }
    }
    lines
}

/// Returns the owners of the files in those directories.
async fn seen(container: &Container) -> Result<Vec<String>> {
    let script =
        "cd /opt/data; find sessions memories workspace skills home plans backups hooks -printf '%p %U:%G\\n'
        | LC_ALL=C sort";
    Ok(look(container, &script.replace('\n', " ")).await?.lines().map(str::to_owned).collect())
}

#[docker_test]
async fn a_remap_changes_only_the_files_of_the_account() -> Result<()> {
    let volume = Volume::new().await?;
    let container = idle().volume(&volume, "/opt/data").start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    look(&container, SHARED).await?;
    container.stop().await?;
    drop(container);

    let container =
        idle().volume(&volume, "/opt/data").env("PUID", "1000").env("PGID", "1000").start_ready().await?;
    let owners = seen(&container).await?;
    let expected = expected(1000, 1000);
    ensure!(owners == expected, "{owners:#?}");
    let whole =
        "cd /opt/data; find profiles logs cron pairing ! -user hermes; stat -c %u:%g photo.jpg . config.yaml";
    let whole = look(&container, whole).await?;
    ensure!(whole == "1234:10000\n0:1000\n1000:1000", "{whole}");
    let coder = container.wait_until("coder runs", gateway_is("coder", "running"), secs(10)).await?;
    ensure!(coder.desired_state.as_deref() == Some("running"), "{coder:?}");
    create_and_start(&container, &["writer"]).await?;
    ensure!(gateways(&container).await?.len() == 3);
    // The next boots have no work left.
    let words = said(&container).await?;
    container.restart().await?;
    container.ready().await?;
    ensure!(said(&container).await? == words, "{:#?}", said(&container).await?);
    ensure!(seen(&container).await? == expected);
    Ok(())
}

#[docker_test]
async fn a_boot_completes_an_interrupted_remap() -> Result<()> {
    let volume = Volume::new().await?;
    let builder = || idle().volume(&volume, "/opt/data");
    drop(builder().start_ready().await?);
    on_volume(&volume, &SHARED.replace("/opt/data", "/volume")).await?;
    // The account has its new IDs, but the volume still has the former ones.
    let script =
        "#!/bin/sh\ngroupmod -g 1000 hermes && usermod -u 1000 -d /nonexistent/hermes-remap hermes\n";
    let container = {
        use crate::support::own_services::OwnServices;
        builder()
            .env("PUID", "1000")
            .env("PGID", "1000")
            .init_script("00-remapped", script)
            .start_ready()
            .await?
    };
    let owners = seen(&container).await?;
    ensure!(owners == expected(1000, 1000), "{owners:#?}\n{:#?}", said(&container).await?);
    let entry = look(&container, "grep ^hermes: /etc/passwd").await?;
    ensure!(entry == "hermes:x:1000:1000::/opt/data:/bin/bash", "{entry}");
    Ok(())
}
