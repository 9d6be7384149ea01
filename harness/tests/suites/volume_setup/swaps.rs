//! A process of the account that swaps directories and files for symlinks while root walks by.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hermes_harness::{docker_test, secs};

use crate::support::driving::look;
use crate::support::setting_up::{EVERYTHING, idle};

/// What nobody but root may change, under the names of what the set-up hands over.
const PRECIOUS: &str = r#"set -e; umask 022; mkdir -p /srv/precious; cd /srv/precious
    for name in a b .env auth.json config.yaml gateway_state.json SOUL.md state.db file; do echo '{}' >$name; done
    for i in $(seq 8); do mkdir -p d$i/a d$i/gateways d$i/pairing; echo x >d$i/a/file; echo x >d$i/.env; done
    chmod 666 .env auth.json; ln file /srv/second-name"#;

/// What is swapped: directories and files that a set-up looks at or hands over.
const NAMES: &str = r#"use strict; use warnings; chdir "/opt/data" or die;
    my @names = ((map { "profiles/coder/d$_" } 1..8), "cron/d1", "profiles/coder", "logs/gateways", "platforms/pairing",
        "pairing", "cron", "profiles", "logs", "platforms", ".env", "auth.json", "config.yaml", "gateway_state.json", "SOUL.md",
        "state.db", "profiles/coder/d1/a/file", "profiles/coder/d2/.env", "profiles/coder/.env");"#;

/// As `hermes`: a link beside each of them, to something precious of the same name, or of the same kind.
const LINKS: &str = r#"for my $name (@names) {
        my ($last) = $name =~ m,([^/]+)$,; my $p = "/srv/precious";
        symlink -e "$p/$last" ? "$p/$last" : $last eq "file" ? "$p/file" : "$p/d1", "$name.link" or die "$name: $!";
    }"#;

/// As `hermes`: swaps each with its link and back, as fast as it can, until it is told to end. In one step,
/// renameat2(RENAME_EXCHANGE), so that there is always one of the two; and in one directory, since to move a directory of
/// root's to another one takes a right to write it. Where a place is root's at the moment it fails, and goes on.
const SWAPPING: &str = r#"use POSIX (); my $swaps = 0;
    my $renameat2 = { x86_64 => 316, aarch64 => 276 }->{(POSIX::uname())[4]} or die "which number has renameat2 here?";
    until (-e "/tmp/end") {
        for my $name (@names) {
            my $link = "$name.link";
            for (1, 2) { $swaps++ if syscall($renameat2, -100, $name, -100, $link, 2) == 0 }
        }
    }
    print "$swaps\n";"#;

/// As root: set-up after set-up, and before each something to hand over, by descriptors that no swap misleads.
const SETTING_UP: &str = r#"use strict; use warnings; my ($seconds) = @ARGV; my $until = time + $seconds; my ($runs, $given) = (0, 0);
    sub held { map { open my $held, "<", "/opt/data/$_" or die "$_: $!"; $held } @_ }
    my @held = held((map { ("profiles/coder/d$_/a", "profiles/coder/d$_/a/file") } 1..8), "profiles/coder/d2/.env",
        "profiles/coder/.env", ".env", "auth.json", "config.yaml", "gateway_state.json", "SOUL.md", "state.db",
        "logs/gateways", "platforms/pairing", "pairing", "cron/d1");
    my @to_give = (@held, held((map { "profiles/coder/d$_" } 1..8), "cron", "profiles", "profiles/coder"));
    open STDERR, ">", "/dev/null"; open my $begin, ">", "/tmp/begin" or die;
    while (time < $until) {
        # What holds others stays the account's every other time: else nothing in it could be swapped.
        chown 0, 0, $_ for $runs & 2 ? @to_give : @held;
        system("/opt/hermes/docker/verbs/setup", "x") == 0 or die "set-up $runs: $?"; $runs++;
        $given += grep { (stat $_)[4] != 0 } @to_give;
    }
    print "$given given\n$runs\n";"#;

/// What the account has there, before it begins.
const OWN: &str = r#"set -e; cd /opt/data; for i in $(seq 8); do mkdir -p profiles/coder/d$i/a
    echo x >profiles/coder/d$i/a/file; echo x >profiles/coder/d$i/.env; done; mkdir cron/d1
    for name in auth.json gateway_state.json state.db profiles/coder/.env; do echo '{}' >$name; done; chmod 666 .env auth.json"#;

#[docker_test]
async fn a_process_that_swaps_symlinks_gains_nothing() -> Result<()> {
    let container = idle().start_ready().await?;
    look(&container, PRECIOUS).await?;
    container.exec_sh(OWN).await?.success();
    // The system's own: what the set-up reads and starts.
    let everything = format!("{EVERYTHING} everything /srv /etc/passwd /etc/group /etc/shadow /opt/hermes");
    let before = look(&container, &everything).await?;
    let seconds = 10;
    let (links, swapping) = (format!("{NAMES} {LINKS}"), format!("{NAMES} {SWAPPING}"));
    container.exec(["perl", "-e", &links]).await?.success();
    // It begins when root has its descriptors.
    let script = "until [ -e /tmp/begin ] || [ -e /tmp/end ]; do sleep 0.01; done; exec perl -e \"$1\"";
    let swapping = container.exec(["sh", "-c", script, "sh", &swapping]).deadline(secs(60));
    let setting_up = async {
        let script = format!("{}; touch /tmp/end; exit $code", r#"perl -e "$1" "$2"; code=$?"#);
        let command = ["sh", "-c", &script, "sh", SETTING_UP, &seconds.to_string()];
        // Root: who else could hand anything over.
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
