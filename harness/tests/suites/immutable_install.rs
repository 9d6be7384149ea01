//! The installation belongs to root. The account `hermes` cannot change `/opt/hermes` or the programs of root, whichever
//! IDs it has.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::predicate;
use predicates::str::contains;

use crate::support::driving::up;

/// The places of the programs that root runs.
const PLACES: [&str; 5] = ["/opt/hermes", "/init", "/command", "/usr/bin/tini", "/etc/s6-overlay"];

/// Prints a checksum of those places: names, owners, modes, times, contents and mounts.
const SUM: &str = r#"{ find -L /opt/hermes /init /command /usr/bin/tini /etc/s6-overlay /etc/cont-init.d /etc/cont-finish.d \
        -printf '%p %y %U %G %m %s %T@ %n\n'
    find /opt/hermes /command -type l -printf '%p %l\n'
    find -L /opt/hermes /init /etc/s6-overlay -type f -exec sha256sum {} +
    stat -c '%n %U %G %a' / /opt /etc /usr /usr/bin
    grep -E ' (/opt|/opt/hermes[^ ]*|/init) ' /proc/1/mountinfo || true; } | sort | sha256sum"#;

async fn sum(container: &Container) -> Result<String> {
    Ok(container.exec_sh(SUM).as_root().await?.success().text())
}

/// Commands that must fail. They target files, their directories, the directories above, and other names of the files.
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
    // Directories above.
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

/// Commands that may succeed in a name space of their own, if the kernel allows name spaces to users.
const IN_A_NAME_SPACE: &[&str] = &[
    "unshare -Ur touch /opt/hermes/new",
    "unshare -Ur chown 0:0 /opt/hermes/LICENSE",
    "unshare -Urm sh -c 'mount -t tmpfs none /opt/hermes && touch /opt/hermes/new'",
    "unshare -Urm sh -c 'mount --bind /opt/data/own /opt/hermes/bin/hermes'",
    "unshare -Urm sh -c 'mount -o remount,rw,bind /opt/hermes'",
    // A second name for the file, if the kernel allows that. The file still belongs to root.
    "ln /opt/hermes/LICENSE /tmp/license && echo x >>/tmp/license",
    "cd /opt/data && ln -s /opt/hermes hermes && touch hermes/new",
];

/// Runs all commands, and checks that they changed nothing.
async fn check_attempts_fail(container: &Container, who: &str) -> Result<()> {
    container.exec_sh("echo own >/opt/data/own 2>/dev/null || true").await?.success();
    let before = sum(container).await?;
    // One exec runs all attempts: an exec takes longer than an attempt.
    let script =
        r#"for attempt; do if sh -c "$attempt" >/dev/null 2>&1; then echo "succeeded: $attempt"; fi; done"#;
    let output = container.exec([&["sh", "-c", script, "sh"], ATTEMPTS].concat()).await?.success();
    output.stdout_is("");
    // A failed mv leaves copies.
    let clean = "rm -rf /opt/data/hermes /tmp/license";
    container.exec_sh(clean).as_root().await?.success();
    container.exec([&["sh", "-c", script, "sh"], IN_A_NAME_SPACE].concat()).await?.success();
    container.exec_sh(clean).as_root().await?.success();
    ensure!(sum(container).await? == before, "{who}: something was changed");
    Ok(())
}

#[docker_test]
async fn no_command_of_hermes_changes_the_installation() -> Result<()> {
    let container = up().await?;
    check_attempts_fail(&container, "hermes").await?;
    // The message that a user sees.
    for attempt in ["echo x >>/opt/hermes/bin/hermes", "touch /opt/hermes/new", "mv /opt/hermes /opt/data/"] {
        container.exec_sh(attempt).await?.failure().stderr_matches(contains("Permission denied"));
    }
    // A boot does not change the installation.
    let before = sum(&container).await?;
    container.restart().await?;
    container.ready().await?;
    ensure!(sum(&container).await? == before, "the restart changed something");
    Ok(())
}

#[docker_test]
async fn hermes_can_write_only_its_own_files() -> Result<()> {
    let container = up().await?;
    let find = |rest: &[&str]| {
        let words = [&["find", "-L"][..], &PLACES, rest].concat();
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let foreign = ["(", "!", "-user", "root", "-o", "-perm", "/022", ")", "-ls"];
    container.exec(find(&foreign)).as_root().await?.success().stdout_is("");
    container.exec(find(&["-writable"])).await?.success().stdout_is("");
    // A writable directory above would allow a replacement by rename.
    container
        .exec(["find", "/", "/opt", "/etc", "/usr", "/usr/bin", "-maxdepth", "0", "-writable"])
        .await?
        .success()
        .stdout_is("");
    // The search leaves out hermes's own and public places, and the socket that loggers write to.
    const FIND: &str = r"find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/tmp \
        -o -path /run/lock -o -path /run/s6/log-socket -o -path /run/service -o -path /opt/data \) -prune -o ! -type l -writable -print 2>/dev/null; true";
    container.exec_sh(FIND).await?.success().stdout_is("");
    Ok(())
}

#[docker_test]
async fn no_ids_of_the_account_make_the_installation_writable() -> Result<()> {
    let container = up().await?;
    for (uid, gid) in [(99, 100), (1, 1), (33, 0), (65534, 65534)] {
        let change = format!("groupmod -o -g {gid} hermes && usermod -o -u {uid} -g {gid} hermes");
        container.exec_sh(&change).as_root().await?.success();
        container.restart().await?;
        container.ready().await?;
        container.exec(["id", "-u"]).await?.success().stdout_is(&uid.to_string());
        check_attempts_fail(&container, &format!("UID {uid}, GID {gid}")).await?;
        container
            .exec([&["find", "-L"][..], &PLACES, &["-writable"]].concat())
            .await?
            .success()
            .stdout_is("");
    }
    Ok(())
}

#[docker_test]
async fn the_stamps_name_the_install_method_and_the_revision() -> Result<()> {
    let container = up().await?;
    container.exec(["cat", "/opt/hermes/.install_method"]).await?.success().stdout_is("docker");
    container.exec(["cat", "/opt/hermes/LICENSE"]).await?.success().stdout_matches(contains("MIT License"));
    let version = container.exec(["hermes", "version", "--json"]).await?.success().stdout();
    let version: serde_json::Value = serde_json::from_str(&version)?;
    ensure!(version["install_method"] == "docker", "{version}");
    // The stamp exists only if the build got a revision.
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
