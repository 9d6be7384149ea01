//! A boot checks every file of Hermes in a short time, independent of earlier boots.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Volume, docker_test, secs};

use crate::support::driving::look;
use crate::support::setting_up::{idle, owners, says, set_up};

/// Creates many files, in several directories.
const MANY: &str = r#"use strict; my ($directories, $files) = @ARGV;
    chdir "/opt/data/profiles" or die; mkdir "coder"; mkdir "coder/sessions";
    for my $d (1..$directories) {
        my $directory = "coder/sessions/$d"; mkdir $directory or die;
        for my $f (1..$files) { open my $file, ">", "$directory/$f" or die }
    }"#;

/// Creates them as `hermes`.
async fn make(container: &Container, directories: u32, files: u32) -> Result<()> {
    let command = ["perl", "-e", MANY, &directories.to_string(), &files.to_string()];
    container.exec(command).await?.success();
    Ok(())
}

/// The rounds of a measurement. The shortest time counts: other tests run beside this one.
const ROUNDS: usize = 5;

#[docker_test]
async fn a_boot_checks_files_about_as_fast_as_find() -> Result<()> {
    // The volume is in memory, for fast creation and removal.
    let volume = Volume::small(64 << 20).await?;
    let container = idle().volume(&volume, "/opt/data").start_ready().await?;
    make(&container, 100, 1000).await?;
    // A change of owner does not change the time of the directory.
    look(&container, "chown root:root /opt/data/profiles/coder/sessions/7/7").await?;
    idle().volume(&volume, "/opt/data").start_ready().await?;
    let repaired = owners(&container, "/opt/data/profiles/coder/sessions/7", &["7"]).await?;
    ensure!(repaired == ["7 10000:10000 644"], "it was not looked at: {repaired:?}");
    let (mut walks, mut set_ups) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        walks.push(container.exec(["find", "/opt/data", "-uid", "4242"]).as_root().await?.success().took());
        set_ups.push(set_up(&container).await?.success().took());
    }
    let quickest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    ensure!(quickest(&set_ups) < quickest(&walks) * 4, "set-ups: {set_ups:?}; walks of find: {walks:?}");
    Ok(())
}

#[docker_test]
async fn a_corrupt_ownership_record_does_not_change_a_boot() -> Result<()> {
    let container = idle().start_ready().await?;
    make(&container, 3, 3).await?;
    let rows = [
        ": >.ownership",
        "head -c 1000000 /dev/urandom >.ownership",
        "truncate -s 4G .ownership",
        "yes 'hermes account 2 10000 10000' | head -n 1000 >.ownership",
        "rm -f .ownership; mkfifo .ownership",
        "mkdir .ownership; echo x >.ownership/x",
    ];
    for row in rows {
        // The account could not replace a record of root.
        let plant = format!(
            "cd /opt/data; rm -rf .ownership; {row}; chown -hR hermes:hermes .ownership; cd profiles/coder/sessions
            rm -f 2/new; echo x >2/new"
        );
        look(&container, &plant).await?;
        let boot = set_up(&container).await?.success();
        ensure!(boot.took() < secs(5), "{}", boot.report(row));
        says(&boot, &["1 files and directories are the account's now (10000:10000)"])
            .with_context(|| row.to_owned())?;
        let strange = look(&container, "find /opt/data/profiles ! -user hermes").await?;
        ensure!(strange.is_empty(), "{row}: {strange}");
    }
    // The set-up neither reads nor writes through a link.
    let script =
        "rm -rf .ownership; ln -s /srv/record .ownership; cat /etc/group >/srv/record; chmod 666 /srv/record";
    container.exec_sh(script).as_root().workdir("/opt/data").await?.success();
    says(&set_up(&container).await?.success(), &[])?;
    container.exec(["cmp", "/etc/group", "/srv/record"]).await?.success();
    Ok(())
}
