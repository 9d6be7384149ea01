//! Blocked signals and the descriptor that reads them. Only nix has signal sets and signalfd(2), so this module translates its types.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::Signal;

/// Blocks these signals.
///
/// Makes only system calls, as [`unblock`] and [`unblock_all`] do: they may run between fork and exec.
pub(crate) fn block(signals: &[Signal]) -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set_of(signals)), None)?)
}

/// Blocks all signals.
pub(crate) fn block_all() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?)
}

/// Unblocks these signals.
pub(crate) fn unblock(signals: &[Signal]) -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set_of(signals)), None)?)
}

/// Unblocks all signals.
pub(crate) fn unblock_all() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
}

/// Waits for one of these signals, which must be blocked.
pub(crate) fn wait_for(signals: &[Signal]) -> io::Result<()> {
    set_of(signals).wait()?;
    Ok(())
}

/// A descriptor from which blocked signals are read, signalfd(2).
pub(crate) struct SignalReader(SignalFd);

impl SignalReader {
    /// Opens the descriptor for these signals. Reading does not block.
    pub(crate) fn new(signals: &[Signal]) -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&set_of(signals), flags)?))
    }

    /// Returns the next pending signal, or `None` if there is none.
    pub(crate) fn read(&self) -> Option<Signal> {
        let information = self.0.read_signal().ok().flatten()?;
        Signal::from_named_raw(i32::try_from(information.ssi_signo).ok()?)
    }
}

impl AsFd for SignalReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set_of(signals: &[Signal]) -> SigSet {
    signals.iter().filter_map(|signal| nix::sys::signal::Signal::try_from(signal.as_raw()).ok()).collect()
}
