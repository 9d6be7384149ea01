//! Containers that cannot change the IDs of the account.

use anyhow::{Result, ensure};
use hermes_harness::{Volume, docker_test};

use crate::support::driving::create;
use crate::support::setting_up::{has_said, idle, on_volume, owners, said, until_said};

#[docker_test]
async fn a_remap_on_a_read_only_root_is_reported() -> Result<()> {
    let volume = Volume::new().await?;
    on_volume(&volume, "mkdir -p profiles/old; echo x >profiles/old/SOUL.md; chown -R 1000:1000 .").await?;
    let builder = idle().read_only().tmpfs("/run", "").volume(&volume, "/opt/data");
    let container = builder.env("PUID", "1000").env("PGID", "1000").start_ready().await?;
    let expected = [
        "giving the account other IDs is not possible: the root file system is read-only, and the account is in /etc; it \
            stays 10000:10000 (leave --read-only out, or start with --user)",
        "3 files and directories are the account's now (10000:10000)",
        "/opt/data belonged to 1000:1000 and is the account's now (10000:10000); to keep its owner, set PUID=1000 and \
            PGID=1000",
    ];
    has_said(&container, &expected).await?;
    create(&container, &["coder"]).await?;
    let owners = owners(&container, "/opt/data", &["profiles/coder", "profiles/old/SOUL.md"]).await?;
    ensure!(
        owners == ["profiles/coder 10000:10000 755", "profiles/old/SOUL.md 10000:10000 644"],
        "{owners:?}"
    );
    // The hint names this way out.
    drop(container);
    let builder = idle().read_only().tmpfs("/run", "").user("10000:10000").volume(&volume, "/opt/data");
    let container = builder.start_ready().await?;
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

#[docker_test]
async fn a_failed_usermod_is_reported_and_the_boot_continues() -> Result<()> {
    // A package that is half removed gives such an error.
    let fails = "#!/bin/sh\necho \"usermod: cannot lock /etc/passwd; try again later.\" >&2\nexit 1\n";
    let container = idle().file("/usr/sbin/usermod", 0o755, fails).env("PUID", "1000").start_ready().await?;
    let expected = "the account stays 10000:10000: failed to run /usr/sbin/usermod -o -u 1000 -d /nonexistent/hermes-remap hermes";
    let why = "usermod: cannot lock /etc/passwd; try again later.";
    let is_told =
        |words: &[String]| words.len() == 1 && words[0].starts_with(expected) && words[0].contains(why);
    until_said(&container, &format!("once {expected:?} and {why:?}"), is_told).await?;
    container.exec(["id", "-u"]).await?.success().stdout_is("10000");
    create(&container, &["coder"]).await?;
    Ok(())
}
