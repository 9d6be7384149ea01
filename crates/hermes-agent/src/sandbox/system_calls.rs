//! seccomp: the system calls that a call may not use (seccomp(2)).
//!
//! The default is to allow. A denied call fails with `EPERM`, so that a program says which operation failed. Calls of another
//! architecture, which have other numbers, kill the process.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use hermes_os::sandbox_level::Level;
use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use thiserror::Error;

use super::policy::Network;

/// The calls without any use in a sandbox. Most need a privilege, and are here in case a kernel forgets to ask for it.
const NEVER: &[c_long] = &[
    // The memory, the descriptors and the secrets of other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    // Calls that do the work of others, unseen by this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    // The owner of any file of the account. Landlock does not cover it.
    libc::SYS_fchown,
    libc::SYS_fchownat,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Objects that outlive the call, and that agents could share.
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_vhangup,
];

/// The calls that change the attributes and access lists of any file of the account. Landlock does not cover them. They fail as on a
/// file system without attributes, which programs that copy files expect.
const ATTRIBUTES: [c_long; 9] = [
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

/// The operations of terminals that type for a person (ioctl(2)): `TIOCSTI`, `TIOCLINUX`; and `TIOCSETD`, which loads drivers.
const TYPING: [u64; 3] = [0x5412, 0x541C, 0x5423];

/// The flags of clone(2) that make namespaces.
const NEW_NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The calls that change another process of the account, by the index of the argument that names it. 0 is the caller.
const OF_A_PROCESS: [(c_long, u8); 6] = [
    (libc::SYS_prlimit64, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_setpriority, 1),
];

/// The calls that send to an address, by the index of their flags. With `MSG_FASTOPEN` they connect.
const SENDS: [(c_long, u8); 3] = [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)];

/// The calls that the supervisor does in place of the caller, after a look at their arguments in memory: the change of a file's mode.
/// No rule of Landlock covers it. Unless the network is open, connect(2) is another one: a TCP rule of Landlock names no address.
const MODE_CALLS: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// Numbers that the crate `libc` lacks for some architectures. New calls have one number on all of them.
pub(super) const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const OPEN_TREE_ATTR: c_long = 467;
const FILE_SETATTR: c_long = 469;

/// Values of socket(2) and setsockopt(2).
const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
const NETLINK: u64 = 16;
const TCP: u64 = 6;
const TCP_ULP: u64 = 31;
const FAST_OPEN: u64 = 0x2000_0000;
/// Every protocol of [`Network::Open`]: the default, ICMP, TCP, UDP, ICMPv6.
const OPEN_PROTOCOLS: [u64; 5] = [0, 1, TCP, 17, 58];

/// The first bit of the calls of x32, which share the architecture of x86-64. No other call has so high a number.
const X32: u32 = 0x4000_0000;

/// Classic BPF: load a word, compare, return (seccomp(2), bpf(4)).
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// The offsets of the number and the architecture in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// A failure to install the filter.
#[derive(Debug, Error)]
pub(super) enum FilterError {
    #[error("failed to compile the filter of system calls")]
    Compile(#[from] BackendError),
    #[error("failed to install the filter of system calls")]
    Install(#[source] io::Error),
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the filter in this thread, for good. Returns the listener, through which the supervisor receives the brokered calls.
///
/// # Errors
/// The architecture has no filter, or the kernel refuses it: this process has a filter with a listener already.
pub(super) fn install(network: Network, level: Level) -> Result<OwnedFd, FilterError> {
    let filter = filter_for(TargetArch::try_from(std::env::consts::ARCH)?, network, level)?;
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(u16::MAX),
        filter: filter.as_ptr().cast_mut().cast(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    #[expect(unsafe_code, reason = "seccomp(2) with a listener, which seccompiler lacks")]
    // SAFETY: the kernel reads `len` instructions, whose layout is that of the C type, from a vector that outlives the call.
    let listener = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program))
    };
    match RawFd::try_from(listener) {
        #[expect(unsafe_code, reason = "OwnedFd::from_raw_fd")]
        // SAFETY: the call returned this new descriptor, which has no other owner.
        Ok(listener) if listener >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(listener) }),
        _ => Err(FilterError::Install(io::Error::last_os_error())),
    }
}

/// Returns the filter. The numbers of the calls are those of this machine.
fn filter_for(architecture: TargetArch, network: Network, level: Level) -> Result<BpfProgram, BackendError> {
    let mut filter = opening(architecture, network, level)?;
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let rules = rules(network, level)?;
    let rest: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)?.try_into()?;
    filter.extend(rest);
    Ok(filter)
}

/// Returns the first instructions. They kill calls of other architectures, and pass the brokered calls to the supervisor. They hide
/// calls whose flags lie in memory, where no filter sees them. A C library uses an older call then.
fn opening(architecture: TargetArch, network: Network, level: Level) -> Result<BpfProgram, BackendError> {
    let audit = match architecture {
        TargetArch::x86_64 => 0xC000_003E,
        TargetArch::aarch64 => 0xC000_00B7,
        TargetArch::riscv64 => return Err(BackendError::InvalidTargetArch("riscv64".to_owned())),
    };
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut opening = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(JUMP_IF_EQUAL, 1, 0, audit),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, 0, 0, NUMBER),
        instruction(JUMP_IF_AT_LEAST, 0, 1, X32),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let connect = (network != Network::Open).then_some(libc::SYS_connect);
    let opens = (!level.has_abi(3)).then_some(libc::SYS_openat2);
    let brokered = MODE_CALLS.iter().copied().chain(connect).map(|call| (call, libc::SECCOMP_RET_USER_NOTIF));
    let error = |number: libc::c_int| libc::SECCOMP_RET_ERRNO | number.cast_unsigned();
    let hidden = std::iter::once(libc::SYS_clone3).chain(opens).map(|call| (call, error(libc::ENOSYS)));
    let unsupported = ATTRIBUTES.map(|call| (call, error(libc::EOPNOTSUPP)));
    for (call, answer) in brokered.chain(hidden).chain(unsupported) {
        opening.push(instruction(JUMP_IF_EQUAL, 0, 1, u32::try_from(call).unwrap_or(u32::MAX)));
        opening.push(instruction(RETURN, 0, 0, answer));
    }
    Ok(opening)
}

/// Returns the denied calls. A call with several rules is denied by each of them, a call without rules always.
fn rules(network: Network, level: Level) -> Result<Rules, BackendError> {
    let mut rules: Rules = NEVER.iter().map(|number| (*number, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    for number in [libc::SYS_kexec_file_load, libc::SYS_chown, libc::SYS_lchown] {
        rules.insert(number, Vec::new());
    }
    let namespaces = NEW_NAMESPACES.map(|flag| vec![has_bits(0, u64::from(flag.cast_unsigned()))]);
    deny(&mut rules, libc::SYS_clone, namespaces)?;
    deny(&mut rules, libc::SYS_ioctl, TYPING.map(|operation| vec![is(1, operation)]))?;
    for (call, argument) in OF_A_PROCESS {
        deny(&mut rules, call, [vec![is_not(argument, 0)]])?;
    }
    // The first argument of these two says if the second one is a process, a process group or a user.
    deny(&mut rules, libc::SYS_setpriority, [vec![is_not(0, 0)]])?;
    deny(&mut rules, libc::SYS_ioprio_set, [vec![is_not(0, 1)], vec![is_not(1, 0)]])?;
    // A pair of datagram sockets could send to any named Unix socket.
    let pair = [vec![is_not(0, UNIX)], vec![lacks_bit(1, 1)], vec![has_bits(1, 2)], vec![has_bits(1, 8)]];
    deny(&mut rules, libc::SYS_socketpair, pair)?;
    add_sockets(&mut rules, network)?;
    if !level.has_abi(3) {
        add_truncation(&mut rules)?;
    }
    Ok(rules)
}

/// Adds the rules of socket(2) and of the other ways to a connection.
fn add_sockets(rules: &mut Rules, network: Network) -> Result<(), BackendError> {
    match network {
        Network::Proxy { .. } => {
            // Streams of other protocols (MPTCP, SCTP, SMC) are no TCP for Landlock.
            let sockets = [
                vec![is_not(0, INET), is_not(0, INET6)],
                vec![lacks_bit(1, 1)],
                vec![has_bits(1, 2)],
                vec![has_bits(1, 4)],
                vec![has_bits(1, 8)],
                vec![is_not(2, 0), is_not(2, TCP)],
            ];
            deny(rules, libc::SYS_socket, sockets)?;
            deny(rules, libc::SYS_setsockopt, [vec![is(1, TCP), is(2, TCP_ULP)]])?;
            for (call, flags) in SENDS {
                deny(rules, call, [vec![has_bits(flags, FAST_OPEN)]])?;
            }
        }
        Network::Off => {
            rules.insert(libc::SYS_socket, Vec::new());
        }
        Network::Open => {
            let other_protocol = OPEN_PROTOCOLS.iter().map(|protocol| is_not(2, *protocol));
            let sockets = [
                vec![is_not(0, INET), is_not(0, INET6), is_not(0, NETLINK)],
                vec![is(0, NETLINK), is_not(2, 0)],
                vec![is_not(0, NETLINK), masked(1, 3, 0)],
                vec![is_not(0, NETLINK), masked(1, 3, 3)],
                vec![is_not(0, NETLINK), has_bits(1, 4)],
                vec![is_not(0, NETLINK), has_bits(1, 8)],
                std::iter::once(is_not(0, NETLINK)).chain(other_protocol).collect(),
            ];
            deny(rules, libc::SYS_socket, sockets)?;
        }
    }
    Ok(())
}

/// Adds the calls that truncate a file by its path. Landlock sees them from ABI 3.
fn add_truncation(rules: &mut Rules) -> Result<(), BackendError> {
    let (truncate, mode) = (0o1000, 0o3);
    let without_access =
        |flags| [vec![masked(flags, truncate | mode, truncate)], vec![has_bits(flags, truncate | mode)]];
    rules.insert(libc::SYS_truncate, Vec::new());
    deny(rules, libc::SYS_openat, without_access(2))?;
    #[cfg(target_arch = "x86_64")]
    deny(rules, libc::SYS_open, without_access(1))?;
    Ok(())
}

/// A condition on an argument: index, operator, value.
type Condition = (u8, SeccompCmpOp, u64);

/// Adds rules to a call. A rule denies the call if all its conditions hold.
fn deny<const COUNT: usize>(
    rules: &mut Rules,
    call: c_long,
    added: [Vec<Condition>; COUNT],
) -> Result<(), BackendError> {
    let all = rules.entry(call).or_default();
    for conditions in added {
        // Each compared argument is an `int`, so the kernel ignores the upper half of the register.
        let length = SeccompCmpArgLen::Dword;
        let compiled = conditions.into_iter().map(|(argument, operator, value)| {
            SeccompCondition::new(argument, length.clone(), operator, value)
        });
        all.push(SeccompRule::new(compiled.collect::<Result<_, _>>()?)?);
    }
    Ok(())
}

fn is(argument: u8, value: u64) -> Condition {
    (argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    (argument, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    (argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn has_bits(argument: u8, bits: u64) -> Condition {
    masked(argument, bits, bits)
}

fn lacks_bit(argument: u8, bit: u64) -> Condition {
    masked(argument, bit, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    fn every_filter_compiles(
        #[values(TargetArch::x86_64, TargetArch::aarch64)] architecture: TargetArch,
        #[values(Network::Off, Network::Proxy { port: 1 }, Network::Open)] network: Network,
        #[values(None, Some(1), Some(3), Some(4), Some(7))] landlock_abi: Option<u32>,
    ) {
        let level = Level { landlock_abi, seccomp: true };
        let filter = filter_for(architecture, network, level).unwrap();
        // BPF_MAXINSNS of the kernel.
        assert!((50..4096).contains(&filter.len()), "{} instructions", filter.len());
    }

    #[test]
    fn an_architecture_without_filter_is_refused() {
        let level = Level { landlock_abi: Some(7), seccomp: true };
        assert!(filter_for(TargetArch::riscv64, Network::Off, level).is_err());
    }
}
