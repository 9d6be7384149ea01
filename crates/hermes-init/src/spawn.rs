//! Starts programs and forks the booter and its workers. Only this module contains `unsafe` code.
#![expect(
    unsafe_code,
    reason = "fork(2) and the time between fork and exec; each block has a SAFETY comment"
)]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::ForkResult;
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getrlimit, setpgid, setrlimit};
use rustix::termios::tcsetpgrp;

use crate::account::Account;
use crate::signals;
use crate::streams;

/// The properties of a started program, besides its command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpawnOptions {
    /// Becomes this account before the program starts.
    pub(crate) account: Option<Account>,
    /// Gets its own process group, so that it can be ended with its children.
    pub(crate) own_group: bool,
    /// Puts that group in the foreground of the controlling terminal, if there is one.
    pub(crate) foreground: bool,
}

/// Starts a program with no signal blocked, regardless of the signals that this process blocks.
pub(crate) fn spawn(mut command: Command, options: SpawnOptions) -> io::Result<Pid> {
    let set_up = move || -> io::Result<()> {
        if options.own_group {
            setpgid(None, None)?;
        }
        if options.foreground {
            take_terminal();
        }
        if let Some(account) = &options.account {
            account.assume()?;
        }
        signals::unblock_all()
    };
    // SAFETY: the booter and its workers have one thread, so no other thread can hold a lock at the fork. The closure makes
    // system calls only, and allocates no memory.
    unsafe { command.pre_exec(set_up) };
    let child = command.spawn()?;
    Ok(Pid::from_child(&child))
}

/// Puts this process's group in the foreground of the controlling terminal.
///
/// Any standard stream may be the terminal. SIGTTOU is blocked meanwhile: it would stop a background group that calls
/// tcsetpgrp(3).
fn take_terminal() {
    let _ = signals::block(&[Signal::TTOU]);
    let group = getpid();
    for stream in streams::standard() {
        if tcsetpgrp(stream, group).is_ok() {
            return;
        }
    }
}

/// Closes every descriptor except `kept`, in a [forked](fork) process that must not keep its parent's descriptors.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let listed = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let listed: Vec<RawFd> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The list holds the descriptor of the directory itself, which is closed by now.
    let is_open = |number: RawFd| fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    for number in listed.into_iter().filter(|number| !kept.contains(number)).filter(|number| is_open(*number))
    {
        // SAFETY: the descriptor is open, and stays so until here, since the process has one thread. The objects that own these
        // descriptors are the parent's copies: the forked process uses none of them, and ends without dropping them.
        unsafe { rustix::io::close(number) };
    }
}

/// Removes variables from the environment of this process, so that no program inherits them.
pub(crate) fn forget_variables<'n>(names: impl Iterator<Item = &'n OsString>) {
    for name in names {
        // SAFETY: /init and its forked copies have one thread, so no other thread reads the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

/// Forks a copy of this process that runs `body` and exits with its result.
pub(crate) fn fork(body: impl FnOnce() -> u8) -> Result<Pid> {
    // SAFETY: this process has one thread, so the child can run any code.
    match unsafe { nix::unistd::fork() }.context("failed to fork")? {
        ForkResult::Parent { child } => Pid::from_raw(child.as_raw()).context("failed to fork"),
        ForkResult::Child => std::process::exit(i32::from(body())),
    }
}

/// Raises the limit of descriptors to the maximum: a slot with a logger costs `s6-svscan` two.
pub(crate) fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}
