//! Starting programs, the one place with `unsafe`: what has to happen between
//! fork and exec, and forking the booter and its workers.
#![expect(unsafe_code, reason = "fork(2) and the time between fork and exec; each block is argued")]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{self, ForkResult, Pid};

use crate::account::Account;

/// What a started program is, besides its command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    /// Becomes this account first.
    pub(crate) account: Option<Account>,
    /// Gets a process group of its own, so that it can be ended with its children.
    pub(crate) own_group: bool,
    /// That group is put in the foreground of the controlling terminal, if there is one.
    pub(crate) foreground: bool,
}

/// Starts a program with no signal blocked, whatever the booter blocks.
pub(crate) fn spawn(mut command: Command, traits: Traits) -> io::Result<Pid> {
    let set_up = move || -> io::Result<()> {
        if traits.own_group {
            unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        }
        if traits.foreground {
            take_terminal();
        }
        if let Some(account) = &traits.account {
            account.assume()?;
        }
        unblock_signals()
    };
    // SAFETY: the booter and its workers have one thread, so no lock can be held by another one
    // at the fork; the closure makes system calls only and allocates nothing.
    unsafe { command.pre_exec(set_up) };
    let child = command.spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Puts this process's group in the foreground of the controlling terminal.
///
/// Any of the standard streams may be the terminal. SIGTTOU is blocked here
/// (a background group that calls tcsetpgrp(3) would be stopped by it).
fn take_terminal() {
    let mut ttou = SigSet::empty();
    ttou.add(Signal::SIGTTOU);
    let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ttou), None);
    let group = unistd::getpid();
    for stream in streams() {
        if unistd::tcsetpgrp(stream, group).is_ok() {
            return;
        }
    }
}

/// The standard streams, borrowed.
pub(crate) fn streams() -> [std::os::fd::BorrowedFd<'static>; 3] {
    // SAFETY: 0, 1 and 2 are open for the whole life of the process: the Rust runtime opens
    // /dev/null in place of any that is closed, and nothing here closes them.
    [0, 1, 2].map(|number| unsafe { std::os::fd::BorrowedFd::borrow_raw(number) })
}

/// Closes every descriptor but these, in a process that was [forked](fork) and shall not keep what its parent has open.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| !kept.contains(number)) {
        // SAFETY: the objects that own these descriptors are the parent's copies; the forked process uses none of them and
        // ends without dropping them. The directory's own one is closed already: closing that again fails, and nothing else
        // opens descriptors meanwhile, since the process has one thread.
        unsafe { libc::close(number) };
    }
}

fn unblock_signals() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
}

/// Removes variables from the environment of this process, so that no program inherits them.
pub(crate) fn forget_variables<'n>(names: impl Iterator<Item = &'n OsString>) {
    for name in names {
        // SAFETY: /init and its forked copies have one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

/// Forks a copy of this process that runs `body` and exits with its result.
pub(crate) fn fork(body: impl FnOnce() -> u8) -> Result<Pid> {
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    match unsafe { unistd::fork() }.context("cannot fork")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => std::process::exit(i32::from(body())),
    }
}
