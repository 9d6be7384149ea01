//! Landlock: the files, the TCP ports, the signals and the abstract sockets that a call may use (landlock(7)).
//!
//! Landlock restricts neither stat(2) nor chdir(2), and shows names in `/proc`. Modes, owners, times and extended attributes are free
//! to their owner.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use thiserror::Error;

use super::policy::{Network, Policy};

/// The newest ABI that the tests ran on. Rights of a newer one would come without a test.
pub(super) const TESTED: ABI = ABI::V7;

/// The devices that every call may use. `/dev/tty` is the terminal of the call itself: it has a session of its own.
pub(super) const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Returns the rights on a device.
pub(super) fn device() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev
}

/// Returns the rights on a readable directory.
pub(super) fn readable() -> BitFlags<AccessFs> {
    AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir
}

/// Returns the rights on a writable directory.
pub(super) fn writable() -> BitFlags<AccessFs> {
    AccessFs::from_all(TESTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}

/// A failure to restrict the access of this process.
#[derive(Debug, Error)]
pub(super) enum FileAccessError {
    #[error("failed to open {} for Landlock", path.display())]
    Open { path: PathBuf, source: PathFdError },
    #[error("failed to make the rules of Landlock")]
    Rules(#[from] RulesetError),
    #[error("failed to restrict the process with Landlock: the kernel ignored the rules")]
    Ignored,
}

/// Restricts this thread, for good. `terminal` is the terminal of the call.
///
/// Other terminals of the account stay closed. So the programs of a call cannot open terminals of their own.
///
/// # Errors
/// A writable path does not exist, a path cannot be opened, or the kernel refuses the rules.
pub(super) fn restrict(policy: &Policy, terminal: Option<BorrowedFd<'_>>) -> Result<(), FileAccessError> {
    let mut rules =
        Ruleset::default().handle_access(AccessFs::from_all(TESTED))?.scope(Scope::from_all(TESTED))?;
    // No port is allowed: the supervisor connects to the proxy in place of the call. A rule would allow the port of every address.
    if policy.network != Network::Open {
        rules = rules.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut rules = rules.create()?;
    for path in DEVICES {
        rules = allow(rules, Path::new(path), device(), true)?;
    }
    if let Some(terminal) = terminal {
        rules = rules.add_rule(PathBeneath::new(terminal, device()))?;
    }
    for path in &policy.readable {
        rules = allow(rules, path, readable(), true)?;
    }
    for path in &policy.writable {
        rules = allow(rules, path, writable(), false)?;
    }
    match rules.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err(FileAccessError::Ignored),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// Keeps the signals of this process, for good, in the call that it will start. Returns `false` if this kernel cannot do it.
///
/// # Errors
/// The kernel refuses the rules.
pub(super) fn restrict_signals() -> Result<bool, FileAccessError> {
    let rules = Ruleset::default().scope(Scope::Signal)?.create()?;
    Ok(rules.restrict_self()?.ruleset == RulesetStatus::FullyEnforced)
}

/// Adds the rights on a path and all below it. The crate leaves out the rights that only directories have, for a file.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
    may_be_absent: bool,
) -> Result<RulesetCreated, FileAccessError> {
    match PathFd::new(path) {
        Ok(opened) => Ok(rules.add_rule(PathBeneath::new(opened.as_fd(), rights))?),
        Err(PathFdError::OpenCall { source, .. })
            if may_be_absent && source.kind() == ErrorKind::NotFound =>
        {
            Ok(rules)
        }
        Err(source) => Err(FileAccessError::Open { path: path.to_owned(), source }),
    }
}
