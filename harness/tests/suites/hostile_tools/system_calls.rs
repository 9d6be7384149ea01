//! System calls that no tool has. The engine of containers filters none in this container, and the account could make them.

use anyhow::Result;
use hermes_harness::{ContainerBuilder, docker_test};

use super::scene::{Attempt, LOOSE, Scene, Surface};

/// A call: its name, its number on x86-64 and on aarch64, the preparation and the arguments in Perl.
type Call = (&'static str, (u32, u32), &'static str, &'static str);

const CALLS: &[Call] = &[
    ("io_uring_setup", (425, 425), "my $p = qq(\\0) x 120", "1, $p"),
    ("bpf", (321, 280), "my $p = pack('LLLL', 2, 4, 4, 1) . qq(\\0) x 112", "0, $p, 128"),
    ("keyctl", (250, 219), "", "0, -3, 1"),
    ("add_key", (248, 217), "my ($type, $name, $key) = qw(user planted x)", "$type, $name, $key, 1, -2"),
    ("userfaultfd", (323, 282), "", "1"),
    ("perf_event_open", (298, 241), "my $p = pack('LLQ', 1, 112, 0) . qq(\\0) x 96", "$p, 0, -1, -1, 0"),
    ("setns", (308, 268), "open my $file, '<', '/proc/self/ns/uts' or die $!", "fileno($file), 0"),
    ("mount", (165, 40), "mkdir 'mounted'; my ($type, $at) = qw(tmpfs mounted)", "$type, $at, $type, 0, 0"),
    ("fsopen", (430, 430), "my $type = 'tmpfs'", "$type, 0"),
    ("open_tree", (428, 428), "my $path = '/'", "-100, $path, 1"),
    ("shmget", (29, 194), "", "0, 4096, 0x380"),
    ("msgget", (68, 186), "", "0, 0x380"),
    ("semget", (64, 190), "", "0, 1, 0x380"),
    ("mq_open", (240, 180), "my $name = 'planted'", "$name, 0x42, 0x180, 0"),
    ("kcmp", (312, 272), "", "$$ + 0, $$ + 0, 2, 0, 0"),
    ("chroot", (161, 51), "my $path = '/'", "$path"),
    ("fanotify_init", (300, 262), "", "0x200, 0"),
    ("read the log of the kernel", (103, 116), "", "10, 0, 0"),
];

/// Sockets: name, family, type, protocol.
const SOCKETS: &[(&str, [u32; 3])] = &[
    ("UDP", [2, 2, 0]),
    ("UDP over IPv6", [10, 2, 0]),
    ("raw", [2, 3, 1]),
    ("raw over IPv6", [10, 3, 58]),
    ("ping", [2, 2, 1]),
    ("packet", [17, 3, 0x300]),
    ("AF_VSOCK", [40, 1, 0]),
    ("AF_VSOCK datagram", [40, 2, 0]),
    ("netlink", [16, 3, 0]),
    ("netlink of the audit", [16, 3, 9]),
    ("Unix", [1, 1, 0]),
    ("Unix datagram", [1, 2, 0]),
    ("AF_ALG", [38, 5, 0]),
    ("Bluetooth", [31, 3, 1]),
    ("XDP", [44, 3, 0]),
    ("SCTP", [2, 1, 132]),
    ("MPTCP", [2, 1, 262]),
    ("TIPC", [30, 2, 0]),
];

/// The sockets that a call outside of the sandbox has.
const OF_THE_OPEN_NETWORK: [&str; 4] =
    ["socket: UDP", "socket: UDP over IPv6", "socket: ping", "socket: netlink"];

pub(super) fn attempts() -> Vec<Attempt> {
    let call = |&(name, (x86, arm), preparation, arguments): &Call| {
        let number = if std::env::consts::ARCH == "x86_64" { x86 } else { arm };
        Attempt::perl(name, &format!("{preparation}; syscall({number}, {arguments}) >= 0 or die $!"))
            .of_root()
    };
    let socket = |&(name, [family, kind, protocol]): &(&str, [u32; 3])| {
        Attempt::perl(
            format!("socket: {name}"),
            &format!("socket(my $s, {family}, {kind}, {protocol}) or die $!"),
        )
        .of_root()
    };
    let programs = [
        ("unshare a user namespace", "unshare --user true"),
        ("unshare a network", "unshare --net true"),
        ("unshare the processes", "unshare --user --map-root-user --pid --fork true"),
        ("unshare the mounts", "unshare --mount true"),
        ("enter the namespaces of PID 1", "nsenter --target 1 --mount true"),
        ("chown", "chown 0:0 notes.md && chown 10000:10000 notes.md"),
        ("make a device", "mknod disk b 254 0 && rm disk"),
    ];
    let programs = programs.map(|(name, script)| Attempt::new(name, script).of_root());
    CALLS.iter().map(call).chain(SOCKETS.iter().map(socket)).chain(programs).collect()
}

#[docker_test]
async fn no_command_has_system_calls_that_no_tool_needs() -> Result<()> {
    let scene = Scene::start_with("127.0.0.1:1", |builder| {
        let builder = builder.security_opt("seccomp=unconfined").security_opt("apparmor=unconfined");
        // For the controls, which root runs.
        ["SYS_ADMIN", "SYS_PTRACE", "SYSLOG", "NET_ADMIN"]
            .into_iter()
            .fold(builder, ContainerBuilder::cap_add)
    })
    .await?;
    let attempts = attempts();
    for surface in [Surface::Chat, Surface::Gateway] {
        scene.must_fail(surface, &attempts).await?;
    }
    // A call outside of the sandbox has UDP and routing information, and no more.
    let closed: Vec<_> =
        attempts.iter().filter(|attempt| !OF_THE_OPEN_NETWORK.contains(&&*attempt.name)).cloned().collect();
    scene.must_fail_for(Surface::Chat, LOOSE, &closed).await?;
    scene.must_succeed_outside(&attempts).await
}

/// The engine's own filter must not keep the sandbox from its work.
#[docker_test]
async fn the_filter_of_the_engine_does_not_change_the_answers() -> Result<()> {
    let scene = Scene::start().await?;
    scene.must_fail(Surface::Gateway, &attempts()).await
}
