//! A process of the account swaps directories and files for symlinks during a set-up of root.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::{docker_test, secs};

use crate::support::driving::look;
use crate::support::setting_up::{EVERYTHING, idle};

/// Files that only root may change, with the names of files that the set-up hands over.
const PRECIOUS: &str = r#"set -e; umask 022; mkdir -p /srv/precious; cd /srv/precious
    for name in a b .env auth.json config.yaml gateway_state.json SOUL.md state.db file; do echo '{}' >$name; done
    for i in $(seq 8); do mkdir -p d$i/a d$i/gateways d$i/pairing; echo x >d$i/a/file; echo x >d$i/.env; done
    chmod 666 .env auth.json; ln file /srv/second-name"#;

/// The swapped paths: directories and files that a set-up reads or hands over.
const NAMES: &str = r#"use strict; use warnings; chdir "/opt/data" or die;
    my @names = ((map { "profiles/coder/d$_" } 1..8), "cron/d1", "profiles/coder", "logs/gateways", "platforms/pairing",
        "pairing", "cron", "profiles", "logs", "platforms", ".env", "auth.json", "config.yaml", "gateway_state.json", "SOUL.md",
        "state.db", "profiles/coder/d1/a/file", "profiles/coder/d2/.env", "profiles/coder/.env");"#;

/// Runs as `hermes`. Creates a link beside each path, to a precious file of the same name or the same kind.
const LINKS: &str = r#"for my $name (@names) {
        my ($last) = $name =~ m,([^/]+)$,; my $p = "/srv/precious";
        symlink -e "$p/$last" ? "$p/$last" : $last eq "file" ? "$p/file" : "$p/d1", "$name.link" or die "$name: $!";
    }"#;

/// Runs as `hermes`. Swaps each path with its link and back, until it is told to end. renameat2(RENAME_EXCHANGE) swaps
/// in one step, so one of the two always exists. Both are in one directory, since moving a directory of root to
/// another one needs write access to it. A swap fails while the parent belongs to root, and the loop continues.
const SWAPPING: &str = r#"use POSIX (); my $swaps = 0;
    my $renameat2 = { x86_64 => 316, aarch64 => 276 }->{(POSIX::uname())[4]} or die "which number has renameat2 here?";
    until (-e "/tmp/end") {
        for my $name (@names) {
            my $link = "$name.link";
            for (1, 2) { $swaps++ if syscall($renameat2, -100, $name, -100, $link, 2) == 0 }
        }
    }
    print "$swaps\n";"#;

/// Runs as root. Repeats the set-up, and gives it something to hand over each time. It uses descriptors, which no swap
/// can redirect.
const SETTING_UP: &str = r#"use strict; use warnings; my ($seconds) = @ARGV; my $until = time + $seconds; my ($runs, $given) = (0, 0);
    sub held { map { open my $held, "<", "/opt/data/$_" or die "$_: $!"; $held } @_ }
    my @held = held((map { ("profiles/coder/d$_/a", "profiles/coder/d$_/a/file") } 1..8), "profiles/coder/d2/.env",
        "profiles/coder/.env", ".env", "auth.json", "config.yaml", "gateway_state.json", "SOUL.md", "state.db",
        "logs/gateways", "platforms/pairing", "pairing", "cron/d1");
    my @to_give = (@held, held((map { "profiles/coder/d$_" } 1..8), "cron", "profiles", "profiles/coder"));
    open STDERR, ">", "/dev/null"; open my $begin, ">", "/tmp/begin" or die;
    while (time < $until) {
        # Every other time the parents stay with the account, or nothing in them could be swapped.
        chown 0, 0, $_ for $runs & 2 ? @to_give : @held;
        system("/opt/hermes/docker/verbs/setup", "x") == 0 or die "set-up $runs: $?"; $runs++;
        $given += grep { (stat $_)[4] != 0 } @to_give;
    }
    print "$given given\n$runs\n";"#;

/// Creates the files of the account before the race begins.
const OWN: &str = r#"set -e; cd /opt/data; for i in $(seq 8); do mkdir -p profiles/coder/d$i/a
    echo x >profiles/coder/d$i/a/file; echo x >profiles/coder/d$i/.env; done; mkdir cron/d1
    for name in auth.json gateway_state.json state.db profiles/coder/.env; do echo '{}' >$name; done; chmod 666 .env auth.json"#;

#[docker_test]
async fn a_process_that_swaps_symlinks_gains_nothing() -> Result<()> {
    let container = idle().start_ready().await?;
    look(&container, PRECIOUS).await?;
    container.exec_sh(OWN).await?.success();
    // These are files of the system that the set-up reads or runs.
    let everything = format!("{EVERYTHING} everything /srv /etc/passwd /etc/group /etc/shadow /opt/hermes");
    let before = look(&container, &everything).await?;
    let seconds = 10;
    let (links, swapping) = (format!("{NAMES} {LINKS}"), format!("{NAMES} {SWAPPING}"));
    container.exec(["perl", "-e", &links]).await?.success();
    // The swaps begin when root has opened its descriptors.
    let script = "until [ -e /tmp/begin ] || [ -e /tmp/end ]; do sleep 0.01; done; exec perl -e \"$1\"";
    let swapping = container.exec(["sh", "-c", script, "sh", &swapping]).deadline(secs(60));
    let setting_up = async {
        let script = format!("{}; touch /tmp/end; exit $code", r#"perl -e "$1" "$2"; code=$?"#);
        let command = ["sh", "-c", &script, "sh", SETTING_UP, &seconds.to_string()];
        // Only root can hand files over.
        container.exec(command).as_root().deadline(secs(60)).await
    };
    let (swapping, setting_up) = tokio::join!(swapping, setting_up);
    let last_number = |text: String| text.lines().last().and_then(|line| line.parse::<u64>().ok());
    let (swapping, setting_up) = (swapping?.success(), setting_up?.success());
    let swaps = last_number(swapping.stdout()).with_context(|| swapping.report("a number of swaps"))?;
    let runs = last_number(setting_up.stdout()).with_context(|| setting_up.report("a number of set-ups"))?;
    let after = look(&container, &everything).await?;
    ensure!(before == after, "after {runs} set-ups and {swaps} swaps; before\n{before}\nafter\n{after}");
    ensure!(setting_up.took() >= Duration::from_secs(seconds - 1), "{:?}", setting_up.took());
    let given = setting_up.stdout().lines().find_map(|line| line.strip_suffix(" given")?.parse::<u64>().ok());
    let given = given.with_context(|| setting_up.report("how many things were handed over"))?;
    ensure!(given >= runs, "it handed nothing over: {given} things in {runs} set-ups");
    ensure!(runs >= 20 && swaps >= 2_000, "it was no race: {runs} set-ups, {swaps} swaps");
    Ok(())
}
