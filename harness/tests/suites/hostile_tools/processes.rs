//! Processes of the agent, of the supervision and of the account.

use anyhow::{Context as _, Result, ensure};
use hermes_harness::docker_test;
use hermes_harness::probe::{Process, process_table};

use super::scene::{ATTACKER, Attempt, CANARY, LOOSE, Scene, Surface};

/// A process that the attacker aims at.
pub(super) struct Target {
    name: &'static str,
    pid: u32,
    /// Root alone opens its files outside of the sandbox.
    is_closed: bool,
}

/// Returns the process whose command line has these words in a row.
fn find(processes: &[Process], name: &'static str, words: &[&str]) -> Result<Target> {
    let is_it = |process: &&Process| {
        process.argv.windows(words.len()).any(|window| window == words)
            && process.argv.first().is_some_and(|program| !program.starts_with("/init"))
    };
    let found = processes.iter().filter(is_it).min_by_key(|process| process.pid);
    let pid = found.with_context(|| format!("{name} in\n{}", process_table(processes)))?.pid;
    Ok(Target { name, pid, is_closed: name.contains("gateway of") })
}

pub(super) async fn targets(scene: &Scene) -> Result<Vec<Target>> {
    let processes = scene.container.processes().await?;
    Ok(vec![
        find(&processes, "the gateway of coder", &["-p", ATTACKER, "gateway", "run"])?,
        find(&processes, "the gateway of writer", &["-p", "writer", "gateway", "run"])?,
        find(&processes, "s6-supervise", &["s6-supervise", "gateway-coder"])?,
        find(&processes, "s6-svscan", &["--", "/run/service"])?,
        find(&processes, "the main command", &["sleep", "infinity"])?,
    ])
}

/// The number of a system call, on x86-64 and aarch64.
fn number(x86: u32, arm: u32) -> u32 {
    if std::env::consts::ARCH == "x86_64" { x86 } else { arm }
}

pub(super) fn attempts(targets: &[Target]) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for Target { name, pid, is_closed } in targets {
        let mut add = |what: &str, script: String| {
            let attempt = Attempt::new(format!("{what} of {name}"), script);
            attempts.push(if *is_closed { attempt.of_root() } else { attempt });
        };
        for file in ["environ", "maps", "auxv", "smaps", "syscall", "personality"] {
            add(&format!("read {file}"), format!("head -c 100 /proc/{pid}/{file}"));
        }
        let address = format!("s=$(head -1 /proc/{pid}/maps | cut -d- -f1); [ -n \"$s\" ] || exit");
        add(
            "read mem",
            format!(
                "head -c 0 /proc/{pid}/mem || exit; {address}; dd if=/proc/{pid}/mem bs=4096 skip=$((16#$s / 4096)) count=1 status=none >/dev/null"
            ),
        );
        add("write mem", format!(": >>/proc/{pid}/mem"));
        add("read the link of fd 0", format!("readlink -v /proc/{pid}/fd/0"));
        add("open fd 0", format!("exec 9</proc/{pid}/fd/0"));
        add("read exe", format!("head -c 4 /proc/{pid}/exe"));
        add("enter the directory", format!("ls /proc/{pid}/cwd/"));
        add("enter the root", format!("ls /proc/{pid}/root/opt/data"));
        add("change the score of an OOM kill", format!(": >>/proc/{pid}/oom_score_adj"));
    }
    for Target { name, pid, .. } in targets {
        // Signal 0 has no effect, and the kernel checks as for any other signal.
        attempts.push(Attempt::new(format!("signal {name}"), format!("kill -0 {pid}")));
        let call = number(302, 261);
        let limit = format!("syscall({call}, {pid}, 7, 0, my $old = \"\\0\" x 16) == 0 or die $!");
        attempts.push(Attempt::perl(format!("read a limit of {name}"), &limit));
        attempts.push(Attempt::new(
            format!("bind {name} to a processor"),
            format!("taskset -p $(taskset -p {pid} | sed 's/.* //') {pid}"),
        ));
        attempts.push(Attempt::new(format!("renice {name}"), format!("renice 0 {pid}")));
    }
    let call = number(101, 117);
    attempts.push(Attempt::perl("ptrace", &format!("syscall({call}, 0, 0, 0, 0) == 0 or die $!")));
    let call = number(310, 270);
    let own = "my $from = 'x' x 8; my $to = 'y' x 8; my @v = map { pack 'QQ', unpack('Q', pack 'p', $_), 8 } $to, $from;";
    let read = format!("{own} syscall({call}, $$ + 0, $v[0], 1, $v[1], 1, 0) == 8 or die $!");
    attempts.push(Attempt::perl("process_vm_readv", &read));
    let open = "my $p = syscall(434, $$ + 0, 0); $p >= 0 or die $!; syscall(438, $p, 0, 0) >= 0 or die $!";
    attempts.push(Attempt::perl("pidfd_getfd", open));
    attempts
}

/// Signals that end or stop a process, to each target, to each group and to all processes.
fn signals(targets: &[Target]) -> String {
    let pids: Vec<_> = targets.iter().map(|target| target.pid.to_string()).collect();
    format!(
        "trap '' TERM HUP INT USR1 CONT; for pid in {} 1 $PPID; do for signal in TERM KILL STOP HUP INT USR1; do
            kill -$signal $pid 2>/dev/null && echo sent $signal to $pid
            [ $pid != 1 ] && kill -$signal -- -$pid 2>/dev/null && echo sent $signal to group $pid; done; done
        kill -CONT -1; kill -HUP -1; echo survived",
        pids.join(" ")
    )
}

#[docker_test]
async fn no_command_looks_into_or_signals_other_processes() -> Result<()> {
    // Root needs the capability for the control. The account has none.
    let scene = Scene::start_with("127.0.0.1:1", |builder| builder.cap_add("SYS_PTRACE")).await?;
    let targets = targets(&scene).await?;
    let attempts = attempts(&targets);
    for surface in [Surface::Chat, Surface::Gateway] {
        scene.must_fail(surface, &attempts).await?;
        let result = scene.command(surface, ATTACKER, &signals(&targets)).await?;
        ensure!(result.contains("survived") && !result.contains("sent"), "{result}");
    }
    scene.must_fail_for(Surface::Chat, LOOSE, &attempts).await?;
    // A process of the call itself can be signalled.
    let own = "sleep 100 & kill -TERM $! && wait $!; echo ended by $?";
    let result = scene.command(Surface::Gateway, ATTACKER, own).await?;
    ensure!(result.contains("ended by 143"), "{result}");
    for (before, after) in targets.iter().zip(self::targets(&scene).await?) {
        ensure!(before.pid == after.pid, "{} is another process", before.name);
    }
    let processes = scene.container.processes().await?;
    let stopped: Vec<_> =
        processes.into_iter().filter(|process| ['T', 't', 'Z'].contains(&process.state)).collect();
    ensure!(stopped.is_empty(), "stopped or dead:\n{}", process_table(&stopped));
    scene.must_succeed_outside(&attempts).await
}

#[docker_test]
async fn no_secret_is_in_the_environment_of_a_command() -> Result<()> {
    let scene = Scene::start().await?;
    // The supervisor of the call has the request and the proxy's password in its memory.
    let look = "env; tr '\\0' '\\n' </proc/self/environ; for file in environ mem maps fd; do
        head -c 1 /proc/$PPID/$file >/dev/null 2>&1 && echo ope''n: $file; readlink /proc/$PPID/$file/0 2>/dev/null && echo ope''n: $file; done
        cat /proc/*/cmdline | tr '\\0' ' '; ls -l /proc/self/fd; echo looked";
    for surface in [Surface::Chat, Surface::Gateway] {
        let result = scene.command(surface, ATTACKER, look).await?;
        ensure!(result.contains("looked") && !result.contains("open:"), "{result}");
        ensure!(!result.contains("OPENAI") && !result.contains("API_KEY"), "{result}");
        let descriptors = result.lines().filter(|line| line.contains(" -> ")).count();
        ensure!(descriptors <= 4, "standard streams and the directory:\n{result}");
    }
    let outside = scene.container.exec(["env"]).await?.success().stdout();
    ensure!(outside.contains(CANARY), "{outside}");
    Ok(())
}
