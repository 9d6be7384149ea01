//! The limits of a call, and its state at the start.

use hermes_agent::sandbox::{Ended, Limits};

use crate::call::Place;

#[test]
fn limits_hold() {
    let place = Place::new();
    let limits = Limits {
        file_size: 1 << 20,
        open_files: 64,
        address_space: Some(1 << 30),
        processor_seconds: Some(9),
        ..Limits::default()
    };
    let script = "ulimit -c; ulimit -n; ulimit -t; ulimit -v; ulimit -n 65 2>/dev/null || echo stays
trap '' XFSZ; head -c 2M /dev/zero >big; wc -c <big";
    let output = place.shell(script).limits(limits).run().output;
    let lines: Vec<_> = output.lines().filter(|line| !line.contains("large")).collect();
    assert_eq!(lines, ["0", "64", "9", "1048576", "stays", "1048576"], "{output}");
    let done = place.shell("exec head -c 2M /dev/zero >big").limits(limits).run();
    assert_eq!(done.ended, Ended::Killed { signal: 25 }, "SIGXFSZ");
}

#[test]
fn a_call_starts_with_nothing() {
    let script = "ls -l /proc/self/fd | awk 'NF > 3 {print $9, $NF}' | sed 's/pipe:.*/pipe/;s/\\/proc.*/own/'
grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs|Seccomp|SigBlk|SigIgn):' /proc/self/status
ps -o sid=,pgid=,tpgid= -p $$ 2>/dev/null | awk -v pid=$$ '{print ($1 == pid) ($2 == pid), $3}'";
    let place = Place::new();
    // The C library keeps two signals to itself, which a runner of tests may leave ignored.
    let output = place.shell(script).output().replace("0000000180000000", "0000000000000000");
    let expected = "0 /dev/null\n1 pipe\n2 pipe\n3 own\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000
CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n11 -1\n";
    assert_eq!(output, expected);
}
