//! What was in order at the last boot is known at the next one, and is not looked at again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Boot, Container, Volume, docker_test, secs};

use crate::driving::look;
use crate::setting_up::{idle, owners, said, says, set_up, until_settled};

/// So many files, in directories of a thousand.
const MANY: &str = r#"use strict; my ($directories, $files) = @ARGV;
    chdir "/opt/data/profiles" or die; mkdir "coder"; mkdir "coder/sessions";
    for my $d (1..$directories) {
        my $directory = "coder/sessions/$d"; mkdir $directory or die;
        for my $f (1..$files) { open my $file, ">", "$directory/$f" or die }
    }"#;

/// Makes them, as `hermes`.
async fn make(container: &Container, directories: u32, files: u32) -> Result<()> {
    let command = ["perl", "-e", MANY, &directories.to_string(), &files.to_string()];
    container.exec(command).await?.success();
    Ok(())
}

/// How long the set-up took.
fn phase(boot: &Boot) -> Result<Duration> {
    let phase = boot.phases.iter().find(|phase| phase.name == "cont-init.d/01-hermes-setup");
    Ok(Duration::from_micros(phase.context("the set-up is a phase")?.duration_us))
}

#[docker_test]
async fn a_hundred_thousand_files_in_order_are_not_walked_at_a_warm_boot() -> Result<()> {
    // In memory, where they are made and removed in no time.
    let volume = Volume::small(64 << 20).await?;
    let container = idle().volume(&volume, "/opt/data").start_ready().await?;
    make(&container, 100, 1000).await?;
    until_settled(&container).await?;
    let cold = set_up(&container).await?.success();
    says(&cold, &[])?;
    // A change of owner alone leaves no trace in a directory: who does not look does not see it.
    look(&container, "chown root:root /opt/data/profiles/coder/sessions/7/7").await?;
    let again = idle().volume(&volume, "/opt/data").start().await?;
    let warm = phase(&again.ready().await?)?;
    let untouched = owners(&container, "/opt/data/profiles/coder/sessions/7", &["7"]).await?;
    ensure!(untouched == ["7 0:0 644"], "it was looked at: {untouched:?}");
    ensure!(warm < cold.took().max(secs(1)), "a warm set-up took {warm:?}, a cold one {:?}", cold.took());

    // What came since is repaired, and nothing else is looked at for it.
    let by_root =
        "cd /opt/data/profiles/coder/sessions; mkdir -p 8/new/deep; echo x >8/new/deep/file; echo x >9/more";
    look(&container, by_root).await?;
    says(
        &set_up(&container).await?.success(),
        &["4 files and directories are the account's now (10000:10000)"],
    )?;
    let strange = look(&container, "find /opt/data/profiles ! -user hermes").await?;
    ensure!(strange == "/opt/data/profiles/coder/sessions/7/7", "{strange}");

    // Unless everything is to be looked at.
    let full = set_up(&container).env("HERMES_OWNERSHIP_CHECK", "full").await?.success();
    says(&full, &["1 files and directories are the account's now (10000:10000)"])?;
    let strange = look(&container, "find /opt/data/profiles ! -user hermes").await?;
    ensure!(strange.is_empty(), "{strange}");
    ensure!(said(&again).await?.is_empty(), "{:#?}", said(&again).await?);
    Ok(())
}

#[docker_test]
async fn whatever_lies_where_the_boot_remembers_makes_no_difference_but_in_time() -> Result<()> {
    let container = idle().start_ready().await?;
    make(&container, 3, 3).await?;
    until_settled(&container).await?;
    set_up(&container).await?.success();
    let forged = "sed -i 's/^hermes ownership 1 .*/hermes ownership 1 4711 4711/' /opt/data/.ownership";
    let rows = [
        ": >.ownership",
        "head -c 1000000 /dev/urandom >.ownership",
        "head -c 100000000 /dev/zero >.ownership",
        "yes 'hermes ownership 1 10000 10000' | head -n 1000 >.ownership",
        "rm .ownership",
        forged,
        "rm -f .ownership; mkfifo .ownership",
    ];
    for row in rows {
        // What the account put there, and what root made since.
        let plant = format!(
            "cd /opt/data; {row}; chown -h hermes:hermes .ownership || true; cd profiles/coder/sessions
            rm -f 2/new; echo x >2/new; chown root ."
        );
        look(&container, &plant).await?;
        let boot = set_up(&container).await?.success();
        ensure!(boot.took() < secs(5), "{}", boot.report(row));
        says(&boot, &["2 files and directories are the account's now (10000:10000)"])
            .with_context(|| row.to_owned())?;
        let strange = look(&container, "find /opt/data ! -user hermes").await?;
        ensure!(strange.is_empty(), "{row}: {strange}");
    }
    // Through a link nothing is read, and what it leads to is not written.
    let script = "ln -sf /srv/record .ownership; cat /etc/group >/srv/record; chmod 666 /srv/record";
    container.exec_sh(script).as_root().workdir("/opt/data").await?.success();
    let link = "refusing to follow the symlink /opt/data/.ownership: it is left alone; put the file itself there, or \
        mount it there";
    says(&set_up(&container).await?.success(), &[link])?;
    container.exec(["cmp", "/etc/group", "/srv/record"]).await?.success();
    Ok(())
}
