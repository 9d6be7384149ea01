//! The installation is root's for good: whatever `hermes` tries, and whichever IDs it has, nothing below `/opt/hermes` and
//! nothing that root runs changes.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::predicate;
use predicates::str::contains;

use crate::support::driving::up;

/// What root runs, or runs from.
const PLACES: [&str; 5] = ["/opt/hermes", "/init", "/command", "/usr/bin/tini", "/etc/s6-overlay"];

/// Everything in those places: names, owners, modes, times, contents, and what is mounted.
const SUM: &str = r#"{ find -L /opt/hermes /init /command /usr/bin/tini /etc/s6-overlay /etc/cont-init.d /etc/cont-finish.d \
        -printf '%p %y %U %G %m %s %T@ %n\n'
    find /opt/hermes /command -type l -printf '%p %l\n'
    find -L /opt/hermes /init /etc/s6-overlay -type f -exec sha256sum {} +
    stat -c '%n %U %G %a' / /opt /etc /usr /usr/bin
    grep -E ' (/opt|/opt/hermes[^ ]*|/init) ' /proc/1/mountinfo || true; } | sort | sha256sum"#;

async fn sum(container: &Container) -> Result<String> {
    Ok(container.exec_sh(SUM).as_root().await?.success().text())
}

/// Each must fail: on a file, on the directory that holds it, on the directories above, and through another name.
const ATTEMPTS: &[&str] = &[
    // Contents.
    "echo x >/opt/hermes/bin/hermes",
    "echo x >>/opt/hermes/LICENSE",
    "cp /bin/sh /opt/hermes/bin/hermes",
    "truncate -s 0 /opt/hermes/.install_method",
    "dd if=/dev/zero of=/opt/hermes/bin/hermes conv=notrunc count=1 status=none",
    "exec 3</opt/hermes/LICENSE && echo x >/proc/self/fd/3",
    "/opt/hermes/bin/hermes --help >/opt/hermes/bin/hermes",
    "cat /bin/sh >/proc/1/exe",
    "tee /opt/hermes/docker/verbs/reconcile </dev/null",
    // Modes, owners, times.
    "chmod u+w /opt/hermes/LICENSE",
    "chmod 777 /opt/hermes",
    "chmod 777 /opt",
    "chown hermes /opt/hermes/bin/hermes",
    "chgrp hermes /opt/hermes/bin",
    "touch /opt/hermes/bin/hermes",
    "touch -d 2001-01-01 /opt/hermes",
    // Names.
    "touch /opt/hermes/new",
    "mkdir /opt/hermes/bin/new",
    "ln -s /opt/data/x /opt/hermes/bin/new",
    "mkfifo /opt/hermes/docker/new",
    "rm -f /opt/hermes/.hermes_build_sha.x /opt/hermes/LICENSE",
    "rm /opt/hermes/docker/main-wrapper.sh </dev/null",
    "rmdir /opt/hermes/docker/verbs",
    "unlink /opt/hermes/bin/hermes",
    "mv /opt/hermes/bin/hermes /opt/hermes/bin/old",
    "mv /opt/data/own /opt/hermes/bin/hermes",
    "ln -sfn /opt/data/own /opt/hermes/docker/main-wrapper.sh",
    "ln -f /opt/data/own /opt/hermes/LICENSE",
    "install -m 755 /opt/data/own /opt/hermes/bin/hermes",
    // What stands above it.
    "mv /opt/hermes /opt/data/",
    "mv /opt/hermes /opt/away",
    "mv /opt /away",
    "mkdir /opt/new",
    "ln -sfn /opt/data /opt/hermes",
    "mv /init /init.away",
    "ln -sfn /opt/data/own /command/with-contenv",
    "touch /etc/cont-init.d/00-own",
    "mkdir /etc/s6-overlay/s6-rc.d/own",
    // Mounts.
    "mount -t tmpfs none /opt/hermes",
    "mount --bind /opt/data /opt/hermes",
    "mount --bind /opt/data/own /opt/hermes/bin/hermes",
    "umount /opt/data",
    // Other accounts.
    "su -c 'touch /opt/hermes/new' root </dev/null",
    "chroot / touch /opt/hermes/new",
];

/// Where a user may have name spaces of its own, these may succeed: in there, and nowhere else.
const IN_A_NAME_SPACE: &[&str] = &[
    "unshare -Ur touch /opt/hermes/new",
    "unshare -Ur chown 0:0 /opt/hermes/LICENSE",
    "unshare -Urm sh -c 'mount -t tmpfs none /opt/hermes && touch /opt/hermes/new'",
    "unshare -Urm sh -c 'mount --bind /opt/data/own /opt/hermes/bin/hermes'",
    "unshare -Urm sh -c 'mount -o remount,rw,bind /opt/hermes'",
    // A name of one's own for the file, where the kernel allows that; it is root's file all the same.
    "ln /opt/hermes/LICENSE /tmp/license && echo x >>/tmp/license",
    "cd /opt/data && ln -s /opt/hermes hermes && touch hermes/new",
];

/// Tries everything; nothing may have changed, whatever was said.
async fn withstands(container: &Container, who: &str) -> Result<()> {
    container.exec_sh("echo own >/opt/data/own 2>/dev/null || true").await?.success();
    let before = sum(container).await?;
    // One command in the container, since each costs more than what it does.
    let script =
        r#"for attempt; do if sh -c "$attempt" >/dev/null 2>&1; then echo "succeeded: $attempt"; fi; done"#;
    let output = container.exec([&["sh", "-c", script, "sh"], ATTEMPTS].concat()).await?.success();
    output.stdout_is("");
    // What mv could not move it has copied.
    let clean = "rm -rf /opt/data/hermes /tmp/license";
    container.exec_sh(clean).as_root().await?.success();
    container.exec([&["sh", "-c", script, "sh"], IN_A_NAME_SPACE].concat()).await?.success();
    container.exec_sh(clean).as_root().await?.success();
    ensure!(sum(container).await? == before, "{who}: something was changed");
    Ok(())
}

#[docker_test]
async fn whatever_hermes_tries_nothing_below_opt_hermes_changes() -> Result<()> {
    let container = up().await?;
    withstands(&container, "hermes").await?;
    // Said as a user sees it.
    for attempt in ["echo x >>/opt/hermes/bin/hermes", "touch /opt/hermes/new", "mv /opt/hermes /opt/data/"] {
        container.exec_sh(attempt).await?.failure().stderr_matches(contains("Permission denied"));
    }
    // Nor does a boot give it more: what runs then finds everything as it was.
    let before = sum(&container).await?;
    container.restart().await?;
    container.ready().await?;
    ensure!(sum(&container).await? == before, "the restart changed something");
    Ok(())
}

#[docker_test]
async fn hermes_can_write_nothing_that_root_runs_and_nothing_but_its_own() -> Result<()> {
    let container = up().await?;
    let find = |rest: &[&str]| {
        let words = [&["find", "-L"][..], &PLACES, rest].concat();
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let foreign = ["(", "!", "-user", "root", "-o", "-perm", "/022", ")", "-ls"];
    container.exec(find(&foreign)).as_root().await?.success().stdout_is("");
    container.exec(find(&["-writable"])).await?.success().stdout_is("");
    // What can be renamed can be replaced: the directories above, too.
    container
        .exec(["find", "/", "/opt", "/etc", "/usr", "/usr/bin", "-maxdepth", "0", "-writable"])
        .await?
        .success()
        .stdout_is("");
    // And nothing else but what is hermes's own, or everybody's: the socket takes what loggers print.
    const FIND: &str = r"find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/tmp \
        -o -path /run/lock -o -path /run/s6/log-socket -o -path /run/service -o -path /opt/data \) -prune -o ! -type l -writable -print 2>/dev/null; true";
    container.exec_sh(FIND).await?.success().stdout_is("");
    Ok(())
}

#[docker_test]
async fn no_ids_that_the_account_is_given_make_the_installation_its_own() -> Result<()> {
    let container = up().await?;
    for (uid, gid) in [(99, 100), (1, 1), (33, 0), (65534, 65534)] {
        let change = format!("groupmod -o -g {gid} hermes && usermod -o -u {uid} -g {gid} hermes");
        container.exec_sh(&change).as_root().await?.success();
        container.restart().await?;
        container.ready().await?;
        container.exec(["id", "-u"]).await?.success().stdout_is(&uid.to_string());
        withstands(&container, &format!("UID {uid}, GID {gid}")).await?;
        container
            .exec([&["find", "-L"][..], &PLACES, &["-writable"]].concat())
            .await?
            .success()
            .stdout_is("");
    }
    Ok(())
}

#[docker_test]
async fn the_stamps_say_how_it_was_installed_and_from_what() -> Result<()> {
    let container = up().await?;
    container.exec(["cat", "/opt/hermes/.install_method"]).await?.success().stdout_is("docker");
    container.exec(["cat", "/opt/hermes/LICENSE"]).await?.success().stdout_matches(contains("MIT License"));
    let version = container.exec(["hermes", "version", "--json"]).await?.success().stdout();
    let version: serde_json::Value = serde_json::from_str(&version)?;
    ensure!(version["install_method"] == "docker", "{version}");
    // Only there when the build was told a revision.
    if container.file("/opt/hermes/.hermes_build_sha").await?.is_some() {
        let sha = container.exec(["cat", "/opt/hermes/.hermes_build_sha"]).await?.success();
        sha.stdout_matches(predicate::str::is_match("^[0-9a-f]{7,64}(-dirty)?\n?$")?);
        ensure!(version["revision"] == sha.text().as_str(), "{version}, and the stamp says {}", sha.text());
    } else {
        ensure!(version["revision"].is_null(), "a revision and no stamp: {version}");
    }
    for stamp in [".install_method", "LICENSE", ".hermes_build_sha"] {
        let Some(file) = container.file(&format!("/opt/hermes/{stamp}")).await? else { continue };
        ensure!((file.uid, file.gid, file.mode) == (0, 0, 0o644), "{stamp}: {file:?}");
    }
    Ok(())
}
