//! The credentials of a process, and the rights of root that remain in it.

use nix::unistd::{self, Gid};
use rustix::thread::CapabilitySet;

use crate::account::Account;

/// The IDs, groups and capabilities of this thread. Before a program starts other threads, they are those of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The real, effective and saved UID.
    uids: [u32; 3],
    gids: [u32; 3],
    groups: Vec<Gid>,
    effective: CapabilitySet,
    permitted: CapabilitySet,
    /// The capabilities outlive a change of the UID.
    keeps_capabilities: bool,
}

/// A right of the old account that remains.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Leftover {
    /// One of the three UIDs.
    #[error("its UIDs (real, effective, saved) are {0:?}")]
    Uids([u32; 3]),
    /// One of the three GIDs.
    #[error("its GIDs (real, effective, saved) are {0:?}")]
    Gids([u32; 3]),
    /// Groups that the account does not have, or missing ones.
    #[error("its groups are {0:?}")]
    Groups(Vec<u32>),
    /// A capability.
    #[error("it has capabilities (effective {effective:#x}, permitted {permitted:#x})")]
    Capabilities {
        /// The mask `CapEff` of proc_pid_status(5).
        effective: u64,
        /// The mask `CapPrm`.
        permitted: u64,
    },
    /// `PR_SET_KEEPCAPS` is on.
    #[error("it keeps its capabilities at a change of the UID")]
    KeepsCapabilities,
}

impl Credentials {
    /// Returns the current credentials.
    ///
    /// # Errors
    /// Fails when the kernel refuses a call.
    pub fn now() -> nix::Result<Self> {
        let failed = |errno: rustix::io::Errno| nix::Error::from_raw(errno.raw_os_error());
        let uids = unistd::getresuid()?;
        let gids = unistd::getresgid()?;
        let capabilities = rustix::thread::capabilities(None).map_err(failed)?;
        Ok(Self {
            uids: [uids.real, uids.effective, uids.saved].map(|uid| uid.as_raw()),
            gids: [gids.real, gids.effective, gids.saved].map(|gid| gid.as_raw()),
            groups: unistd::getgroups()?,
            effective: capabilities.effective,
            permitted: capabilities.permitted,
            keeps_capabilities: rustix::thread::get_keep_capabilities().map_err(failed)?,
        })
    }

    /// Returns the first difference to the credentials of `account`.
    pub fn leftover(&self, account: &Account) -> Option<Leftover> {
        let sorted = |groups: &[Gid]| {
            let mut numbers: Vec<u32> = groups.iter().map(|gid| gid.as_raw()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let groups = sorted(&self.groups);
        if self.uids != [account.uid.as_raw(); 3] {
            Some(Leftover::Uids(self.uids))
        } else if self.gids != [account.gid.as_raw(); 3] {
            Some(Leftover::Gids(self.gids))
        } else if groups != sorted(&account.groups) {
            Some(Leftover::Groups(groups))
        } else if !(self.effective.is_empty() && self.permitted.is_empty()) {
            Some(Leftover::Capabilities {
                effective: self.effective.bits(),
                permitted: self.permitted.bits(),
            })
        } else {
            self.keeps_capabilities.then_some(Leftover::KeepsCapabilities)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Uid;
    use rstest::rstest;

    fn dropped() -> Credentials {
        Credentials {
            uids: [10000; 3],
            gids: [10001; 3],
            groups: [998, 10001].map(Gid::from_raw).to_vec(),
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            keeps_capabilities: false,
        }
    }

    #[rstest]
    #[case(dropped(), None)]
    #[case(
        Credentials { uids: [10000, 10000, 0], ..dropped() },
        Some("its UIDs (real, effective, saved) are [10000, 10000, 0]")
    )]
    #[case(
        Credentials { gids: [0, 10001, 10001], ..dropped() },
        Some("its GIDs (real, effective, saved) are [0, 10001, 10001]")
    )]
    #[case(
        Credentials { groups: [998, 0, 10001].map(Gid::from_raw).to_vec(), ..dropped() },
        Some("its groups are [0, 998, 10001]")
    )]
    #[case(Credentials { groups: Vec::new(), ..dropped() }, Some("its groups are []"))]
    #[case(
        Credentials { permitted: CapabilitySet::SETUID, ..dropped() },
        Some("it has capabilities (effective 0x0, permitted 0x80)")
    )]
    #[case(
        Credentials { keeps_capabilities: true, ..dropped() },
        Some("it keeps its capabilities at a change of the UID")
    )]
    fn remaining_rights_of_root_are_found(#[case] seen: Credentials, #[case] expected: Option<&str>) {
        let account = Account {
            uid: Uid::from_raw(10000),
            gid: Gid::from_raw(10001),
            groups: [10001, 998].map(Gid::from_raw).to_vec(),
            home: "/opt/data".into(),
        };
        assert_eq!(seen.leftover(&account).map(|left| left.to_string()).as_deref(), expected);
    }

    #[test]
    fn credentials_of_this_process_are_read() {
        let now = Credentials::now().unwrap();
        assert_eq!(now.uids[1], unistd::geteuid().as_raw());
    }
}
