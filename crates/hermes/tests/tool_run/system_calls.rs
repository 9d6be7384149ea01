//! System calls that no tool may use.

use hermes_agent::sandbox::{Ended, Network};
use rstest::rstest;

use crate::call::Place;

/// The number of a call: for x86-64, for aarch64. Newer calls have one number.
type Number = (u32, u32);

/// Calls a system call of six numbers, and prints the error.
fn errors(place: &Place, calls: &[(&str, Number, [i64; 4])]) -> String {
    let number = |(x86, arm): Number| if cfg!(target_arch = "x86_64") { x86 } else { arm };
    let lines = calls.iter().map(|(name, call, [a, b, c, d])| {
        format!(
            "$! = 0; print '{name} ', syscall({}, {a}, {b}, {c}, {d}, 0, 0), ' ', $! + 0, \"\\n\";",
            number(*call)
        )
    });
    place.perl(&lines.collect::<String>()).network(Network::Open).output()
}

#[test]
fn forbidden_calls_fail() {
    let place = Place::new();
    let calls: &[(&str, Number, [i64; 4])] = &[
        ("ptrace", (101, 117), [0, 0, 0, 0]),
        ("process_vm_readv", (310, 270), [1, 0, 0, 0]),
        ("process_vm_writev", (311, 271), [1, 0, 0, 0]),
        ("pidfd_getfd", (438, 438), [0, 0, 0, 0]),
        ("kcmp", (312, 272), [1, 1, 0, 0]),
        ("keyctl", (250, 219), [0, 0, 0, 0]),
        ("add_key", (248, 217), [0, 0, 0, 0]),
        ("request_key", (249, 218), [0, 0, 0, 0]),
        ("perf_event_open", (298, 241), [0, 0, 0, 0]),
        ("io_uring_setup", (425, 425), [1, 0, 0, 0]),
        ("io_uring_enter", (426, 426), [1, 0, 0, 0]),
        ("io_uring_register", (427, 427), [1, 0, 0, 0]),
        ("bpf", (321, 280), [0, 0, 0, 0]),
        ("userfaultfd", (323, 282), [1, 0, 0, 0]),
        ("unshare a user namespace", (272, 97), [0x1000_0000, 0, 0, 0]),
        ("setns", (308, 268), [0, 0, 0, 0]),
        ("clone a user namespace", (56, 220), [0x1000_0011, 0, 0, 0]),
        ("clone a network", (56, 220), [0x4000_0011, 0, 0, 0]),
        ("mount", (165, 40), [0, 0, 0, 0]),
        ("umount2", (166, 39), [0, 0, 0, 0]),
        ("move_mount", (429, 429), [0, 0, 0, 0]),
        ("fsopen", (430, 430), [0, 0, 0, 0]),
        ("open_tree", (428, 428), [0, 0, 0, 0]),
        ("open_tree_attr", (467, 467), [0, 0, 0, 0]),
        ("mount_setattr", (442, 442), [0, 0, 0, 0]),
        ("pivot_root", (155, 41), [0, 0, 0, 0]),
        ("chroot", (161, 51), [0, 0, 0, 0]),
        ("open_by_handle_at", (304, 265), [0, 0, 0, 0]),
        ("fanotify_init", (300, 262), [0, 0, 0, 0]),
        ("shmget", (29, 194), [0, 4096, 0o1600, 0]),
        ("msgget", (68, 186), [0, 0o1600, 0, 0]),
        ("semget", (64, 190), [0, 1, 0o1600, 0]),
        ("mq_open", (240, 180), [0, 0, 0, 0]),
        ("kexec_load", (246, 104), [0, 0, 0, 0]),
        ("init_module", (175, 105), [0, 0, 0, 0]),
        ("finit_module", (313, 273), [0, 0, 0, 0]),
        ("quotactl", (179, 60), [0, 0, 0, 0]),
        ("swapon", (167, 224), [0, 0, 0, 0]),
        ("reboot", (169, 142), [0, 0, 0, 0]),
        ("syslog", (103, 116), [3, 0, 0, 0]),
        ("fchownat", (260, 54), [0, 0, 0, 0]),
        ("TIOCSTI", (16, 29), [0, 0x5412, 0, 0]),
        ("TIOCSTI with high bits", (16, 29), [0, 0x1_0000_5412, 0, 0]),
        ("TIOCLINUX", (16, 29), [0, 0x541C, 0, 0]),
        ("TIOCSETD", (16, 29), [0, 0x5423, 0, 0]),
        ("prlimit64 of init", (302, 261), [1, 7, 0, 0]),
        ("setpriority of the user", (141, 140), [2, 0, 19, 0]),
        ("setpriority of a group", (141, 140), [1, 0, 19, 0]),
        ("ioprio_set of the user", (251, 30), [3, 0, 0, 0]),
    ];
    let output = errors(&place, calls);
    let expected: String = calls.iter().map(|(name, _, _)| format!("{name} -1 1\n")).collect();
    assert_eq!(output, expected);
    let unsupported: &[(&str, Number, [i64; 4])] = &[
        ("setxattr", (188, 5), [0, 0, 0, 0]),
        ("fsetxattr", (190, 7), [0, 0, 0, 0]),
        ("setxattrat", (463, 463), [0, 0, 0, 0]),
        ("removexattrat", (466, 466), [0, 0, 0, 0]),
        ("file_setattr", (469, 469), [0, 0, 0, 0]),
    ];
    let expected: String = unsupported.iter().map(|(name, _, _)| format!("{name} -1 95\n")).collect();
    assert_eq!(errors(&place, unsupported), expected, "as on a file system without attributes");
    let hidden = errors(&place, &[("clone3", (435, 435), [0, 0, 0, 0])]);
    assert_eq!(hidden, "clone3 -1 38\n", "a C library uses clone then");
}

#[cfg(target_arch = "x86_64")]
#[rstest]
#[case::x32_getpid("syscall(0x40000000 + 39)")]
#[case::x32_ptrace("syscall(0x40000000 + 521, 0, 0, 0, 0)")]
fn calls_of_another_architecture_kill(#[case] call: &str) {
    let done = Place::new().perl(&format!("{call}; print 'lives'")).run();
    assert_eq!((done.output.as_str(), done.ended), ("", Ended::Killed { signal: 31 }));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_32_bit_architecture_kill() {
    // mov eax, 20 (getpid of i386); int 0x80; then exit(0) by mov eax, 60; xor edi, edi; syscall.
    let code = [0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xB8, 60, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05];
    let place = Place::new();
    std::fs::write(place.path("coder/workspace/program"), elf(&code)).unwrap();
    let done = place.shell("cp program copy && chmod 755 copy && exec ./copy").run();
    assert_eq!(done.ended, Ended::Killed { signal: 31 }, "{}", done.output);
}

/// A program for x86-64: the header, one loaded segment, the code.
#[cfg(target_arch = "x86_64")]
fn elf(code: &[u8]) -> Vec<u8> {
    let (base, start) = (0x40_0000_u64, 0x78_u64);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    file.extend([base + start, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    let size = start + u64::try_from(code.len()).unwrap();
    file.extend([0, base, base, size, size, 4096].map(u64::to_le_bytes).concat());
    file.extend(code);
    file
}
