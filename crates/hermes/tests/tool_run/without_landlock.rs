//! The sandbox on a kernel without Landlock. A filter stands in for such a kernel: it hides the calls of Landlock.

use std::process::Command;

use hermes_agent::sandbox::{Ended, Enforcement, Network};

use crate::call::{Call, Done, Place, as_account};

/// Installs the filter, and executes the arguments.
const HIDE_LANDLOCK: &str = "my ($prctl, $seccomp) = (shift, shift);
my $program = pack('SCCL' x 4, 0x20, 0, 0, 0,  0x15, 0, 1, 444,  0x06, 0, 0, 0x50000 + 38,  0x06, 0, 0, 0x7fff0000);
syscall($prctl, 38, 1, 0, 0, 0) == 0 or die $!;
my $filter = pack('Sx6P', 4, $program);
syscall($seccomp, 1, 0, $filter) == 0 or die $!;
exec @ARGV or die $!;";

fn run(call: &Call) -> Done {
    let account = as_account();
    let mut command = Command::new("/usr/bin/perl");
    let numbers = if cfg!(target_arch = "x86_64") { ["157", "317"] } else { ["167", "277"] };
    command.args(["-e", HIDE_LANDLOCK]).args(numbers).arg(account.get_program()).args(account.get_args());
    command.args(["container", "tool-run"]);
    call.start_with(command).finish()
}

#[test]
fn a_call_that_requires_landlock_is_refused() {
    let place = Place::new();
    let done = run(&place.shell("echo started"));
    let cause = "failed to confine the call: this kernel has no Landlock".to_owned();
    assert_eq!((done.output.as_str(), done.ended), ("", Ended::NotConfined { cause }));
}

#[test]
fn an_approved_call_keeps_the_other_parts() {
    let place = Place::new();
    let script = "cat ../.env; for file in environ mem fd/0; do head -c 1 /proc/$PPID/$file 2>/dev/null; done
grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; chmod 000 ../.env 2>/dev/null || echo mode denied
perl -e 'truncate(\"../.env\", 0) or print \"truncate denied\\n\"; use Socket;
    socket(my $s, 2, 1, 0) or print \"socket denied\\n\"'; unshare -r true 2>/dev/null || echo namespace denied";
    let mut call = place.shell(script);
    call.request.policy.enforcement = Enforcement::WithoutLandlock;
    let done = run(&call);
    let expected =
        "a secret of the agent\nNoNewPrivs:\t1\nSeccomp:\t2\nmode denied\ntruncate denied\nsocket denied
namespace denied\n";
    assert_eq!((done.output.as_str(), done.ended), (expected, Ended::Exited { code: 0 }));
}

#[test]
fn the_proxy_is_the_only_host_without_landlock() {
    let place = Place::new();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, other) = (proxy.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    let script = format!(
        "for my $port ({port}, {other}) {{ socket(my $s, 2, 1, 0) or die;
    print connect($s, pack_sockaddr_in($port, INADDR_LOOPBACK)) ? 'connected ' : $! + 0; }}"
    );
    let mut call = place.perl(&script).network(Network::Proxy { port });
    call.request.policy.enforcement = Enforcement::WithoutLandlock;
    assert_eq!(run(&call).output, "connected 13");
}
