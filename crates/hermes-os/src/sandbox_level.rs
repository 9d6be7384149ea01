//! The level of the sandbox of tools on this kernel: the parts that the kernel has (landlock(7), seccomp(2)).

use std::fmt;
use std::sync::OnceLock;

/// The oldest Landlock ABI with all parts of the sandbox.
const FULL_ABI: u32 = 6;

/// The level of the sandbox. Each Landlock ABI adds a part:
///
/// | ABI | Linux | without it |
/// | --- | --- | --- |
/// | 1 | 5.13 | no Landlock: a call runs only if a person approves it |
/// | 2 | 5.19 | files cannot be renamed or linked between directories |
/// | 3 | 6.2 | seccomp denies truncate(2), openat2(2) and `O_TRUNC` without write access |
/// | 4 | 6.7 | the supervisor alone decides about TCP connections |
/// | 5 | 6.10 | the operations of open devices (ioctl(2)) are free |
/// | 6 | 6.12 | a tool can signal other processes of its account and connect to abstract Unix sockets, if it has such a socket |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The ABI of Landlock, `None` without Landlock.
    pub landlock_abi: Option<u32>,
    /// The kernel filters system calls.
    pub seccomp: bool,
}

impl Level {
    /// Returns the level of this kernel. The first call asks it.
    pub fn probe() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Self { landlock_abi: landlock_abi(), seccomp: has_seccomp() })
    }

    /// Returns `true` if the kernel has all parts.
    pub fn is_full(self) -> bool {
        self.seccomp && self.has_abi(FULL_ABI)
    }

    /// Returns `true` if the kernel has Landlock with this ABI.
    pub fn has_abi(self, abi: u32) -> bool {
        self.landlock_abi.is_some_and(|found| found >= abi)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.landlock_abi, self.seccomp) {
            (Some(abi), true) => write!(formatter, "landlock {abi} + seccomp"),
            (Some(abi), false) => write!(formatter, "landlock {abi}"),
            (None, true) => formatter.write_str("seccomp"),
            (None, false) => formatter.write_str("none"),
        }
    }
}

/// Returns the ABI of Landlock.
fn landlock_abi() -> Option<u32> {
    /// LANDLOCK_CREATE_RULESET_VERSION of landlock_create_ruleset(2).
    const VERSION: libc::c_uint = 1;
    let none = std::ptr::null::<libc::c_void>();
    #[expect(unsafe_code, reason = "landlock_create_ruleset(2), which rustix lacks")]
    // SAFETY: with this flag the call takes no pointer and makes no object.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(abi).ok().filter(|&abi| abi > 0)
}

/// Returns `true` if the kernel can answer a filtered call with an error.
fn has_seccomp() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    #[expect(unsafe_code, reason = "seccomp(2), which rustix lacks")]
    // SAFETY: the operation reads four bytes from the pointer, which is valid for the call.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0_u32, std::ptr::from_ref(&action))
    };
    answer == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(7), true, "landlock 7 + seccomp", true)]
    #[case(Some(6), true, "landlock 6 + seccomp", true)]
    #[case(Some(5), true, "landlock 5 + seccomp", false)]
    #[case(Some(7), false, "landlock 7", false)]
    #[case(None, true, "seccomp", false)]
    #[case(None, false, "none", false)]
    fn a_level_names_its_parts(
        #[case] landlock_abi: Option<u32>,
        #[case] seccomp: bool,
        #[case] expected: &str,
        #[case] full: bool,
    ) {
        let level = Level { landlock_abi, seccomp };
        assert_eq!((level.to_string().as_str(), level.is_full()), (expected, full));
    }
}
