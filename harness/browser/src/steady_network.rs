//! Keeps from a browser that the machine's network changes.
//!
//! Each container and network that other tests make and remove changes the addresses of this machine. Chromium hears of
//! it through netlink, takes it for a laptop that went elsewhere, and ends what waits for a connection with
//! `ERR_NETWORK_CHANGED`, though loopback is where it was. It has no flag against that; without netlink it takes the
//! network for steady (`AddressTrackerLinux::Init` in its `net/base`).

use std::io;
use std::process::{Child, Command};

/// Starts a program that gets no socket to ask for routes and addresses, nor does anything that it starts.
///
/// # Errors
/// It cannot be started, or the kernel takes no filter of system calls.
#[cfg(target_os = "linux")]
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    let filter = without_routes().map_err(io::Error::other)?;
    // A filter is the thread's own and that of the processes that it starts: this thread ends, the test goes without.
    let thread = std::thread::spawn(move || {
        seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
        command.spawn()
    });
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts the program panicked")))
}

/// Starts a program: such a filter is Linux's alone.
///
/// # Errors
/// It cannot be started.
#[cfg(not(target_os = "linux"))]
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    command.spawn()
}

/// `socket(AF_NETLINK, …, NETLINK_ROUTE)` fails as in a kernel that has none; whatever else is asked goes on.
#[cfg(target_os = "linux")]
fn without_routes() -> Result<seccompiler::BpfProgram, seccompiler::BackendError> {
    use nix::libc;
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    let is = |argument: u8, value: libc::c_int| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            value.unsigned_abs().into(),
        )
    };
    let routes = SeccompRule::new(vec![is(0, libc::AF_NETLINK)?, is(2, libc::NETLINK_ROUTE)?])?;
    let denied = SeccompAction::Errno(libc::EAFNOSUPPORT.unsigned_abs());
    let rules = [(libc::SYS_socket, vec![routes])].into();
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)?.try_into()
}
